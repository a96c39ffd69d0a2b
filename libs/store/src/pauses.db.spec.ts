// Pauses of builds in the rows: what their worker writes, what others wish, and what stands in the build's events of it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Build, Lease, Pause } from '#core/build.js';
import { NOTHING_CARRIED } from '#core/fleet.js';
import { asBuildId, asWorkerId } from '#core/ids.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { Listener } from './listen.js';
import { ProjectsStore } from './projects.store.js';

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let lease: Lease;
let listener: Listener;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 4 });
  builds = new BuildsStore(db);
  listener = await Listener.start(test.url);
});
afterAll(async () => {
  await listener?.close();
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build CASCADE');
  const project = await new ProjectsStore(db).create('demo', newProjectSettings());
  const { settings } = project;
  await builds.create({ project, settings, overrides: {}, initiator: 'ada', maxWaiting: 1000 });
  const claimed = await builds.claimNext({
    workerId: asWorkerId('host-1'),
    leaseMs: 60_000,
    carried: NOTHING_CARRIED,
  });
  lease = claimed!.lease;
});

const since = new Date('2026-01-05T09:00:00.000Z');
const until = new Date('2026-01-05T10:00:00.000Z');
const pause = (number: number): Pause => ({ number, since, until });
const get = (): Promise<Build> => builds.get(lease.buildId);
async function events(): Promise<[string, unknown][]> {
  const { rows } = await db.query<{ type: string; data: unknown }>(
    `SELECT type, data FROM build_event WHERE build_id = $1 AND type LIKE ANY ('{PAUSED,RESUME%}') ORDER BY id`,
    [lease.buildId],
  );
  return rows.map(({ type, data }) => [type, data]);
}
const asked = async (): Promise<number | null> => (await builds.renewLease(lease, 60_000)).resumeAsked;

describe('a pause', () => {
  it('shows on the build until it is over, and wakes who follows it', async () => {
    const heard: string[] = [];
    listener.onChange(lease.buildId, ({ kind }) => heard.push(kind));
    const before = (await get()).version;
    await builds.setPaused(lease, pause(1));
    const paused = await get();
    expect(paused.paused).toEqual({ number: 1, since, until, resumeRequested: false });
    await builds.setResumed(lease, 1, 'build');
    const after = await get();
    expect([after.paused, paused.version - before, after.version - before]).toEqual([null, 1, 2]);
    await db.query(`SELECT pg_notify('kilnyard_build', $1)`, [`${lease.buildId} log`]);
    while (!heard.includes('log')) await new Promise(setImmediate);
    expect(heard).toEqual(['status', 'status', 'log']);
    expect(await events()).toEqual([
      ['PAUSED', { number: 1, since: since.toISOString(), until: until.toISOString() }],
      ['RESUMED', { number: 1, by: 'build' }],
    ]);
  });

  it('that another worker reads again is not written again', async () => {
    await builds.setPaused(lease, pause(1));
    await builds.setResumed(lease, 1, 'limit');
    await builds.setPaused(lease, pause(2));
    for (const number of [1, 2]) await builds.setPaused(lease, pause(number));
    await builds.setResumed(lease, 1, 'limit');
    expect((await get()).paused).toMatchObject({ number: 2 });
    expect((await events()).map(([type]) => type)).toEqual(['PAUSED', 'RESUMED', 'PAUSED']);
  });

  it('is not written by who has lost the lease', async () => {
    const old = { ...lease, attempt: 0 };
    await expect(builds.setPaused(old, pause(1))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(builds.setResumed(old, 1, 'api')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await events()).toEqual([]);
  });

  it('ends with the build, and with the attempt', async () => {
    await builds.setPaused(lease, pause(1));
    await db.query('UPDATE build SET attempt = 2');
    expect((await get()).paused).toBeNull();
    const next = { ...lease, attempt: 2 };
    await builds.setPaused(next, pause(1));
    expect((await get()).paused).toMatchObject({ number: 1 });
    await db.query('UPDATE build SET attempt = 1, pause = pause || \'{"attempt": 1}\'');
    expect((await get()).paused).toMatchObject({ number: 1 });
    await builds.apply(lease, 'STOP', [], new Date());
    expect((await get()).paused).toBeNull();
    await expect(builds.requestResume(lease.buildId, 'ada')).rejects.toMatchObject({ code: 'BUILD_NOT_PAUSED' });
  });
});

describe('a wish to end a pause', () => {
  it('reaches the worker with its lease, and the first one stands', async () => {
    await builds.setPaused(lease, pause(1));
    expect(await asked()).toBeNull();
    expect((await builds.requestResume(lease.buildId, 'ada')).paused).toMatchObject({ resumeRequested: true });
    await builds.requestResume(lease.buildId, 'bob');
    expect(await asked()).toBe(1);
    await builds.setResumed(lease, 1, 'api');
    expect(await asked()).toBeNull();
    expect((await events()).slice(1)).toEqual([
      ['RESUME_REQUESTED', { by: 'ada', number: 1 }],
      ['RESUMED', { number: 1, by: 'api' }],
    ]);
  });

  it('is refused where nothing is paused', async () => {
    await expect(builds.requestResume(lease.buildId, 'ada')).rejects.toMatchObject({ code: 'BUILD_NOT_PAUSED' });
    const nobody = asBuildId('11111111-2222-4333-8444-555555555555');
    await expect(builds.requestResume(nobody, 'ada')).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
    await builds.setPaused(lease, pause(1));
    await builds.setResumed(lease, 1, 'build');
    await expect(builds.requestResume(lease.buildId, 'ada')).rejects.toMatchObject({ code: 'BUILD_NOT_PAUSED' });
    expect(await asked()).toBeNull();
  });
});
