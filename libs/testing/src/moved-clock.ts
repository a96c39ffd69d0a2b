// The real clock, which a scenario can put forward: a build's timeout of minutes then passes at once.
import { Clock } from '#core/clock.js';

interface Sleeper {
  wakeAtMs: number;
  timer: NodeJS.Timeout;
  wake: () => void;
}

export class MovedClock extends Clock {
  #aheadMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const end = (): void => {
        clearTimeout(sleeper.timer);
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        end();
        reject(signal?.reason as Error);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const sleeper: Sleeper = { wakeAtMs: this.now().getTime() + ms, timer: setTimeout(wake, ms).unref(), wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Puts it forward and wakes whom that reaches, in the order of their times. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    const now = this.now().getTime();
    const due = [...this.#sleepers].filter((sleeper) => sleeper.wakeAtMs <= now);
    for (const sleeper of due.sort((a, b) => a.wakeAtMs - b.wakeAtMs)) sleeper.wake();
  }
}
