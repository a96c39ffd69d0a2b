// The queue on a real Redis (KILNYARD_TEST_REDIS_URL): it may be emptied or go away at any moment.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { BuildConsumer } from './consumer.js';
import { BuildQueue } from './producer.js';

jest.setTimeout(60_000);

const redisUrl = process.env.KILNYARD_TEST_REDIS_URL ?? '';
let prefix: string;
let queue: BuildQueue;
let redis: Redis;
const consumers: BuildConsumer[] = [];

beforeEach(() => {
  if (redisUrl === '') throw new Error('KILNYARD_TEST_REDIS_URL is not set: run `npm test`, which starts a Redis.');
  prefix = `test-${randomUUID()}`;
  queue = new BuildQueue({ redisUrl, prefix });
  redis = new Redis(redisUrl);
});
afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
  await queue.close();
  redis.disconnect();
});

function consume(
  slots: number,
  run: (signal: AbortSignal) => Promise<void>,
  onError?: (error: Error) => void,
): BuildConsumer {
  const consumer = new BuildConsumer({ redisUrl, prefix, slots, run, ...(onError === undefined ? {} : { onError }) });
  consumers.push(consumer);
  consumer.start();
  return consumer;
}
/** A turn that lasts until `end`. */
function turn(): { began: Promise<void>; run: () => Promise<void>; end: () => void } {
  const begin = deferred();
  const finish = deferred();
  return {
    began: begin.promise,
    run: () => {
      begin.resolve();
      return finish.promise;
    },
    end: finish.resolve,
  };
}
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
async function until(check: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('BuildQueue', () => {
  it('holds a build once while it waits, and takes it again afterwards', async () => {
    const id = randomUUID();
    await queue.ping();
    await queue.add(id);
    await queue.add(id);
    expect(await queue.counts()).toEqual({ waiting: 1, active: 0 });
    let turns = 0;
    consume(1, async () => void (turns += 1));
    await until(() => turns === 1);
    await until(async () => (await queue.counts()).active === 0);
    await queue.add(id);
    await until(() => turns === 2);
  });

  it('refuses what is no uuid', async () => {
    await expect(queue.add('demo')).rejects.toThrow(/uuid/i);
  });

  it('wakes one slot, and not when an item waits already', async () => {
    await queue.wake();
    await queue.wake();
    expect(await queue.counts()).toEqual({ waiting: 1, active: 0 });
  });

  it('wakes a free slot although an item of the same build is at work', async () => {
    const first = turn();
    let turns = 0;
    consume(2, () => (++turns === 1 ? first.run() : Promise.resolve()));
    await queue.add(randomUUID());
    await first.began;
    await queue.wake();
    await until(() => turns === 2);
    first.end();
  });

  it('says QUEUE_UNAVAILABLE soon when nobody answers', async () => {
    const nowhere = new BuildQueue({ redisUrl: 'redis://127.0.0.1:1', prefix });
    for (const call of [
      () => nowhere.add(randomUUID()),
      () => nowhere.wake(),
      () => nowhere.ping(),
      () => nowhere.counts(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE', retryable: true });
    }
    await nowhere.close();
  });
});

describe('BuildConsumer', () => {
  it('runs as many turns at once as it has slots', async () => {
    const turns = [turn(), turn()];
    let began = 0;
    consume(2, () => turns[began++]?.run() ?? Promise.resolve());
    for (let i = 0; i < 3; i++) await queue.add(randomUUID());
    await Promise.all(turns.map((t) => t.began));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(began).toBe(2);
    for (const t of turns) t.end();
    await until(() => began === 3);
  });

  it('goes on when a turn throws', async () => {
    const errors: string[] = [];
    let turns = 0;
    consume(
      1,
      () => (++turns === 1 ? Promise.reject(new Error('broken')) : Promise.resolve()),
      (error) => errors.push(error.message),
    );
    await queue.add(randomUUID());
    await queue.add(randomUUID());
    await until(() => turns === 2);
    expect(errors).toContain('broken');
    await until(async () => (await queue.counts()).active === 0);
    expect(await redis.keys(`${prefix}:*:failed`)).toEqual([]);
  });

  it('goes on when Redis is emptied while turns run', async () => {
    const first = turn();
    let turns = 0;
    let ended = 0;
    consume(2, async () => {
      await (++turns === 1 ? first.run() : Promise.resolve());
      ended += 1;
    });
    await queue.add(randomUUID());
    await first.began;
    await redis.flushall();
    await queue.add(randomUUID()); // into the emptied Redis, for the other slot
    await until(() => ended === 1);
    first.end(); // the item of this turn is gone
    await until(() => ended === 2);
    for (let i = 0; i < 4; i++) await queue.add(randomUUID());
    await until(() => ended === 6);
  });

  it('goes on when its connections are cut', async () => {
    let turns = 0;
    consume(1, async () => void (turns += 1));
    await queue.add(randomUUID());
    await until(() => turns === 1);
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() =>
      queue.add(randomUUID()).then(
        () => true,
        () => false,
      ),
    );
    await until(() => turns >= 2);
  });

  it('drains: takes no more, interrupts what runs with the reason, waits for its end', async () => {
    let reason: unknown;
    const began = deferred();
    let turns = 0;
    const consumer = consume(1, async (signal) => {
      turns += 1;
      began.resolve();
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      reason = signal.reason;
    });
    await queue.add(randomUUID());
    await queue.add(randomUUID());
    await began.promise;
    await consumer.stopTaking();
    consumer.interrupt('drain');
    consumers.pop();
    await consumer.close();
    expect(reason).toBe('drain');
    expect(turns).toBe(1);
    expect((await queue.counts()).waiting).toBe(1);
  });
});

describe('without Redis', () => {
  const nowhere = { redisUrl: 'redis://127.0.0.1:1', prefix: 'away' };

  it('refuses to add at once, and closes', async () => {
    const away = new BuildQueue(nowhere);
    await expect(away.add(randomUUID())).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE', retryable: true });
    await away.close();
  });

  it('lets a consumer close', async () => {
    const consumer = new BuildConsumer({ ...nowhere, slots: 1, run: () => Promise.resolve() });
    consumer.start();
    await consumer.close();
  });
});
