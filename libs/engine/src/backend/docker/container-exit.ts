// When a container has ended, and how.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { Fault } from '#core/errors.js';
import { ENGINE_AWAY_MS, type ExitState } from '../backend.js';
import { engineFault, isUnreachable, statusOf } from './engine-errors.js';
import type { EngineEvents } from './engine-events.js';

/** How often a running container is looked at beside the engine's own word of its end. */
const LOOK_MS = 2_000;

/**
 * Resolves when `container` has ended. The engine's event of a good end comes some 60 ms before its answer to who waits, which
 * takes the container's network down first; anything else than a good end is told by the answer.
 * Errors: Fault SANDBOX_LOST; DOCKER_UNAVAILABLE, also when `events` is closed before: nobody looks at the container any more.
 */
export function exitOf(
  container: Docker.Container,
  events: EngineEvents,
  { now = Date.now, lookMs = LOOK_MS } = {},
): Promise<ExitState> {
  return new Promise((resolve, reject) => {
    let outOfMemory = false;
    const over = new AbortController();
    const stop = events.listen({
      outOfMemory: (id) => {
        outOfMemory ||= id === container.id;
      },
      died: (id, exitCode) => {
        if (id === container.id && exitCode === 0 && !outOfMemory) resolve({ exitCode, outOfMemory, error: '' });
      },
      closed: () => over.abort(new Fault('DOCKER_UNAVAILABLE', 'The build container is no longer looked at from here')),
    });
    awaitExit(container, { signal: over.signal, now, lookMs }).then(resolve, reject).finally(stop);
  });
}

interface Watch {
  signal: AbortSignal;
  now: () => number;
  lookMs: number;
}

/**
 * The engine may be restarted while the container lives on (live-restore): ask again until it answers. Each time that it is
 * away counts by itself.
 * Errors: as `exitOf`; the signal's reason.
 */
async function awaitExit(container: Docker.Container, how: Watch): Promise<ExitState> {
  const { signal, now } = how;
  let awaySince: number | null = null;
  const answered = (): void => {
    awaySince = null;
  };
  for (;;) {
    try {
      await ended(container, how, answered);
      const { State } = await container.inspect();
      return { exitCode: State.ExitCode, outOfMemory: State.OOMKilled, error: State.Error };
    } catch (error) {
      signal.throwIfAborted();
      if (statusOf(error) === 404)
        throw new Fault('SANDBOX_LOST', 'The build container was removed while it ran', { cause: error });
      awaySince ??= now();
      if (!isUnreachable(error) && statusOf(error) !== undefined)
        throw engineFault(error, 'waiting for the build container');
      if (now() - awaySince > ENGINE_AWAY_MS) throw engineFault(error, 'waiting for the build container');
      await sleep(500, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/**
 * An answer to `wait` that an engine's death cuts short never ends for dockerode, so the container is looked at now and then
 * too; `answered` is told of each look. Errors: what either throws first.
 */
async function ended(container: Docker.Container, { signal, lookMs }: Watch, answered: () => void): Promise<void> {
  signal.throwIfAborted();
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener('abort', end);
  const looking = async (): Promise<void> => {
    for (;;) {
      await sleep(lookMs, undefined, { signal: over.signal });
      const { Status } = (await container.inspect()).State;
      answered();
      if (Status === 'exited' || Status === 'dead') return;
    }
  };
  try {
    await Promise.race([container.wait({ abortSignal: over.signal }), looking()]);
  } finally {
    signal.removeEventListener('abort', end);
    over.abort();
  }
}
