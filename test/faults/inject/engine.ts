// Faults of the Docker Engine and of containers.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseBuildId } from '#core/ids.js';
import type { Inject } from './inject.js';

/** Tries to find a running container of the build; it may just be waiting for a worker that takes it up. */
const LOOKS = 50;
const LOOK_EVERY_MS = 100;

export const killEngine: Inject = async ({ stage, forItsTime }) => {
  if (stage.engine === null) return false;
  await stage.engine.kill();
  await forItsTime();
  await stage.engine.up();
  return true;
};

export const killContainer: Inject = async ({ stage, build }) => {
  const label = [`kilnyard.build=${parseBuildId(build.id).id}`];
  for (let look = 0; look < LOOKS && !build.ended; look += 1, await sleep(LOOK_EVERY_MS)) {
    try {
      const [running] = await stage.docker.listContainers({ filters: { label } });
      if (running === undefined) continue;
      build.containerKilled = 'perhaps';
      await stage.docker.getContainer(running.Id).kill();
      build.containerKilled = 'yes';
      return true;
    } catch {
      // the engine is away, or the container ended meanwhile: looked for again
    }
  }
  return false;
};
