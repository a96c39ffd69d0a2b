// Kilnyard's own processes: the migrations (once), the API and the worker (kept running).
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeptProcess } from './kept-process.js';
import { run } from './machine.js';
import type { ProcessTable } from './process-table.js';
import { SetupError, type Say } from './say.js';

export interface ServiceRequest {
  /** Folder of the program: package.json and dist lie in it. */
  home: string;
  folder: string;
  env: NodeJS.ProcessEnv;
  table: ProcessTable;
  say: Say;
}

const API_READY_MS = 60_000;
const API_GRACE_MS = 15_000;
/** Beyond the worker's own grace for running builds. */
const WORKER_GRACE_MS = 30_000;

/** As in the Dockerfile: a small young generation is some 15 MB less resident memory for a worker, and costs a flood nothing that was measurable. */
const NODE_FLAGS = ['--max-semi-space-size=2'];
/** As in the Dockerfile: glibc otherwise keeps what each of Node's threads has freed, some 25 MB of an API's memory (docs/performance.md). */
const MALLOC_ARENAS = { MALLOC_ARENA_MAX: '2' };

/** Brings the database to this version's tables. Errors: SetupError with what the migration said. */
export async function migrateDatabase({ home, env }: Pick<ServiceRequest, 'home' | 'env'>): Promise<void> {
  const script = join(home, 'dist/libs/store/src/migrate.js');
  const flags = ['--experimental-wasm-modules', '--no-warnings', script];
  const { exitCode, output } = await run(process.execPath, flags, { cwd: home, env, timeoutMs: 300_000 });
  if (exitCode !== 0) throw new SetupError(`The database could not be migrated (exit ${exitCode}):\n${lastOf(output)}`);
}

/** Starts the API and waits until /health answers. Errors: SetupError with its last lines when it does not. */
export async function startApi(request: ServiceRequest, url: string, stop: AbortSignal): Promise<KeptProcess> {
  const api = await startService('api', request, API_GRACE_MS);
  const deadline = Date.now() + API_READY_MS;
  for (;;) {
    if (await answers(`${url}/health`)) return api;
    if (stop.aborted || !api.running || Date.now() > deadline) break;
    await sleep(50);
  }
  const last = await api.lastLines();
  await api.stop();
  stop.throwIfAborted();
  throw new SetupError(`The API does not come up. Its last lines (${logOf(request.folder, 'api')}):\n${last}`);
}

/** Starts the worker; it says itself on /health when it is ready. `drainMs` is how long it may wait for running builds at a stop. */
export async function startWorker(request: ServiceRequest, drainMs: number): Promise<KeptProcess> {
  return startService('worker', request, drainMs + WORKER_GRACE_MS);
}

function startService(name: 'api' | 'worker', request: ServiceRequest, graceMs: number): Promise<KeptProcess> {
  const { home, folder, env, table, say } = request;
  const args = ['--enable-source-maps', ...NODE_FLAGS, join(home, `dist/apps/${name}/src/main.js`)];
  const ours = { ...MALLOC_ARENAS, ...env };
  const program = {
    name,
    command: process.execPath,
    args,
    env: ours,
    cwd: home,
    logFile: logOf(folder, name),
    graceMs,
  };
  return KeptProcess.start(program, table, say);
}

function logOf(folder: string, name: string): string {
  return join(folder, 'logs', `${name}.log`);
}

/** Any HTTP answer counts: a degraded API says on its own what ails it. */
async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    return false; // not listening yet
  }
}

function lastOf(output: string): string {
  return output.split('\n').slice(-15).join('\n');
}
