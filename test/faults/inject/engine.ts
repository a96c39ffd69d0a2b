// Faults of the Docker Engine and of containers.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseBuildId } from '#core/ids.js';
import { containerOf, type BuildContainer } from '../sandboxes.js';
import { OPEN } from '../shapes.js';
import type { Blow, Inject } from './inject.js';

const LOOK_EVERY_MS = 100;

export const killEngine: Inject = async ({ stage, forItsTime }) => {
  if (stage.engine === null) return false;
  await stage.engine.kill();
  await forItsTime();
  await stage.engine.up();
  return true;
};

export const killContainer: Inject = async (blow) => {
  const found = await itsContainer(blow);
  return found !== null && kill(blow, found);
};

/** The next attempt finds the gate open; the one that is killed began when it was closed. */
export const killAttempt: Inject = async (blow) => {
  const found = await itsContainer(blow);
  if (found === null) return false;
  await blow.client.json('PUT', `/v1/parameters/${blow.build.planned.gate}`, { value: OPEN });
  return kill(blow, found);
};

/** Waits for it; null when there will be none any more. */
async function itsContainer({ stage, build, signal }: Blow): Promise<BuildContainer | null> {
  for (; !build.ended && !signal.aborted; await sleep(LOOK_EVERY_MS)) {
    const found = await containerOf(stage.kilnyard.dataDir, parseBuildId(build.id).id);
    if (found !== null) return found;
  }
  return null;
}

/** Kills that one and no later one, as soon as the engine lets it. */
async function kill({ stage, build, signal }: Blow, { container }: BuildContainer): Promise<boolean> {
  for (; !build.ended && !signal.aborted; await sleep(LOOK_EVERY_MS)) {
    try {
      await stage.docker.getContainer(container).kill();
      return true;
    } catch (error) {
      // gone or not running: these builds do not end by themselves, so an engine that could not answer any more has done it
      const { statusCode } = error as { statusCode?: number };
      if (statusCode === 404 || statusCode === 409) return true;
    }
  }
  return false;
}
