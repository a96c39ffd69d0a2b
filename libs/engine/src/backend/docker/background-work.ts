// Work that nobody waits for, but not without a bound.

/** Runs tasks behind the caller's back, at most `limit` at once; a task beyond that makes its caller wait for a place. */
export class BackgroundWork {
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly options: { limit: number; onError: (error: unknown) => void }) {}

  /** Resolves when the task has begun. Its failure goes to `onError`. */
  async begin(task: () => Promise<void>): Promise<void> {
    while (this.running.size >= this.options.limit) await Promise.race(this.running);
    const done: Promise<void> = task()
      .catch(this.options.onError)
      .finally(() => this.running.delete(done));
    this.running.add(done);
  }

  /** Resolves when all that was begun is over. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
