// How fast live streams are sent. A build that floods its log with hundreds watching would otherwise have the API copy gigabytes a second,
// on a machine that has builds to run; nobody reads that fast.
import { setTimeout as sleep } from 'node:timers/promises';

/** What a stream that was quiet may send at once, in time at its share. */
const SAVED_MS = 250;

/**
 * Shares a rate among the streams that want more than their part of it at this moment; one that sends little never waits.
 * In: bytes per second of all streams together; a clock in ms.
 */
export class StreamPace {
  private held = 0;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly now: () => number = () => performance.now(),
    private readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown> = (ms, signal) =>
      sleep(ms, undefined, { signal }),
  ) {}

  /** One stream. Out: what is called with the bytes just sent, and resolves when more may follow. Errors: the signal's abort. */
  stream(): (bytes: number, signal: AbortSignal) => Promise<void> {
    let freeAt = 0;
    return async (bytes, signal) => {
      const now = this.now();
      const share = this.bytesPerSecond / (this.held + 1);
      freeAt = Math.max(freeAt, now - SAVED_MS) + (bytes / share) * 1000;
      if (freeAt <= now) return;
      this.held += 1;
      try {
        await this.wait(freeAt - now, signal);
      } finally {
        this.held -= 1;
      }
    };
  }
}
