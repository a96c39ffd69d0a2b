// The real clock. Its timers do not keep the process: whoever runs a build does that.
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '#core/clock.js';

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    try {
      await sleep(ms, undefined, { signal, ref: false });
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error;
    }
  }
}
