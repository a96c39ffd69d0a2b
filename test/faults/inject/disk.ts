// A disk that is full.
import { setTimeout as sleep } from 'node:timers/promises';
import { hasItsFault } from '../plan.js';
import type { Inject } from './inject.js';

/** What became free meanwhile is taken so often. */
const TOP_UP_EVERY_MS = 20;

/**
 * Builds that a fault of another kind is about to strike are let go first; another writer is not waited for, which might wait for this one.
 * Every build that is under way then may meet the full disk, and is marked.
 */
export const fillDisk: Inject = async ({ stage, fault, build: its, builds, signal }) => {
  if (stage.disk === null) return false;
  const aboutToBeStruck = (): boolean =>
    builds.some(
      ({ planned, id, ended }) => planned.kind !== its.planned.kind && hasItsFault(planned.kind) && id !== '' && !ended,
    );
  while (aboutToBeStruck() && !its.ended && !signal.aborted) await sleep(TOP_UP_EVERY_MS);
  try {
    for (const until = Date.now() + fault.forMs; Date.now() < until; await sleep(TOP_UP_EVERY_MS)) {
      for (const build of builds) build.mayHaveMetFullDisk ||= build.id !== '' && !build.ended;
      await stage.disk.topUp();
    }
  } finally {
    // one that was started since the last look may have met it too
    for (const build of builds) build.mayHaveMetFullDisk ||= build.id !== '' && !build.ended;
    await stage.disk.empty();
  }
  return true;
};
