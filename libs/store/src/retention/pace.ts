// How the parts of a cleanup go through much without slowing anybody: small batches, and a pause after each.
import { setTimeout as sleep } from 'node:timers/promises';

/** What a part of a cleanup took away. */
export interface Taken {
  items: number;
  bytes: number;
}

export const NOTHING: Taken = { items: 0, bytes: 0 };

/** Pauses last so many times as long as the work before them: the database is at most a quarter of the time at work for us. */
const PAUSE_FACTOR = 3;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Calls `batch` until it finds nothing more, with pauses. Each batch is a transaction of its own, so whoever is stopped in the middle
 * has done what it did. Errors: the batch's; the signal's reason.
 */
export async function inBatches(signal: AbortSignal, batch: () => Promise<Taken>): Promise<Taken> {
  const total: Taken = { items: 0, bytes: 0 };
  for (;;) {
    signal.throwIfAborted();
    const began = performance.now();
    const taken = await batch();
    if (taken.items === 0) return total;
    total.items += taken.items;
    total.bytes += taken.bytes;
    await pause(performance.now() - began, signal);
  }
}

/** In: how long the work took, in ms. Errors: the signal's reason. */
export async function pause(workMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(workMs * PAUSE_FACTOR, LONGEST_PAUSE_MS), undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
