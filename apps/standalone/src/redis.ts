// Redis as a child process, for the wake-ups only: nothing is written to disk, the password goes in by standard input.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { install } from './debian.js';
import { freePort } from './free-port.js';
import { keptPort } from './data-folder.js';
import { KeptProcess } from './kept-process.js';
import { findProgram, type Machine } from './machine.js';
import type { ProcessTable } from './process-table.js';
import { SetupError, type Say } from './say.js';

export interface OwnRedis {
  url: string;
  process: KeptProcess;
}

const READY_MS = 15_000;

/**
 * Starts a redis-server of our own on a free port of 127.0.0.1; installs the package where it may.
 * Out: its URL with a password of this run. Errors: SetupError when there is none, or it does not answer.
 */
export async function startRedis(request: {
  folder: string;
  machine: Machine;
  table: ProcessTable;
  say: Say;
}): Promise<OwnRedis> {
  const { folder, machine, table, say } = request;
  const why = 'redis-server is missing (or set KILNYARD_REDIS_URL to a Redis 6.2 or newer)';
  if (findProgram('redis-server') === undefined) await install(machine, ['redis-server'], why, say);
  const command = findProgram('redis-server');
  if (command === undefined) throw new SetupError(`${why}: it was installed, but is not on the PATH`);
  const port = await keptPort(folder, 'redis', freePort);
  const password = randomBytes(24).toString('base64url');
  const process = await KeptProcess.start(
    {
      name: 'redis',
      command,
      args: ['-'],
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC' },
      cwd: '/',
      input: redisSettings(port, password),
      logFile: join(folder, 'logs', 'redis.log'),
      graceMs: 5_000,
    },
    table,
    say,
  );
  const url = `redis://:${password}@127.0.0.1:${port}`;
  try {
    await ready(url, process);
  } catch (error) {
    await process.stop();
    throw error;
  }
  return { url, process };
}

/** The text of redis.conf. BullMQ needs `noeviction`. */
export function redisSettings(port: number, password: string): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    'save ""',
    'appendonly no',
    'maxmemory-policy noeviction',
    'daemonize no',
    '',
  ].join('\n');
}

async function ready(url: string, process: KeptProcess): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    client.on('error', () => undefined); // the failed connect below tells
    try {
      await client.connect();
      await client.ping();
      return;
    } catch (error) {
      if (Date.now() > deadline) {
        const last = await process.lastLines();
        throw new SetupError(`Redis does not answer within ${READY_MS / 1000} s. Its last lines:\n${last}`, {
          cause: error,
        });
      }
    } finally {
      client.disconnect();
    }
    await sleep(30);
  }
}
