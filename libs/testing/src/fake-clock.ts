// A clock that tests move by hand.
import { Clock } from '#core/clock.js';

interface Sleeper {
  wakeAt: number;
  wake: () => void;
}

/** Stands still until `advance`; sleepers wake in the order of their times. */
export class FakeClock extends Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(start: Date = new Date('2026-01-15T12:00:00.000Z')) {
    super();
    this.#nowMs = start.getTime();
  }

  override now(): Date {
    return new Date(this.#nowMs);
  }

  /** How many sleep now: a test waits for that before it advances. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason as Error);
      };
      const sleeper: Sleeper = {
        wakeAt: this.#nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Moves time on and wakes whom it reaches; lets their continuations run before it resolves. */
  async advance(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#sleepers].filter((s) => s.wakeAt <= until).sort((a, b) => a.wakeAt - b.wakeAt)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.wakeAt);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = until;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
