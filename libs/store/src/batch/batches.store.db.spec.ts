// Batches in the rows: every way in which one moves on, and what holds when two builds end at once or a process dies in the middle.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { BatchPlan, BuildBatchConfig, BuildBatchInFull, PlannedTask } from '#core/batch.js';
import type { ClaimedBuild } from '#core/build.js';
import { asWorkerId, type BatchId } from '#core/ids.js';
import type { Project, ProjectSettings } from '#core/project.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from '../builds.store.js';
import { Database } from '../database.js';
import { Listener } from '../listen.js';
import { ProjectsStore } from '../projects.store.js';
import { BatchesStore } from './batches.store.js';

// Hundreds of builds on a machine that may be busy.
jest.setTimeout(120_000);

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let projects: ProjectsStore;
let batches: BatchesStore;
let project: Project;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 12 });
  builds = new BuildsStore(db);
  projects = new ProjectsStore(db);
  batches = new BatchesStore(db);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build, build_batch CASCADE');
  project = await projects.create('demo', newProjectSettings());
});

const task = (identifier: string, dependsOn: string[] = [], over: Partial<PlannedTask> = {}): PlannedTask => ({
  ...{ identifier, dependsOn, ignoreFailure: false, overrides: {} },
  ...over,
});
const plan = (tasks: PlannedTask[], fastFail = false): BatchPlan => ({ fastFail, tasks, secondarySourceVersions: [] });

async function start(
  config: BuildBatchConfig = {},
  over: Partial<ProjectSettings> = {},
  more: { cacheScope?: string } = {},
): Promise<BatchId> {
  const settings = { ...project.settings, ...over };
  return batches.write({ project, settings, config, overrides: {}, initiator: 'ada', maxWaiting: 1000, ...more });
}
const claim = (): Promise<ClaimedBuild | null> =>
  builds.claimNext({ workerId: asWorkerId('host-1'), leaseMs: 60_000, called: true });
async function claimed(): Promise<ClaimedBuild> {
  const one = await claim();
  if (one === null) throw new Error('expected a build to claim, got none');
  return one;
}
const WELL = Array.from({ length: 8 }, () => 'SUCCEED' as const);
const CONTEXT = { statusCode: 'YAML_FILE_ERROR', message: 'broken' };

async function end(one: ClaimedBuild, how: 'well' | 'badly' | 'fault' = 'well'): Promise<void> {
  const events = { well: WELL, badly: ['SUCCEED', 'FAIL', 'SUCCEED'] as const, fault: ['FAULT'] as const }[how];
  const ends = events.map((event) => ({ event, contexts: event === 'SUCCEED' ? [] : [CONTEXT], at: new Date() }));
  await builds.applyAll(one.lease, ends);
}
/** Starts a batch and lets the build that reads the buildspec leave this plan. */
async function planned(
  tasks: BatchPlan,
  config: BuildBatchConfig = {},
  over: Partial<ProjectSettings> = {},
): Promise<BatchId> {
  const id = await start(config, over);
  const spec = await claimed();
  expect(spec.build.batch).toEqual({ id, identifier: 'DOWNLOAD_SOURCE' });
  await builds.setResolvedSource(spec.lease, 'c0ffee');
  await builds.setBatchPlan(spec.lease, tasks);
  await end(spec);
  return id;
}
const shown = ({ groups }: BuildBatchInFull): Record<string, string> =>
  Object.fromEntries(groups.slice(1).map(({ identifier, status }) => [identifier, status]));
