// What the figures were measured on, and what else the machine did meanwhile.
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export function thisMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}

/** Busy and total ticks of all cores since boot, from /proc/stat. */
function ticks() {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/);
  const numbers = fields.map(Number);
  const total = numbers.slice(0, 8).reduce((sum, one) => sum + one, 0);
  return { total, idle: numbers[3] + numbers[4] };
}

/**
 * What others take of the machine while nothing is measured: share of all cores that is busy during a second, and the load average.
 * Out: `busy 12 %, load 0.4`.
 */
export async function loadBeside(forMs = 1_000) {
  const before = ticks();
  await sleep(forMs);
  const after = ticks();
  const busy = 1 - (after.idle - before.idle) / Math.max(1, after.total - before.total);
  return `busy ${Math.round(busy * 100)} %, load ${loadavg()[0].toFixed(1)}`;
}
