// The ends of phases on their way to the journal, in order, beside the work of the phases that follow. Called by run-build.ts.
import type { BuildState } from '#core/transitions.js';
import type { BuildJournal, PhaseNote } from './ports.js';

/**
 * A script often tells the ends of several phases at once; they are written down together, and nobody waits for that but the last.
 * Errors: the journal's first one goes to onFailure, and comes out of the next call; nothing is written after it.
 */
export class PhaseNotes {
  #waiting: PhaseNote[] = [];
  #writing: Promise<void> | null = null;
  #written: BuildState | null = null;
  #failure: { error: unknown } | null = null;

  constructor(
    private readonly journal: BuildJournal,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** For an end behind which the build goes on whatever the journal makes of it. */
  add(note: PhaseNote): void {
    this.throwFailure();
    this.#waiting.push(note);
    this.#writing ??= this.#write();
  }

  /** Resolves when this one is written, and all before it. Out: the state behind it. */
  async write(note: PhaseNote): Promise<BuildState> {
    this.add(note);
    await this.settled();
    return this.#written!;
  }

  /** Resolves when all is written. */
  async settled(): Promise<void> {
    await this.#writing;
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #write(): Promise<void> {
    try {
      // what is told in the same breath comes along
      await new Promise(setImmediate);
      while (this.#waiting.length > 0) this.#written = await this.journal.applyAll(this.#waiting.splice(0));
    } catch (error) {
      this.#failure = { error };
      this.onFailure(error);
    }
    this.#writing = null;
  }
}