const phases = (batch: BuildBatchInFull): string[] =>
  batch.phases.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? '-'}`);
const name = (one: ClaimedBuild | null): string | undefined => one?.build.batch?.identifier;

describe('a batch', () => {
  it('gives its cache scope to all its builds, those of a retry too', async () => {
    const id = await start({}, {}, { cacheScope: 'fork-1' });
    const spec = await claimed();
    await builds.setBatchPlan(spec.lease, plan([task('one')]));
    await end(spec);
    const one = await claimed();
    await end(one, 'badly');
    await batches.retry(id, 'RETRY_FAILED_BUILDS', 'ada');
    const again = await claimed();
    expect([spec, one, again].map(({ build }) => build.cacheScope)).toEqual(['fork-1', 'fork-1', 'fork-1']);
    expect(again.build.id).not.toBe(one.build.id);
    await end(again);
  });

  it('begins with the build that reads its buildspec, which leaves nothing behind itself', async () => {
    const id = await start({ timeoutInMins: 30 }, { artifacts: { type: 'S3' }, cache: { type: 'S3' } });
    const batch = await batches.get(id);
    expect(batch).toMatchObject({
      number: 1,
      status: 'IN_PROGRESS',
      currentPhase: 'DOWNLOAD_BATCHSPEC',
      initiator: 'ada',
      counts: {},
    });
    expect(batch.deadline.getTime() - batch.submittedAt.getTime()).toBe(30 * 60_000);
    expect(batch.groups).toEqual([
      expect.objectContaining({ identifier: 'DOWNLOAD_SOURCE', status: 'IN_PROGRESS', prior: [], dependsOn: [] }),
    ]);
    const { build } = await claimed();
    expect(build.id).toBe(batch.groups[0]!.current!.buildId);
    expect([build.number, build.settings.artifacts.type, build.settings.cache.type]).toEqual([
      1,
      'NO_ARTIFACTS',
      'NO_CACHE',
    ]);
    expect(build.phases.map(({ phaseType }) => phaseType)).toEqual(['SUBMITTED', 'QUEUED', 'PROVISIONING']);
  });

  it('goes through its graph, each task of the commit that was found, with its own overrides, until it succeeds', async () => {
    const tasks = [
      task('a', [], {
        overrides: {
          imageOverride: 'img:a',
          environmentVariablesOverride: [{ name: 'V', value: '1', type: 'PLAINTEXT' }],
        },
      }),
      task('b'),
      task('c', ['a', 'b']),
    ];
    const id = await planned(plan(tasks), {}, { sourceVersion: 'main', artifacts: { type: 'S3', path: 'out/' } });
    const [a, b] = [await claimed(), await claimed()];
    expect([name(a), name(b), await claim()]).toEqual(['a', 'b', null]);
    expect(a.build.settings).toMatchObject({
      sourceVersion: 'c0ffee',
      environment: { image: 'img:a', environmentVariables: [{ name: 'V', value: '1' }] },
      artifacts: { type: 'S3', path: 'out/a' },
    });
    expect([a.build.sourceVersion, b.build.settings.environment.image]).toEqual([
      'main',
      project.settings.environment.image,
    ]);
    await end(b);
    expect([await claim(), shown(await batches.get(id))]).toEqual([
      null,
      { a: 'IN_PROGRESS', b: 'SUCCEEDED', c: 'PENDING' },
    ]);
    await end(a);
    const c = await claimed();
    expect(name(c)).toBe('c');
    await end(c);
    const batch = await batches.get(id);
    expect(batch).toMatchObject({
      status: 'SUCCEEDED',
      resolvedSourceVersion: 'c0ffee',
      counts: { SUCCEEDED: 3 },
      ending: null,
    });
    expect(phases(batch)).toEqual([
      'SUBMITTED SUCCEEDED',
      'DOWNLOAD_BATCHSPEC SUCCEEDED',
      'IN_PROGRESS SUCCEEDED',
      'COMBINE_ARTIFACTS SUCCEEDED',
      'SUCCEEDED -',
    ]);
    expect(batch.groups.map(({ current }) => current?.buildStatus)).toEqual(Array(4).fill('SUCCEEDED'));
  });

  it('with combined artifacts leaves the place of them as the project says', async () => {
    await planned(plan([task('a')]), { combineArtifacts: true }, { artifacts: { type: 'S3', path: 'out' } });
    expect((await claimed()).build.settings.artifacts).toEqual({ type: 'S3', path: 'out' });
  });

  it.each([
    ['badly', 'FAILED'],
    ['fault', 'FAULT'],
  ] as const)('whose buildspec build ends %s ends %s in DOWNLOAD_BATCHSPEC, and tells why', async (how, status) => {
    const id = await start();
    await end(await claimed(), how);
    const batch = await batches.get(id);
    expect([batch.status, ...phases(batch)]).toEqual([
      status,
      'SUBMITTED SUCCEEDED',
      `DOWNLOAD_BATCHSPEC ${status}`,
      'FAILED -',
    ]);
    expect(batch.phases[1]!.contexts).toEqual([CONTEXT]);
  });

  it('whose first build left no plan, as one of an older worker would, is a fault', async () => {
    const id = await start();
    await end(await claimed());
    const batch = await batches.get(id);
    expect([batch.status, batch.groups.map(({ status }) => status)]).toEqual(['FAULT', ['FAULT']]);
    expect(batch.phases[1]!.contexts).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/left no plan/) }),
    ]);
    await batches.retry(id, 'RETRY_FAILED_BUILDS', 'bob');
    expect(name(await claim())).toBe('DOWNLOAD_SOURCE');
  });

  it('lets what depends on a failed task never begin, and the rest go on', async () => {
    const id = await planned(plan([task('a'), task('b', ['a']), task('c', ['b']), task('d'), task('e', ['d'])]));
    await end(await claimed(), 'badly');
    expect(shown(await batches.get(id))).toEqual({
      a: 'FAILED',
      b: 'SKIPPED',
      c: 'SKIPPED',
      d: 'IN_PROGRESS',
      e: 'PENDING',
    });
    await end(await claimed());
    await end(await claimed());
    const batch = await batches.get(id);
    expect([batch.status, batch.counts]).toEqual(['FAILED', { FAILED: 1, SKIPPED: 2, SUCCEEDED: 2 }]);
    expect(await claim()).toBeNull();
  });

  it('does not fail with a task whose failure is ignored, and what depends on it begins', async () => {
    const id = await planned(plan([task('a', [], { ignoreFailure: true }), task('b', ['a'])]));
    await end(await claimed(), 'badly');
    await end(await claimed());
    expect((await batches.get(id)).status).toBe('SUCCEEDED');
  });

  it('with fast-fail begins nothing more, and asks what runs and what waits to stop', async () => {
    const id = await planned(plan([task('a'), task('b'), task('c'), task('d', ['b'])], true));
    const [a, b] = [await claimed(), await claimed()];
    await end(a, 'badly');
    expect(await claim()).toBeNull(); // c waits, and is not to begin
    expect((await builds.renewLease(b.lease, 60_000)).stopRequested).toBe(true);
    expect(await batches.mend()).toEqual({ stopped: [id], settled: [] });
    await builds.apply(b.lease, 'STOP', [], new Date());
    const batch = await batches.get(id);
    expect([batch.status, batch.ending, shown(batch)]).toEqual([
      'FAILED',
      'FAST_FAIL',
      { a: 'FAILED', b: 'STOPPED', c: 'STOPPED', d: 'SKIPPED' },
    ]);
  });

  it('is a fault where nothing but a fault went wrong', async () => {
    const id = await planned(plan([task('a'), task('b', ['a'])]));
    await end(await claimed(), 'fault');
    expect((await batches.get(id)).status).toBe('FAULT');
  });

  it('ends when its project is deleted: what has not begun never does', async () => {
    const id = await planned(plan([task('a'), task('b', ['a'])]));
    const a = await claimed();
    await projects.delete('demo');
    await end(a);
    const batch = await batches.get(id);
    expect([batch.status, batch.projectId, shown(batch)]).toEqual(['FAILED', null, { a: 'SUCCEEDED', b: 'SKIPPED' }]);
    expect(batch.phases[2]!.contexts).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/project was deleted/) }),
    ]);
  });

  it('waits for the retries of a build: only its last attempt counts', async () => {
    const id = await planned(plan([task('a')]), {}, { autoRetryLimit: 1 });
    await end(await claimed(), 'badly');
    expect(shown(await batches.get(id))).toEqual({ a: 'IN_PROGRESS' });
    await end(await claimed());
    expect((await batches.get(id)).status).toBe('SUCCEEDED');
  });
});

describe('stop and timeout', () => {
  it('a stop ends what waits at once, what runs by its worker, and begins nothing more', async () => {
    const id = await planned(plan([task('a'), task('b'), task('c', ['a'])]));
    const a = await claimed();
    const batch = await batches.stop(id, 'bob');
    expect([batch.status, batch.ending, shown(batch)]).toEqual([
      'IN_PROGRESS',
      'STOP',
      { a: 'IN_PROGRESS', b: 'STOPPED', c: 'SKIPPED' },
    ]);
    expect((await builds.renewLease(a.lease, 60_000)).stopRequested).toBe(true);
    await builds.apply(a.lease, 'STOP', [], new Date());
    const ended = await batches.get(id);
    expect([ended.status, ...phases(ended).slice(2)]).toEqual(['STOPPED', 'IN_PROGRESS STOPPED', 'STOPPED -']);
    expect((await batches.stop(id, 'bob')).endedAt).toEqual(ended.endedAt); // an ended one stays as it is
  });

  it('a stop before the buildspec is read ends it without tasks', async () => {
    const id = await start();
    expect(await batches.stop(id, 'bob')).toMatchObject({ status: 'STOPPED', groups: [{ status: 'STOPPED' }] });
    const second = await start();
    const spec = await claimed();
    await batches.stop(second, 'bob');
    await builds.setBatchPlan(spec.lease, plan([task('a')]));
    await end(spec); // it was through before it heard of the stop
    expect(await batches.get(second)).toMatchObject({ status: 'STOPPED', groups: [{ status: 'SUCCEEDED' }] });
  });

  it('past its deadline a batch ends TIMED_OUT with its builds', async () => {
    const id = await planned(plan([task('a'), task('b', ['a'])]));
    const a = await claimed();
    expect(await batches.expire(new Date())).toEqual([]);
    await db.query(`UPDATE build_batch SET deadline = now() - interval '1 second'`);
    expect(await batches.expire(new Date())).toEqual([id]);
    expect(await batches.expire(new Date())).toEqual([]);
    await builds.apply(a.lease, 'STOP', [], new Date());
    const batch = await batches.get(id);
    expect([batch.status, shown(batch), ...phases(batch).slice(2)]).toEqual([
      'TIMED_OUT',
      { a: 'STOPPED', b: 'SKIPPED' },
      'IN_PROGRESS TIMED_OUT',
      'FAILED -',
    ]);
    expect(batch.phases.at(-2)!.contexts).toEqual([{ statusCode: 'BUILD_TIMED_OUT', message: 'Batch has timed out.' }]);
  });

  it('a stop that died behind its first transaction is carried on by the upkeep, once', async () => {
    const id = await planned(plan([task('a'), task('b')]));
    const a = await claimed();
    await db.query(`UPDATE build_batch SET ending = 'STOP' WHERE id = $1`, [id]); // all that the dead process got to
    expect(await batches.mend()).toEqual({ stopped: [id], settled: [] });
    expect(await batches.mend()).toEqual({ stopped: [], settled: [] });
    expect((await builds.renewLease(a.lease, 60_000)).stopRequested).toBe(true);
    await builds.apply(a.lease, 'STOP', [], new Date());
    expect((await batches.get(id)).status).toBe('STOPPED');
  });

  it('a build that ended without its batch, by an older process, or is gone, is settled by the upkeep', async () => {
    const id = await planned(plan([task('a'), task('b', ['a']), task('c')]));
    const [a, c] = [await claimed(), await claimed()];
    await db.query(`UPDATE build SET status = 'SUCCEEDED', current_phase = 'COMPLETED' WHERE id = $1`, [a.build.id]);
    await db.query('DELETE FROM build WHERE id = $1', [c.build.id]);
    expect((await batches.mend()).settled.sort()).toEqual([a.build.id, c.build.id].sort());
    expect(shown(await batches.get(id))).toEqual({ a: 'SUCCEEDED', b: 'IN_PROGRESS', c: 'FAULT' });
    expect(await batches.mend()).toEqual({ stopped: [], settled: [] });
  });
});

describe('a worker that is lost', () => {
  const lose = async (one: ClaimedBuild): Promise<void> => {
    await db.query(`UPDATE build SET lease_until = now() - interval '1 second' WHERE id = $1`, [one.build.id]);
    expect(await builds.settleLost(new Date(), 0)).toEqual([one.build.id]);
  };

  it('with the build that reads the buildspec: another attempt reads it, and the plan of the lost one is refused', async () => {
    const id = await start();
    const lost = await claimed();
    await builds.setBatchPlan(lost.lease, plan([task('from_lost')]));
    await lose(lost);
    const spec = await claimed();
    expect([spec.build.id, spec.lease.attempt]).toEqual([lost.build.id, 2]);
    await expect(builds.setBatchPlan(lost.lease, plan([task('late')]))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await builds.setBatchPlan(spec.lease, plan([task('a')]));
    await end(spec);
    expect(shown(await batches.get(id))).toEqual({ a: 'IN_PROGRESS' });
  });

  it('with a task whose commands ran: it is a fault, what depends on it never begins, and the batch ends by the sweep alone', async () => {
    const id = await planned(plan([task('a'), task('b', ['a'])]));
    const a = await claimed();
    await builds.setHandedOver(a.lease);
    await lose(a);
    expect(await batches.get(id)).toMatchObject({ status: 'FAULT', counts: { FAULT: 1, SKIPPED: 1 } });
  });

  it('a task that waits too long in the queue is settled by the sweep', async () => {
    const id = await planned(plan([task('a', [], { ignoreFailure: true }), task('b', ['a'])]));
    await db.query(`UPDATE build SET queue_deadline = now() - interval '1 second' WHERE status = 'IN_PROGRESS'`);
    expect(await builds.expireQueued(new Date())).toHaveLength(1);
    expect(shown(await batches.get(id))).toEqual({ a: 'TIMED_OUT', b: 'IN_PROGRESS' });
  });
});

describe('retry', () => {
  it('of the failed: they and what never began get other builds, the others stay', async () => {
    const id = await planned(plan([task('a'), task('b'), task('c', ['a', 'b']), task('d', ['c'])]));
    await end(await claimed());
    await end(await claimed(), 'badly');
    const before = await batches.get(id);
    expect(before.status).toBe('FAILED');
    const batch = await batches.retry(id, 'RETRY_FAILED_BUILDS', 'bob');
    expect([batch.status, batch.endedAt, shown(batch)]).toEqual([
      'IN_PROGRESS',
      null,
      { a: 'SUCCEEDED', b: 'IN_PROGRESS', c: 'PENDING', d: 'PENDING' },
    ]);
    expect(batch.groups[2]!.prior).toEqual([before.groups[2]!.current]);
    for (const expected of ['b', 'c', 'd']) {
      const one = await claimed();
      expect(name(one)).toBe(expected);
      await end(one);
    }
    const ended = await batches.get(id);
    expect([ended.status, phases(ended).length]).toEqual(['SUCCEEDED', 5]);
    await expect(batches.retry(id, 'RETRY_ALL_BUILDS', 'bob')).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
  });

  it('of all: every task again, with the same commit', async () => {
    const id = await planned(plan([task('a'), task('b', ['a'])]));
    await end(await claimed());
    await end(await claimed(), 'badly');
    await batches.retry(id, 'RETRY_ALL_BUILDS', 'bob');
    const again = [await claimed(), await claim()];
    expect([again.map(name), again[0]!.build.settings.sourceVersion]).toEqual([['a', undefined], 'c0ffee']);
    expect((await batches.get(id)).groups.map(({ prior }) => prior.length)).toEqual([0, 1, 1]);
  });

  it('of one whose buildspec could not be read reads it again', async () => {
    const id = await start();
    await end(await claimed(), 'badly');
    await batches.retry(id, 'RETRY_FAILED_BUILDS', 'bob');
    const spec = await claimed();
    await builds.setBatchPlan(spec.lease, plan([task('a')]));
    await end(spec);
    await end(await claimed());
    const batch = await batches.get(id);
    expect([batch.status, batch.groups[0]!.prior.length, phases(batch)[1]]).toEqual([
      'SUCCEEDED',
      1,
      'DOWNLOAD_BATCHSPEC SUCCEEDED',
    ]);
  });

  it('is refused while it goes on, and where its project is gone, which changes nothing', async () => {
    const id = await planned(plan([task('a')]));
    await expect(batches.retry(id, 'RETRY_ALL_BUILDS', 'bob')).rejects.toMatchObject({ code: 'BATCH_IN_PROGRESS' });
    await end(await claimed(), 'badly');
    await projects.delete('demo');
    await expect(batches.retry(id, 'RETRY_ALL_BUILDS', 'bob')).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' });
    expect(await batches.get(id)).toMatchObject({ status: 'FAILED', ending: null });
  });
});

describe('list, delete and requests that come twice', () => {
  it('lists by project and status, newest first, page by page', async () => {
    const ids = [await start(), await start(), await start()];
    await batches.stop(ids[1]!, 'bob');
    const first = await batches.list({ limit: 2, projectName: 'demo' });
    const second = await batches.list({ limit: 2, projectName: 'demo', cursor: first.nextCursor! });
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual([...ids].reverse());
    expect(second.nextCursor).toBeNull();
    expect((await batches.list({ limit: 5, statuses: ['STOPPED'] })).items.map(({ id }) => id)).toEqual([ids[1]]);
    expect((await batches.list({ limit: 5, projectName: 'other' })).items).toEqual([]);
  });

  it('deletes an ended batch with all its builds, and no other', async () => {
    const id = await planned(plan([task('a')]));
    await expect(batches.delete(id)).rejects.toMatchObject({ code: 'BATCH_IN_PROGRESS' });
    const a = await claimed();
    await end(a);
    expect((await batches.delete(id)).builds).toHaveLength(2);
    await expect(batches.get(id)).rejects.toMatchObject({ code: 'BATCH_NOT_FOUND' });
    await expect(builds.get(a.build.id)).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
  });

  it('a request under the same id is the same batch, also at the same moment', async () => {
    const id = '7c9e6679-7425-40de-944b-e07fc1f90ae7' as BatchId;
    const request = {
      id,
      project,
      settings: project.settings,
      config: {},
      overrides: {},
      initiator: 'ada',
      maxWaiting: 10,
    };
    expect(await Promise.all([batches.write(request), batches.write(request)])).toEqual([id, id]);
    expect((await db.query('SELECT 1 FROM build')).rowCount).toBe(1);
  });

  it('is refused with the queue full', async () => {
    const request = { project, settings: project.settings, config: {}, overrides: {}, initiator: 'ada', maxWaiting: 1 };
    await batches.write(request);
    await expect(batches.write(request)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('many at once', () => {
  it('builds that end at the same moment start their dependant once, and the last ends the batch once', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await planned(plan([task('a'), task('b'), task('c', ['a', 'b'])]));
      const both = [await claimed(), await claimed()];
      await Promise.all(both.map((one) => end(one)));
      const c = await claimed();
      expect([name(c), await claim()]).toEqual(['c', null]);
      await end(c);
      expect((await batches.get(id)).status).toBe('SUCCEEDED');
      const { rows } = await db.query(`SELECT 1 FROM build_batch_event WHERE batch_id = $1 AND type = 'END'`, [id]);
      expect(rows).toHaveLength(1);
    }
  });

  it('a stop and the ends of builds at the same moment never lock each other out', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await planned(plan([task('a'), task('b'), task('c', ['a']), task('d', ['b'])], round % 2 === 0));
      const both = [await claimed(), await claimed()];
      await Promise.all([batches.stop(id, 'bob'), ...both.map((one) => end(one, 'badly')), batches.mend()]);
      await batches.mend();
      expect((await batches.get(id)).status).toBe('STOPPED');
    }
  });

  it('wakes workers of the kind that the new builds ask for, with the commit', async () => {
    const listener = await Listener.start(test.url);
    try {
      const heard: string[] = [];
      listener.onWake((requires) => heard.push(requires));
      await planned(
        plan([task('a', [], { overrides: { fleetOverride: { fleetArn: 'fast' } } }), task('b'), task('c')]),
      );
      while (heard.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(heard.sort()).toEqual(['', '', 'fleet=fast']); // the batch's own build; the two kinds of its tasks
    } finally {
      await listener.close();
    }
  });

  it('a graph of 500 tasks: each is queued by the very transaction that ended the last it waited for', async () => {
    const tasks = bigGraph(500);
    const id = await planned(plan(tasks), { restrictions: { maximumBuildsAllowed: 500 } });
    const worker = async (): Promise<number> => {
      let count = 0;
      for (let one = await claim(); one !== null || !(await isOver(id)); one = await claim()) {
        if (one === null) continue;
        await end(one);
        count += 1;
      }
      return count;
    };
    const done = await Promise.all([worker(), worker(), worker(), worker()]);
    expect(done.reduce((sum, count) => sum + count, 0)).toBe(500);
    expect(await batches.get(id)).toMatchObject({ status: 'SUCCEEDED', counts: { SUCCEEDED: 500 } });
    // a row's xmin is the transaction that wrote it, and events are never changed
    const { rows } = await db.query<{ identifier: string; queuedBy: string; endedBy: string[]; early: boolean }>(
      `SELECT t.identifier, q.xmin::text AS "queuedBy", array_agg(e.xmin::text ORDER BY e.id) AS "endedBy", bool_or(e.id > q.id) AS early
       FROM build_batch_task t
       JOIN build_event q ON q.build_id = t.build_id AND q.type = 'QUEUE'
       JOIN build_batch_task d ON d.batch_id = t.batch_id AND d.identifier = ANY (t.depends_on)
       JOIN build_event e ON e.build_id = d.build_id AND e.data->>'to' = 'COMPLETED'
       WHERE t.batch_id = $1 GROUP BY 1, 2`,
      [id],
    );
    expect(rows).toHaveLength(tasks.filter(({ dependsOn }) => dependsOn.length > 0).length);
    for (const { identifier, queuedBy, endedBy, early } of rows) {
      expect([identifier, early, endedBy.includes(queuedBy)]).toEqual([identifier, false, true]);
    }
  });
});

const isOver = async (id: BatchId): Promise<boolean> => (await batches.get(id)).status !== 'IN_PROGRESS';

/** Each task depends on up to three of the fifty before it; the same graph each time. */
function bigGraph(count: number): PlannedTask[] {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  return Array.from({ length: count }, (_, index) => {
    const on = Array.from({ length: random(4) }, () => index - 1 - random(50)).filter((other) => other >= 0);
    return task(
      `t${index}`,
      [...new Set(on)].map((other) => `t${other}`),
    );
  });
}
