// Brings the whole of Kilnyard up on this machine, in order, and takes it down again. Each part is a file beside this one.
import { join, resolve } from 'node:path';
import { SettingsError, readSettings } from '#config/settings.js';
import { ApiClient } from './api-client.js';
import { childEnv, reachableUrl, withToken } from './child-env.js';
import type { Closers } from './closers.js';
import { openDataFolder } from './data-folder.js';
import { install } from './debian.js';
import { openEngine } from './engine.js';
import { freePort, holderOf, isFree } from './free-port.js';
import { ensureImage } from './image.js';
import { lockFolder } from './lock.js';
import { findProgram, thisMachine, type Machine } from './machine.js';
import { adminToken, keepMasterKey, writeConnection } from './master-key.js';
import { startPostgres } from './postgres.js';
import { ProcessTable, endLeftovers } from './process-table.js';
import { startRedis } from './redis.js';
import { SetupError, type Say } from './say.js';
import { migrateDatabase, startApi, startWorker } from './services.js';

export interface Running {
  api: ApiClient;
  folder: string;
  token: string;
}

interface Setting {
  home: string;
  env: NodeJS.ProcessEnv;
  folder: string;
  machine: Machine;
  table: ProcessTable;
  say: Say;
  closers: Closers;
  stop: AbortSignal;
}

/**
 * Starts everything; resolves when the API answers, the worker runs and the base image is there.
 * In: `home` is the folder with package.json and dist; `closers` gets a way to end each part as soon as it runs.
 * Errors: SetupError for what the person must mend; the stop's reason when it is interrupted. What was started by then
 * is in `closers`.
 */
export async function startKilnyard(request: {
  home: string;
  env: NodeJS.ProcessEnv;
  say: Say;
  closers: Closers;
  stop: AbortSignal;
}): Promise<Running> {
  const { env, say, closers, stop } = request;
  const settings = checkedSettings(env);
  const folder = resolve(request.home, settings.storage.dataDir);
  const machine = thisMachine();
  await openDataFolder(folder);
  const unlock = await lockFolder(folder);
  closers.add('lock', unlock);
  const processes = join(folder, 'processes.json');
  const left = await endLeftovers(processes);
  if (left.length > 0) say(`ended what an earlier run left behind: ${left.join(', ')}`);
  const port = await portFor(settings.http.port, settings.http.host);
  const setting: Setting = { ...request, folder, machine, table: new ProcessTable(processes), closers };
  if (findProgram('git') === undefined)
    await install(machine, ['git'], 'git is missing: sources are fetched with it', say);
  await installOnce(setting);

  const [databaseUrl, redisUrl, engine] = await all([openDatabase(setting), openRedis(setting), openDocker(setting)]);
  stop.throwIfAborted();
  const url = settings.http.publicUrl || reachableUrl(settings.http.host, port);
  const childEnvironment = childEnv(env, {
    folder,
    masterKeyFile: await keepMasterKey(folder, env),
    databaseUrl,
    redisUrl,
    host: settings.http.host,
    port,
    publicUrl: url,
    dockerSocket: engine.socket,
  });
  const token = await adminToken(folder, env);
  const imageThere = ensureImage({
    docker: engine.docker,
    image: settings.docker.defaultImage,
    machine,
    say,
    signal: stop,
  });
  await all([imageThere, startServices(setting, childEnvironment, token, port, settings.worker.drainGraceMs)]);
  await writeConnection(folder, { url, token });
  return { api: new ApiClient(reachableUrl(settings.http.host, port), token), folder, token };
}

function checkedSettings(env: NodeJS.ProcessEnv) {
  try {
    return readSettings(env, 'http', 'storage', 'docker', 'worker', 'database', 'redis');
  } catch (error) {
    if (error instanceof SettingsError) throw new SetupError(error.message, { cause: error });
    throw error;
  }
}

async function portFor(port: number, host: string): Promise<number> {
  if (port === 0) return freePort();
  const free = await isFree(port, host).catch((error: Error) => {
    throw new SetupError(`KILNYARD_HOST=${host} cannot be bound: ${error.message}`, { cause: error });
  });
  if (free) return port;
  const holder = await holderOf(port);
  throw new SetupError(
    `Port ${port} is taken${holder === undefined ? '' : ` by ${holder}`}.\n` +
      `End that program, or choose another port: KILNYARD_PORT=${port + 1} npm start`,
  );
}

/** What is missing is installed in one go, before anything runs beside it: apt takes one caller at a time. */
async function installOnce({ env, machine, say }: Setting): Promise<void> {
  if (!env.KILNYARD_REDIS_URL && findProgram('redis-server') === undefined && machine.mayInstall) {
    await install(machine, ['redis-server'], 'redis-server is missing', say);
  }
  if (findProgram('zstd') === undefined && machine.mayInstall) {
    const why = 'zstd is missing: caches are packed with it';
    // gzip does it too, only slower
    await install(machine, ['zstd'], why, say).catch((error: Error) =>
      say(`${why}; gzip packs them: ${error.message}`),
    );
  }
}

async function openDatabase({ env, folder, machine, table, say, closers }: Setting): Promise<string> {
  if (env.KILNYARD_DATABASE_URL) {
    say('Postgres: the one in KILNYARD_DATABASE_URL');
    return env.KILNYARD_DATABASE_URL;
  }
  const postgres = await startPostgres({ folder, machine, table, say });
  closers.add('postgres', (now) => postgres.process.stop(now));
  say(`Postgres: embedded, data in ${postgres.data}`);
  return postgres.url;
}

async function openRedis({ env, folder, machine, table, say, closers }: Setting): Promise<string> {
  if (env.KILNYARD_REDIS_URL) {
    say('Redis: the one in KILNYARD_REDIS_URL');
    return env.KILNYARD_REDIS_URL;
  }
  const redis = await startRedis({ folder, machine, table, say });
  closers.add('redis', (now) => redis.process.stop(now));
  say('Redis: redis-server of our own');
  return redis.url;
}

async function openDocker({ env, folder, machine, say, closers }: Setting) {
  const engine = await openEngine({ env, machine, say, logFile: join(folder, 'logs', 'dockerd.log') });
  closers.add('engine', () => engine.release());
  const origins = { named: 'as set in the environment', system: "the system's", own: 'started by Kilnyard' };
  say(`Docker Engine: ${engine.version}, ${origins[engine.origin]}`);
  return engine;
}

async function startServices(
  { home, folder, table, say, closers, stop }: Setting,
  env: NodeJS.ProcessEnv,
  token: string,
  port: number,
  drainMs: number,
): Promise<void> {
  await migrateDatabase({ home, env });
  say('database: tables are up to date');
  stop.throwIfAborted();
  const host = env.KILNYARD_HOST ?? '127.0.0.1';
  const request = { home, folder, table, say };
  const api = await startApi({ ...request, env: withToken(env, token) }, reachableUrl(host, port), stop);
  closers.add('api', (now) => api.stop(now));
  say('API: answers');
  const worker = await startWorker({ ...request, env }, drainMs);
  closers.add('worker', (now) => worker.stop(now));
  say('worker: runs');
}

/** Like Promise.all, but waits for all before it fails: what is still starting must be known before it can be ended. */
async function all<T extends readonly Promise<unknown>[]>(work: [...T]): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return Promise.all(work) as Promise<{ [K in keyof T]: Awaited<T[K]> }>;
}
