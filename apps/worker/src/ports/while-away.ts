// The database may be away for a while (a restart, a fail-over): what a running build has to write waits for it.
import { isDatabaseTrouble } from '#core/errors.js';
import type { Clock } from '#core/clock.js';

const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2_000;

/** Tries again while the database takes nothing. Errors: its Fault DATABASE_UNAVAILABLE or STORAGE_FULL after `awayMs`; any other at once. */
export async function whileAway<T>(clock: Clock, awayMs: number, work: () => Promise<T>): Promise<T> {
  const until = clock.now().getTime() + awayMs;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LAST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      // a database whose disk is full goes on when there is room
      const away = isDatabaseTrouble(error) && error.retryable;
      if (!away || clock.now().getTime() > until) throw error;
      await clock.sleep(wait);
    }
  }
}
