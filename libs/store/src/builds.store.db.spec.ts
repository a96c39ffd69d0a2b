// Builds on real Postgres: each verb of requests and of the worker, the guard, the cursors.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Build, ClaimedBuild, Lease } from '#core/build.js';
import { asBuildId, asWorkerId } from '#core/ids.js';
import type { PhaseType } from '#core/phase.js';
import type { Project, ProjectSettings } from '#core/project.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newCacheUse, newLogChunk, newProjectSettings, newWorkerInfo } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { LogsStore } from './logs.store.js';
import { ProjectsStore } from './projects.store.js';
import { WorkersStore } from './workers.store.js';

const WORKER = asWorkerId('host-1');
const LEASE_MS = 60_000;
const UNKNOWN = asBuildId('00000000-0000-4000-8000-000000000000');

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let projects: ProjectsStore;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 12 });
  builds = new BuildsStore(db);
  projects = new ProjectsStore(db);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build, worker, log_chunk, doomed_blob CASCADE');
});

async function project(name: string, over: Partial<ProjectSettings> = {}): Promise<Project> {
  return projects.create(name, newProjectSettings(over));
}
async function build(of: Project, over: { priority?: number; maxWaiting?: number } = {}): Promise<Build> {
  const settings = { ...of.settings, priority: over.priority ?? of.settings.priority };
  return builds.create({ project: of, settings, overrides: {}, initiator: 'ada', maxWaiting: over.maxWaiting ?? 1000 });
}
async function claim(workerId = WORKER): Promise<ClaimedBuild> {
  const claimed = await builds.claimNext({ workerId, leaseMs: LEASE_MS });
  if (claimed === null) throw new Error('nothing to claim');
  return claimed;
}
async function expireLease(lease: Lease): Promise<void> {
  await db.query(`UPDATE build SET lease_until = now() - interval '1 second' WHERE id = $1`, [lease.buildId]);
}
async function events(id: string): Promise<string[]> {
  const { rows } = await db.query<{ type: string }>('SELECT type FROM build_event WHERE build_id = $1 ORDER BY id', [
    id,
  ]);
  return rows.map((row) => row.type);
}

