// A full disk of the worker is ours, a build that took more than its share is its own: which of the two ended a build is told here.
import { Fault, isDatabaseTrouble, isNoSpace, messageOf } from '#core/errors.js';
import { FULL_BYTES, sayDisk, type DiskSpace } from '../backend/disk-space.js';
import type { BuildRun } from '../build-run.js';

/** Above it a status is the number of a signal: somebody killed the pump, which on a container of its own is the build's doing. */
const BY_SIGNAL = 128;

/**
 * To be asked when the script did not end well. Resolves when no disk was full. Sets `run.diskExceeded` where the build is over
 * its own limit. Errors: Fault STORAGE_FULL naming the disk.
 */
export async function checkDisks(run: BuildRun): Promise<void> {
  const full = (await run.ports.backend.disks()).filter(({ freeBytes }) => freeBytes < FULL_BYTES);
  const pump = run.script?.pumpEnded ?? null;
  // room may be there again; what the pump could not write is missing all the same
  if (full.length === 0 && (pump === null || pump > BY_SIGNAL)) return;
  const { diskBytes } = run.sandbox!.limits;
  // an engine that cannot tell leaves it open whose doing it was; then it is taken for ours
  const used = await run.sandbox!.diskUsage().catch(() => 0);
  if (used > diskBytes) {
    run.diskExceeded ??= sayExceeded(used, diskBytes);
    return;
  }
  throw new Fault(
    'STORAGE_FULL',
    pump === null
      ? 'The disk was full while the build ran'
      : 'The disk was full while the build ran: its output could not be stored, and the log lacks what came after',
    { retryable: true, details: { disk: 'worker' } },
  );
}

export function sayExceeded(used: number, diskBytes: number): string {
  return `The build used ${used} bytes of disk; its compute type gives it ${diskBytes}`;
}

/** What any error is in these terms: a Fault STORAGE_FULL that says how the disks are, or the error as it came. */
export async function withDisks(run: BuildRun, error: unknown): Promise<unknown> {
  if (isDatabaseTrouble(error)) return error; // no disk of this host
  const fault = error instanceof Fault && error.code === 'STORAGE_FULL';
  if (!fault && !isNoSpace(error)) return error;
  const disks = await run.ports.backend.disks().catch((): DiskSpace[] => []); // the message goes without, then
  const how = disks.length === 0 ? '' : ` (${disks.map(sayDisk).join('; ')})`;
  return new Fault('STORAGE_FULL', `${messageOf(error)}${how}`, { cause: error, retryable: true });
}
