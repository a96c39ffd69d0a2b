// A round again and again, with a pause between: never two at once, and none left running when it is stopped.

export class Rounds {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();

  /** `round` must not reject: it tells of its own trouble. In: by how much it comes too late, in ms; a machine that slept shows so. */
  constructor(private readonly round: (lateMs: number) => Promise<void>) {}

  /** The first round at once, the next `everyMs` after the end of each. */
  start(everyMs: number): void {
    const after = (ms: number): NodeJS.Timeout => {
      const dueAt = Date.now() + ms;
      return setTimeout(() => again(Math.max(0, Date.now() - dueAt)), ms).unref();
    };
    const again = (lateMs: number): void => {
      this.running = this.round(lateMs).finally(() => {
        if (this.timer !== null) this.timer = after(everyMs);
      });
    };
    this.timer = after(0);
  }

  /** Resolves when the round at work has ended. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    await this.running;
  }
}