describe('create', () => {
  it('writes the build waiting, with its first phases and event', async () => {
    const made = await build(await project('demo', { sourceVersion: 'main' }));
    expect(made).toMatchObject({
      number: 1,
      status: 'IN_PROGRESS',
      currentPhase: 'QUEUED',
      attempt: 0,
      sourceVersion: 'main',
    });
    expect(made.phases).toEqual([
      {
        phaseType: 'SUBMITTED',
        phaseStatus: 'SUCCEEDED',
        startTime: made.queuedAt,
        endTime: made.queuedAt,
        contexts: [],
      },
      { phaseType: 'QUEUED', startTime: made.queuedAt, contexts: [] },
    ]);
    expect(await events(made.id)).toEqual(['QUEUE']);
    expect(await builds.get(made.id)).toEqual(made);
  });

  it('numbers builds of a project without gaps, also when many come at once, and never again after a delete', async () => {
    const demo = await project('demo');
    const made = await Promise.all(Array.from({ length: 10 }, () => build(demo)));
    expect(made.map((b) => b.number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const { id } of made) {
      await builds.requestStop(id, 'ada');
      await builds.delete(id);
    }
    expect((await build(demo)).number).toBe(11);
  });

  it('keeps text that Postgres cannot hold as it is', async () => {
    const demo = await project('demo');
    const made = await builds.create({
      project: demo,
      settings: { ...demo.settings, description: 'a\0b \ud800 c \\u0000' },
      overrides: { sourceVersion: 'x' },
      initiator: 'ada',
      maxWaiting: 10,
    });
    expect(made.settings.description).toBe('a\uFFFDb \uFFFD c \\u0000');
    expect(await builds.overridesOf(made.id)).toEqual({ overrides: { sourceVersion: 'x' }, projectName: 'demo' });
  });

  it('refuses when too many wait, and when the project is gone', async () => {
    const demo = await project('demo');
    await build(demo, { maxWaiting: 1 });
    await expect(build(demo, { maxWaiting: 1 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await projects.delete('demo');
    await expect(build(demo)).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' });
  });
});

describe('get, list and delete', () => {
  it('refuses an unknown build in every verb that names one', async () => {
    for (const call of [
      () => builds.get(UNKNOWN),
      () => builds.overridesOf(UNKNOWN),
      () => builds.requestStop(UNKNOWN, 'ada'),
      () => builds.delete(UNKNOWN),
      () => builds.artifacts(UNKNOWN),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
    }
  });

  it('pages newest first through equal times, by project, status and time', async () => {
    const demo = await project('demo');
    const other = await project('other');
    const made: Build[] = [];
    for (let i = 0; i < 7; i++) made.push(await build(i === 3 ? other : demo));
    await db.query(`UPDATE build SET queued_at = '2026-01-01T00:00:00Z' WHERE number <= 4 AND project_id = $1`, [
      demo.id,
    ]);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await builds.list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.items.map((b) => b.id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(new Set(made.map((b) => b.id)));
    expect((await builds.list({ limit: 10, projectName: 'other' })).items.map((b) => b.id)).toEqual([made[3]!.id]);
    expect((await builds.list({ limit: 10, to: new Date('2026-01-02') })).items).toHaveLength(4);
    expect((await builds.list({ limit: 10, from: new Date('2026-01-02') })).items).toHaveLength(3);
    expect((await builds.list({ limit: 10, statuses: ['STOPPED'] })).items).toEqual([]);
  });

  it.each([
    ['not base64 of JSON', 'zzz'],
    ['too few parts', Buffer.from('["a"]').toString('base64url')],
    ['no time', Buffer.from(JSON.stringify(['x', UNKNOWN])).toString('base64url')],
    ['no id', Buffer.from(JSON.stringify(['2026-01-01T00:00:00.000Z', 'x'])).toString('base64url')],
  ])('refuses a cursor that is %s', async (_, cursor) => {
    await expect(builds.list({ limit: 1, cursor })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      findings: [{ field: 'cursor' }],
    });
  });

  it('deletes an ended build with its log and tells of its artifacts, and no running one', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    await new LogsStore(db).append(lease, newLogChunk(['a']));
    await builds.addArtifact(lease, ARTIFACT);
    await expect(builds.delete(lease.buildId)).rejects.toMatchObject({ code: 'BUILD_IN_PROGRESS' });
    await builds.apply(lease, 'FAULT', [], new Date());
    expect(await builds.delete(lease.buildId)).toEqual([ARTIFACT.location]);
    expect((await db.query('SELECT location FROM doomed_blob')).rows).toEqual([{ location: ARTIFACT.location }]);
    expect((await db.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);
    await expect(builds.get(lease.buildId)).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
  });
});

const ARTIFACT = {
  identifier: '',
  name: 'out.zip',
  packaging: 'ZIP' as const,
  fileCount: 2,
  sizeBytes: 5_000_000_000,
  sha256: 'ab',
  location: 'artifacts/out.zip',
  createdAt: new Date('2026-01-15T12:00:00.000Z'),
};

describe('a worker', () => {
  it('claims, runs through the phases and ends the build', async () => {
    const made = await build(await project('demo', { timeoutInMinutes: 7 }));
    const { lease, build: claimed, deadline } = await claim();
    expect(lease).toEqual({ buildId: made.id, attempt: 1, workerId: WORKER });
    expect(claimed).toMatchObject({ currentPhase: 'PROVISIONING', attempt: 1, workerId: WORKER });
    expect(deadline.getTime() - claimed.startedAt!.getTime()).toBe(7 * 60_000);
    expect(await builds.isOwned(made.id, 1)).toBe(true);
    expect(await builds.isOwned(made.id, 2)).toBe(false);

    const at = new Date(claimed.startedAt!.getTime() + 5_000);
    await builds.setResolvedSource(lease, 'abc');
    await builds.setImage(lease, 'sha256:1');
    await builds.setExportedVariables(lease, [{ name: 'A', value: 'x\0y' }]);
    await builds.setCache(lease, newCacheUse({ key: 'k', result: 'hit', restoredBytes: 1 }));
    await builds.addArtifact(lease, ARTIFACT);
    await builds.addArtifact(lease, { ...ARTIFACT, fileCount: 3 });
    for (const event of ['SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'FAIL'] as const) {
      await builds.apply(lease, event, [{ statusCode: '', message: event }], at);
    }
    await builds.apply(lease, 'SUCCEED', [], at);
    await builds.apply(lease, 'SUCCEED', [], at);
    const last = await builds.apply(lease, 'SUCCEED', [], at);
    expect(last).toEqual({ status: 'FAILED', phase: 'COMPLETED', failing: true });

    const ended = await builds.get(made.id);
    expect(ended).toMatchObject({
      status: 'FAILED',
      endedAt: at,
      resolvedSourceVersion: 'abc',
      imageDigest: 'sha256:1',
    });
    expect(ended.exportedVariables).toEqual([{ name: 'A', value: 'x\uFFFDy' }]);
    expect(ended.phases.map((p) => [p.phaseType, p.phaseStatus])).toEqual([
      ['SUBMITTED', 'SUCCEEDED'],
      ['QUEUED', 'SUCCEEDED'],
      ['PROVISIONING', 'SUCCEEDED'],
      ['DOWNLOAD_SOURCE', 'SUCCEEDED'],
      ['INSTALL', 'SUCCEEDED'],
      ['PRE_BUILD', 'SUCCEEDED'],
      ['BUILD', 'FAILED'],
      ['POST_BUILD', 'SUCCEEDED'],
      ['UPLOAD_ARTIFACTS', 'SUCCEEDED'],
      ['FINALIZING', 'SUCCEEDED'],
      ['COMPLETED', undefined],
    ]);
    expect(ended.phases.at(-1)!.endTime).toBeUndefined();
    expect(await builds.artifacts(made.id)).toEqual([{ ...ARTIFACT, fileCount: 3 }]);
    expect(await builds.isOwned(made.id, 1)).toBe(false);
    await expect(builds.apply(lease, 'FAULT', [], at)).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });

  it('refuses an event that the phase has no way for, and changes nothing', async () => {
    await build(await project('demo'));
    const { lease, build: before } = await claim();
    await expect(builds.apply(lease, 'CLAIM', [], new Date())).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
    expect(await builds.get(lease.buildId)).toEqual(before);
  });

  it('writes the ends of several phases at once, or none of them, and each once', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    const began = Date.now() + 1_000;
    const end = (phase: PhaseType, event: 'SUCCEED' | 'CLAIM', after: number) => {
      return { phase, event, contexts: [], at: new Date(began + after) };
    };
    const impossible = [end('PROVISIONING', 'SUCCEED', 0), end('DOWNLOAD_SOURCE', 'CLAIM', 1)];
    await expect(builds.applyAll(lease, impossible)).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
    expect((await builds.get(lease.buildId)).currentPhase).toBe('PROVISIONING');
    const ends = (['PROVISIONING', 'DOWNLOAD_SOURCE', 'INSTALL'] as const).map((phase, i) => end(phase, 'SUCCEED', i));
    const behind = { status: 'IN_PROGRESS', phase: 'PRE_BUILD', failing: false };
    expect(await builds.applyAll(lease, ends.slice(0, 2))).toMatchObject({ phase: 'INSTALL' });
    // again, after an answer that got lost
    for (let time = 0; time < 2; time += 1) expect(await builds.applyAll(lease, ends)).toEqual(behind);
    const { phases } = await builds.get(lease.buildId);
    expect(phases.slice(2).map((phase) => [phase.phaseType, phase.phaseStatus, phase.endTime?.getTime()])).toEqual([
      ['PROVISIONING', 'SUCCEEDED', began],
      ['DOWNLOAD_SOURCE', 'SUCCEEDED', began + 1],
      ['INSTALL', 'SUCCEEDED', began + 2],
      ['PRE_BUILD', undefined, undefined],
    ]);
  });

  it('never lets a phase end before it began, whatever the worker’s clock says', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    await builds.apply(lease, 'SUCCEED', [], new Date(0));
    const phase = (await builds.get(lease.buildId)).phases.find((p) => p.phaseType === 'PROVISIONING')!;
    expect(phase.endTime).toEqual(phase.startTime);
  });

  it('lets the worker of a lease that ran out go on while nobody has settled the build', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    await expireLease(lease);
    await new LogsStore(db).append(lease, newLogChunk(['still here']));
    await builds.renewLease(lease, LEASE_MS);
    expect(await builds.settleLost(new Date(), 0)).toEqual([]);
    expect(await builds.isOwned(lease.buildId, 1)).toBe(true);
  });

  describe.each([
    ['another worker', (lease: Lease) => ({ ...lease, workerId: asWorkerId('host-2') }), false],
    ['an earlier attempt', (lease: Lease) => ({ ...lease, attempt: lease.attempt - 1 }), false],
    ['a later attempt', (lease: Lease) => ({ ...lease, attempt: lease.attempt + 1 }), false],
    ['a lease that ran out and was settled', (lease: Lease) => lease, true],
  ])('with %s', (_, other, expired) => {
    it('is refused every write', async () => {
      await build(await project('demo'));
      const { lease: good } = await claim();
      const lease = other(good);
      if (expired) {
        await expireLease(good);
        await builds.settleLost(new Date(), 0);
      }
      const before = await builds.get(good.buildId);
      const logs = new LogsStore(db);
      for (const call of [
        () => builds.renewLease(lease, LEASE_MS),
        () => builds.apply(lease, 'SUCCEED', [], new Date()),
        () => builds.setResolvedSource(lease, 'x'),
        () => builds.setImage(lease, 'x'),
        () => builds.setHandedOver(lease),
        () => builds.giveBack(lease, 'x'),
        () => builds.setExportedVariables(lease, []),
        () => builds.setCache(lease, newCacheUse()),
        () => builds.addArtifact(lease, ARTIFACT),
        () => logs.append(lease, newLogChunk(['x'])),
        () => logs.seal(lease, { lineCount: 0, byteCount: 0, sha256: '' }),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'LEASE_LOST' });
      }
      expect(await builds.get(good.buildId)).toEqual(before);
      expect((await db.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);
    });
  });
});

describe('stop', () => {
  it('ends a waiting build at once, with an empty log that is complete', async () => {
    const made = await build(await project('demo'));
    const stopped = await builds.requestStop(made.id, 'ada');
    expect(stopped).toMatchObject({
      status: 'STOPPED',
      currentPhase: 'COMPLETED',
      logSeal: { lineCount: 0, byteCount: 0 },
    });
    expect(stopped.phases.map((p) => p.phaseStatus)).toEqual(['SUCCEEDED', 'STOPPED', undefined]);
    expect(await events(made.id)).toEqual(['QUEUE', 'STOP_REQUESTED', 'STOP']);
    expect(await builds.claimNext({ workerId: WORKER, leaseMs: LEASE_MS })).toBeNull();
    expect(await new LogsStore(db).read({ buildId: made.id, fromSeq: 0, limit: 10 })).toEqual({
      lines: [],
      nextSeq: 0,
      complete: true,
    });
  });

  it('marks a running build once, and its worker sees it at the next renewal', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    expect((await builds.renewLease(lease, LEASE_MS)).stopRequested).toBe(false);
    const first = await builds.requestStop(lease.buildId, 'ada');
    expect(first).toMatchObject({ status: 'IN_PROGRESS', currentPhase: 'PROVISIONING' });
    expect((await builds.requestStop(lease.buildId, 'bob')).stopRequestedAt).toEqual(first.stopRequestedAt);
    expect((await builds.renewLease(lease, LEASE_MS)).stopRequested).toBe(true);
  });

  it('leaves an ended build as it is', async () => {
    await build(await project('demo'));
    const { lease } = await claim();
    await builds.apply(lease, 'FAULT', [], new Date());
    const before = await builds.get(lease.buildId);
    expect(await builds.requestStop(lease.buildId, 'ada')).toEqual(before);
  });
});

describe('sweep', () => {
  it('times out what waited too long', async () => {
    const demo = await project('demo', { queuedTimeoutInMinutes: 5 });
    const made = await build(demo);
    expect(await builds.expireQueued(new Date())).toEqual([]);
    const later = new Date(made.queuedAt.getTime() + 5 * 60_000);
    expect(await builds.expireQueued(later)).toEqual([made.id]);
    expect(await builds.expireQueued(later)).toEqual([]);
    const ended = await builds.get(made.id);
    expect(ended.status).toBe('TIMED_OUT');
    expect(ended.phases[1]).toMatchObject({
      phaseStatus: 'TIMED_OUT',
      contexts: [{ statusCode: 'BUILD_QUEUE_TIMED_OUT' }],
    });
  });

  it('settles builds of lost workers, sealing what is stored, and only those', async () => {
    const demo = await project('demo');
    for (let i = 0; i < 3; i++) await build(demo);
    const [lost, stopped, alive] = [await claim(), await claim(), await claim()];
    const chunk = newLogChunk(['one', 'two']);
    await new LogsStore(db).append(lost.lease, chunk);
    await builds.setHandedOver(lost.lease);
    await builds.requestStop(stopped.lease.buildId, 'ada');
    await expireLease(lost.lease);
    await expireLease(stopped.lease);
    const ids = await builds.settleLost(new Date(), 0);
    expect(new Set(ids)).toEqual(new Set([lost.lease.buildId, stopped.lease.buildId]));
    const build1 = await builds.get(lost.lease.buildId);
    expect(build1).toMatchObject({ status: 'FAULT', logSeal: { lineCount: 2, byteCount: chunk.bytes.length } });
    expect(build1.phases.at(-2)!.contexts[0]!.statusCode).toBe('INTERNAL_SERVICE_ERROR');
    expect((await builds.get(stopped.lease.buildId)).status).toBe('STOPPED');
    expect((await builds.get(alive.lease.buildId)).status).toBe('IN_PROGRESS');
    expect(await builds.settleLost(new Date(), 0)).toEqual([]);
  });

  it('believes no clock that is ahead of the database’s', async () => {
    await build(await project('demo'));
    await claim();
    expect(await builds.settleLost(new Date(Date.now() + 86_400_000), 0)).toEqual([]);
  });

  it('settles a build once when two sweeps run at the same time', async () => {
    const demo = await project('demo');
    for (let i = 0; i < 5; i++) await build(demo);
    for (let i = 0; i < 5; i++) await expireLease((await claim()).lease);
    const ended = (await Promise.all([builds.settleLost(new Date(), 0), builds.settleLost(new Date(), 0)])).flat();
    expect(new Set(ended).size).toBe(5);
    expect(ended).toHaveLength(5);
  });

  it('lists waiting builds oldest first', async () => {
    const demo = await project('demo');
    const made = [await build(demo), await build(demo, { priority: 5 }), await build(demo)];
    await claim(); // takes the one with the higher priority
    expect(await builds.queuedIds(10)).toEqual([made[0]!.id, made[2]!.id]);
    expect(await builds.queuedIds(1)).toEqual([made[0]!.id]);
  });
});

describe('waiting', () => {
  it('says what holds a build, rule by rule', async () => {
    const demo = await project('demo', { concurrentBuildLimit: 1 });
    const workers = new WorkersStore(db);
    const [first, second] = [await build(demo), await build(demo)];
    expect(await builds.waiting(first)).toMatchObject({ reason: 'NO_WORKER', position: 1 });
    await workers.beat(newWorkerInfo({ id: WORKER, slots: 1, state: 'DRAINING' }));
    expect(await builds.waiting(first)).toMatchObject({ reason: 'NO_WORKER' });
    await workers.beat(newWorkerInfo({ id: WORKER, slots: 1 }));
    expect(await builds.waiting(second)).toMatchObject({ reason: 'NEXT', position: 2 });
    await claim();
    expect(await builds.waiting(second)).toMatchObject({ reason: 'PROJECT_LIMIT', position: 1 });
    await projects.update('demo', newProjectSettings());
    const busy = await builds.waiting(second);
    expect(busy).toMatchObject({ reason: 'WORKERS_BUSY', message: '1 of 1 slots on 1 worker(s) are in use.' });
    expect(await builds.waiting(await builds.get(first.id))).toBeNull();
  });
});
