// Waits for a condition, never for a time.
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 20;

/** Resolves when `holds` gives true. Errors: what was waited for, when it did not come in 30 s; what `holds` throws. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error(`waited ${PATIENCE_MS / 1000} s in vain until ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
