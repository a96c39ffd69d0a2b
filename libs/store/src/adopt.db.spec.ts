// A running build passes from worker to worker: who gets it, and who may write to it from then on.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { Lease } from '#core/build.js';
import { asWorkerId } from '#core/ids.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChunk, newLogSeal, newProjectSettings } from '#testing/factories.js';
import { until } from '#testing/until.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { Listener } from './listen.js';
import { LogsStore } from './logs.store.js';
import { ProjectsStore } from './projects.store.js';

jest.setTimeout(60_000);

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let logs: LogsStore;
let lease: Lease;
const NEXT = asWorkerId('next');

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 6 });
  builds = new BuildsStore(db);
  logs = new LogsStore(db);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build, log_chunk CASCADE');
  const project = await new ProjectsStore(db).create('demo', newProjectSettings());
  await builds.create({ project, settings: project.settings, overrides: {}, initiator: 'ada', maxWaiting: 10 });
  lease = (await builds.claimNext({ workerId: asWorkerId('first'), leaseMs: 60_000, host: 'here' }))!.lease;
});

const adopt = (over: Partial<Parameters<BuildsStore['adopt']>[0]> = {}) =>
  builds.adopt({ ...lease, expiredMs: 0, by: NEXT, leaseMs: 60_000, evenHeld: true, ...over });

describe('adopting', () => {
  it('waits for an append of the old worker that is under way', async () => {
    const append = await db.pool.connect();
    try {
      await append.query('BEGIN');
      await append.query('SELECT 1 FROM build WHERE id = $1 FOR KEY SHARE', [lease.buildId]); // as log-append.ts
      let taken = false;
      const adopting = adopt().then(() => (taken = true));
      await until('the adoption waits for the lock', async () => {
        const waiting = await db.query(
          `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'`,
        );
        return waiting.rowCount === 1;
      });
      expect(taken).toBe(false);
      await append.query('COMMIT');
      await adopting;
    } finally {
      append.release();
    }
  });

  it('gives the build as it stands, under the same attempt, and refuses the old worker from then on', async () => {
    await builds.apply(lease, 'SUCCEED', [], new Date());
    const taken = (await adopt())!;
    expect(taken.lease).toEqual({ ...lease, workerId: NEXT });
    expect(taken.adopted).toEqual({
      from: 'first',
      state: { status: 'IN_PROGRESS', phase: 'DOWNLOAD_SOURCE', failing: false },
      since: taken.build.phases.at(-1)!.startTime,
    });
    const chunk = newLogChunk(['late'], { firstSeq: 0, firstByte: 0 });
    await expect(builds.apply(lease, 'SUCCEED', [], new Date())).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(builds.renewLease(lease, 60_000)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(builds.release(lease)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(logs.append(lease, chunk)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(logs.seal(lease, newLogSeal([]))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await logs.append(taken.lease, chunk);
    expect((await builds.apply(taken.lease, 'SUCCEED', [], new Date())).phase).toBe('INSTALL');
  });

  it('is for one: of many that try, one gets it', async () => {
    const all = await Promise.all(['a', 'b', 'c'].map((by) => adopt({ by: asWorkerId(by) })));
    expect(all.filter((one) => one !== null)).toHaveLength(1);
  });

  it('leaves a lease that holds where nobody knows its worker dead', async () => {
    expect(await adopt({ evenHeld: false })).toBeNull();
    await builds.release(lease);
    expect(await adopt({ evenHeld: false })).not.toBeNull();
  });

  it('leaves an ended build, and one of another attempt', async () => {
    expect(await adopt({ attempt: 2 })).toBeNull();
    await builds.apply(lease, 'FAULT', [], new Date());
    expect(await adopt()).toBeNull();
  });
});

it('lists the running builds of one host', async () => {
  const [held, ...others] = await builds.heldOnHost('here');
  expect(others).toEqual([]);
  expect(held).toMatchObject({ ...lease, expiredMs: expect.any(Number) });
  expect(held!.expiredMs).toBeLessThan(0);
  expect(await builds.heldOnHost('elsewhere')).toEqual([]);
  await builds.release(lease);
  expect((await builds.heldOnHost('here'))[0]!.expiredMs).toBeGreaterThan(0);
});

it('tells everyone who listens that a build was let go', async () => {
  const listener = await Listener.start(test.url);
  const heard: string[] = [];
  listener.onReleased((buildId) => heard.push(buildId));
  await builds.release(lease);
  await until('it is heard', async () => heard.length > 0);
  expect(heard).toEqual([lease.buildId]);
  await listener.close();
});

it('settles a lost build only after the time that its host has to go on with it, but for one whose script was not handed over', async () => {
  await builds.release(lease);
  await db.query(`UPDATE build SET handed_over = true`);
  expect(await builds.settleLost(new Date(), 60_000)).toEqual([]);
  await db.query(`UPDATE build SET handed_over = false`);
  expect(await builds.settleLost(new Date(), 60_000)).toEqual([lease.buildId]);
});

describe('where a stored log ends', () => {
  const source = { at: 7, skip: 3, starred: null, mark: 0, lineStart: true, part: 'head' as const };

  it('is the beginning for an empty one', async () => {
    const { stored, hash } = await logs.stored(lease);
    expect(stored).toEqual({ seq: 0, byte: 0, open: null, source: null });
    expect(hash.digest('hex')).toBe(createHash('sha256').digest('hex'));
  });

  it('is told with its open line, its source and the hash of all of it', async () => {
    const first = newLogChunk(['one'], { firstSeq: 0, firstByte: 0 });
    const second = { ...newLogChunk(['two', { text: 'half', open: true }], { firstSeq: 1, firstByte: 4 }), source };
    await logs.append(lease, first);
    await logs.append(lease, second);
    const { stored, hash } = await logs.stored(lease);
    expect(stored).toEqual({ seq: 3, byte: 12, open: 'stdout', source });
    expect(hash.digest('hex')).toBe(createHash('sha256').update('one\ntwo\nhalf').digest('hex'));
  });

  it('is told to be for good once it is sealed', async () => {
    await logs.append(lease, newLogChunk(['one'], { firstSeq: 0, firstByte: 0 }));
    expect((await logs.stored(lease)).sealed).toBe(false);
    await logs.seal(lease, { lineCount: 1, byteCount: 4, sha256: createHash('sha256').update('one\n').digest('hex') });
    expect((await logs.stored(lease)).sealed).toBe(true);
  });
});
