// Days on which nothing is to be done for now: looked at again when their next log is due, or when a policy changed.

export class SettledDays {
  private readonly seen = new Map<string, { until: number; mark: string }>();

  /** In: a partition's name; the mark of the policies in force (Policies.mark). */
  has(name: string, mark: string, now: Date): boolean {
    const day = this.seen.get(name);
    return day !== undefined && day.mark === mark && now.getTime() < day.until;
  }

  /** In: `until` in ms since 1970, or Infinity. */
  note(name: string, mark: string, until: number): void {
    this.seen.set(name, { until, mark });
  }

  forget(name: string): void {
    this.seen.delete(name);
  }
}
