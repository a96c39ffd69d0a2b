// A disk that is full.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Inject } from './inject.js';

/** What became free meanwhile is taken so often. */
const TOP_UP_EVERY_MS = 20;

/** Every build that is under way meanwhile may meet it, and is marked. */
export const fillDisk: Inject = async ({ stage, fault, builds }) => {
  if (stage.disk === null) return false;
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
