// What was verified, one by one, and what was found wrong.

export interface Finding {
  /** Which property of what: `build 7 (long): the log is whole`. */
  name: string;
  /** Null when it holds. */
  wrong: string | null;
}

export class Findings {
  readonly all: Finding[] = [];

  /** Notes a property that was looked at. */
  note(name: string, wrong: string | null): void {
    this.all.push({ name, wrong });
  }

  /** Looks at one; what looking at it throws counts as wrong. */
  async check(name: string, look: () => Promise<string | null> | string | null): Promise<void> {
    try {
      this.note(name, await look());
    } catch (error) {
      this.note(
        name,
        `could not be verified: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  }

  get violations(): Finding[] {
    return this.all.filter(({ wrong }) => wrong !== null);
  }
}

/** Null for none, else the first few in one text. */
export function listed(wrongs: readonly string[], most = 5): string | null {
  if (wrongs.length === 0) return null;
  const more = wrongs.length > most ? `; and ${wrongs.length - most} more` : '';
  return wrongs.slice(0, most).join('; ') + more;
}
