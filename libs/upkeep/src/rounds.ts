// A round again and again, with a pause between: never two at once, and none left running when it is stopped.

export class Rounds {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();

  /** `round` must not reject: it tells of its own trouble. */
  constructor(private readonly round: () => Promise<void>) {}

  /** The first round at once, the next `everyMs` after the end of each. */
  start(everyMs: number): void {
    const again = (): void => {
      this.running = this.round().finally(() => {
        if (this.timer !== null) this.timer = setTimeout(again, everyMs).unref();
      });
    };
    this.timer = setTimeout(again, 0).unref();
  }

  /** Resolves when the round at work has ended. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    await this.running;
  }
}
