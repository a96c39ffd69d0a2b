// A Redis of the suite's own, behind a proxy that can be cut.
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { newCutOffProxy, type CutOffProxy } from '../../../apps/api/src/testing/cut-off-proxy.js';
import { freePort } from '../../../apps/standalone/src/free-port.js';
import { install } from '../../../apps/standalone/src/debian.js';
import { findProgram, thisMachine } from '../../../apps/standalone/src/machine.js';
import { redisSettings } from '../../../apps/standalone/src/redis.js';
import { OwnProcess, ready, type Program } from '#testing/own-process.js';

const READY_MS = 15_000;
const STOP_MS = 5_000;
const PASSWORD = 'faults';

export class OwnRedis {
  private constructor(
    private readonly program: Program,
    private running: OwnProcess,
    /** Past the proxy. */
    readonly directUrl: string,
    readonly proxy: CutOffProxy,
  ) {}

  static async start(folder: string, say: (line: string) => void): Promise<OwnRedis> {
    const command = findProgram('redis-server') ?? (await installed(say));
    const port = await freePort();
    const program: Program = {
      name: 'redis',
      command,
      args: ['-'],
      apart: true,
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC' },
      cwd: '/',
      input: redisSettings(port, PASSWORD),
      logFile: join(folder, 'logs', 'redis.log'),
    };
    const url = `redis://:${PASSWORD}@127.0.0.1:${port}`;
    const running = await OwnProcess.start(program);
    await answering(running, url);
    return new OwnRedis(program, running, url, await newCutOffProxy(url));
  }

  get url(): string {
    return this.proxy.url;
  }

  /** Ends it, waits, and starts it again on the same port, empty. */
  async restart(pauseMs: () => Promise<unknown>): Promise<void> {
    await this.running.stop('SIGTERM', STOP_MS);
    await pauseMs();
    this.running = await OwnProcess.start(this.program);
    await answering(this.running, this.directUrl);
  }

  /** One command past the proxy. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.directUrl, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => undefined); // the failed call tells
    try {
      await redis.connect();
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.running.stop('SIGTERM', STOP_MS);
  }
}

async function installed(say: (line: string) => void): Promise<string> {
  await install(thisMachine(), ['redis-server'], 'redis-server is missing', say);
  return findProgram('redis-server')!;
}

function answering(process: OwnProcess, url: string): Promise<void> {
  return ready(process, READY_MS, async () => {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => undefined); // the failed call tells
    try {
      await redis.connect();
      await redis.ping();
    } finally {
      redis.disconnect();
    }
  });
}
