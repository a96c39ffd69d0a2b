// The Docker Engine of a run: one of its own, so that dockerd may be killed; where none can be started the machine's.
import { join } from 'node:path';
import type Docker from 'dockerode';
import { ENGINE_PROGRAMS, OwnEngine } from '#testing/own-engine.js';
import { openEngine } from '../../../apps/standalone/src/engine.js';
import { findProgram, thisMachine } from '../../../apps/standalone/src/machine.js';

export interface StageEngine {
  docker: Docker;
  socket: string;
  /** Null where it is the machine's, which is not ours to kill. */
  own: OwnEngine | null;
  close(): Promise<unknown>;
}

/** `logs`: folder for the diagnostics of what is started. */
export async function openStageEngine(logs: string, say: (line: string) => void): Promise<StageEngine> {
  const why = whyNoEngine();
  if (why === null) {
    const own = await OwnEngine.start({ liveRestore: true, logs, apart: true });
    return { docker: own.docker, socket: own.socket, own, close: () => own.close() };
  }
  say(`using the machine's Docker Engine, which is not killed: ${why}`);
  const named = process.env['KILNYARD_TEST_DOCKER_SOCKET'];
  const env = named === undefined ? process.env : { ...process.env, KILNYARD_DOCKER_SOCKET: named };
  const opened = await openEngine({ env, logFile: join(logs, 'dockerd.log'), machine: thisMachine(), say });
  if (opened.socket === undefined) throw new Error('the fault suite needs a Docker Engine on this machine');
  return { docker: opened.docker, socket: opened.socket, own: null, close: () => opened.release() };
}

/** Why no engine of our own can be started here; null when it can. */
function whyNoEngine(): string | null {
  if (!thisMachine().root) return 'only root can start a Docker Engine';
  const missing = ENGINE_PROGRAMS.filter((name) => !findProgram(name));
  return missing.length === 0 ? null : `${missing.join(', ')} missing`;
}
