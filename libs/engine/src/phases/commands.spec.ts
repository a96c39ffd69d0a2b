// A container that ended before its script: whose doing it was decides between FAILED and FAULT.
import { describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { compile } from '#buildspec/compile.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { ExitState } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { commandPhase } from './commands.js';
import { ScriptWatch } from './script-watch.js';

/** A run whose events have ended; the container ends by itself with `exit`, or runs until it is killed. */
async function runWith(exit: ExitState | null): Promise<BuildRun> {
  const script = new ScriptWatch();
  script.started = true;
  await script.follow((async function* () {})());
  let end: (state: ExitState) => void = () => undefined;
  const ended = exit === null ? new Promise<ExitState>((resolve) => (end = resolve)) : Promise.resolve(exit);
  const sandbox = {
    ownProcesses: true,
    limits: { cpus: 1, memoryBytes: 1024 ** 3, diskBytes: 1, pids: 1 },
    wait: () => ended,
    kill: async () => end({ exitCode: 137, outOfMemory: false, error: '' }),
  };
  const backend = { disks: async () => [] };
  const ports = { backend, clock: { now: () => new Date(), sleep: (ms: number) => sleep(ms) } };
  return {
    sandbox,
    script,
    source: { plan: compile(parseBuildspec('version: 0.2').buildspec) },
    ports,
    diskExceeded: null,
    signal: new AbortController().signal,
  } as unknown as BuildRun;
}

const exit = (exitCode: number, outOfMemory = false): ExitState => ({ exitCode, outOfMemory, error: '' });

describe('a container that ended before its script', () => {
  it('killed from outside is our fault', async () => {
    await expect(commandPhase(await runWith(exit(137)), 'BUILD')).rejects.toMatchObject({ code: 'SANDBOX_LOST' });
  });

  it.each([
    ['events that end while it runs are its own doing', null, 'COMMAND_EXECUTION_ERROR'],
    ['another exit status is its own doing', exit(2), 'COMMAND_EXECUTION_ERROR'],
    ['memory is a reason of its own', exit(137, true), 'BUILD_OUT_OF_MEMORY'],
  ])('%s', async (_, state, statusCode) => {
    const { outcome } = await commandPhase(await runWith(state), 'BUILD');
    expect(outcome).toMatchObject({ kind: 'failed', context: { statusCode }, onFailure: 'ABORT' });
  });
});
