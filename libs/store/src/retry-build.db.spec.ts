// Attempts on real Postgres: who gets another one, what is kept of the one before, and what its old worker may still do (nothing).
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Build, Lease } from '#core/build.js';
import { asWorkerId } from '#core/ids.js';
import type { PhaseContext } from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import { MAX_GIVE_BACKS, MAX_LOST_STARTS } from '#core/retry.js';
import type { BuildState } from '#core/transitions.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChunk, newLogSeal, newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { Listener } from './listen.js';
import { LogsStore } from './logs.store.js';
import { ProjectsStore } from './projects.store.js';

const LEASE_MS = 60_000;
const QUEUED: BuildState = { status: 'IN_PROGRESS', phase: 'QUEUED', failing: false };

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let logs: LogsStore;

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
  await db.query('TRUNCATE project, build, worker, log_chunk CASCADE');
});

async function start(over: Partial<ProjectSettings> = {}): Promise<Build> {
  const project = await new ProjectsStore(db).create('demo', newProjectSettings(over));
  return builds.create({ project, settings: project.settings, overrides: {}, initiator: 'ada', maxWaiting: 10 });
}
async function claim(workerId = 'host-1'): Promise<Lease> {
  const claimed = await builds.claimNext({ workerId: asWorkerId(workerId), leaseMs: LEASE_MS });
  if (claimed === null) throw new Error('nothing to claim');
  return claimed.lease;
}
async function lose(lease: Lease): Promise<void> {
  await db.query(`UPDATE build SET lease_until = now() - interval '1 second' WHERE id = $1`, [lease.buildId]);
  expect(await builds.settleLost(new Date(), 0)).toEqual([lease.buildId]);
}
/** Through the phases to INSTALL, as a worker does it. */
async function intoInstall(lease: Lease): Promise<void> {
  await builds.apply(lease, 'SUCCEED', [], new Date());
  await builds.setHandedOver(lease);
  await builds.apply(lease, 'SUCCEED', [], new Date());
}
const failure = (exitCode: number): PhaseContext => ({
  statusCode: 'COMMAND_EXECUTION_ERROR',
  message: `exit status ${exitCode}`,
  exitCode,
});
/** A command of INSTALL fails, and with it the attempt. Out: what the last event led to. */
async function fail(lease: Lease, exitCode: number): Promise<BuildState> {
  await intoInstall(lease);
  await builds.apply(lease, 'FAIL', [failure(exitCode)], new Date());
  return builds.apply(lease, 'SUCCEED', [], new Date());
}
/** Writes a log and seals it, as a worker does before the last event. */
async function logOf(lease: Lease, ...lines: string[]): Promise<ReturnType<typeof newLogSeal>> {
  const chunk = newLogChunk(lines);
  await logs.append(lease, chunk);
  const seal = newLogSeal([chunk]);
  await logs.seal(lease, seal);
  return seal;
}
const shown = (build: Build): string[] =>
  build.phases.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? '-'}`);
async function textOf(build: Build, attempt?: number): Promise<string[]> {
  const which = attempt === undefined ? {} : { attempt };
  const { lines } = await logs.read({ buildId: build.id, ...which, fromSeq: 0, limit: 100 });
  return lines.map(({ text }) => text);
}

describe('a failed attempt', () => {
  it('with tries left goes back to the queue, and keeps its end, its phases and its log', async () => {
    const made = await start({ autoRetryLimit: 1 });
    const lease = await claim();
    await builds.setImage(lease, 'sha256:1');
    await builds.setResolvedSource(lease, 'c0ffee');
    await builds.setExportedVariables(lease, [{ name: 'A', value: '1' }]);
    const seal = await logOf(lease, 'first', 'attempt');
    expect(await fail(lease, 3)).toEqual(QUEUED);

    const waiting = await builds.get(made.id);
    expect(waiting).toMatchObject({ status: 'IN_PROGRESS', currentPhase: 'QUEUED', attempt: 1, workerId: null });
    expect(waiting).toMatchObject({ endedAt: null, queuedAt: made.queuedAt });
    expect(waiting.attempts).toHaveLength(1);
    expect(waiting.attempts[0]).toMatchObject({
      attempt: 1,
      status: 'FAILED',
      cause: 'FAILED',
      context: failure(3),
      retriedAs: 'AUTO_RETRY',
      workerId: 'host-1',
      imageDigest: 'sha256:1',
      endedAt: waiting.requeuedAt,
      logSeal: seal,
    });
    expect(shown(waiting)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED -']);
    expect(waiting.phases[1]!.startTime).toEqual(waiting.requeuedAt);
    const { rows } = await db.query<{ worker_id: string | null; lease_until: Date | null }>(
      'SELECT worker_id, lease_until FROM build',
    );
    expect(rows).toEqual([{ worker_id: null, lease_until: null }]);

    const second = await claim('host-2');
    expect(second).toMatchObject({ buildId: made.id, attempt: 2 });
    await logOf(second, 'again');
    const running = await builds.get(made.id);
    expect(running).toMatchObject({ imageDigest: null, exportedVariables: [], handedOver: false, attempt: 2 });
    expect(running.attempts.map(({ attempt, status, workerId }) => [attempt, status, workerId])).toEqual([
      [1, 'FAILED', 'host-1'],
      [2, 'IN_PROGRESS', 'host-2'],
    ]);
    expect(shown(running)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED SUCCEEDED', 'PROVISIONING -']);
    expect(running.phases[1]!.startTime).toEqual(waiting.requeuedAt);
    expect(
      running.attempts[0]!.phases.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? '-'}`),
    ).toEqual([
      'SUBMITTED SUCCEEDED',
      'QUEUED SUCCEEDED',
      'PROVISIONING SUCCEEDED',
      'DOWNLOAD_SOURCE SUCCEEDED',
      'INSTALL FAILED',
      'FINALIZING SUCCEEDED',
      'COMPLETED -',
    ]);
    expect([await textOf(running, 1), await textOf(running)]).toEqual([['first', 'attempt'], ['again']]);
    expect(await logs.size(made.id, 1)).toMatchObject({ lineCount: 2, seal, attempt: 1 });
    expect(await logs.read({ buildId: made.id, attempt: 1, fromSeq: 2, limit: 1 })).toMatchObject({ complete: true });

    expect(await fail(second, 3)).toMatchObject({ status: 'FAILED' });
    const ended = await builds.get(made.id);
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 2, logSeal: { lineCount: 1 } });
    expect(ended.attempts[1]).toMatchObject({
      status: 'FAILED',
      cause: 'FAILED',
      context: failure(3),
      retriedAs: null,
    });
    expect((await builds.list({ limit: 10 })).items).toEqual([ended]);
  });

  it('is written down as one event, told once, and the queue timeout counts anew', async () => {
    const made = await start({ autoRetryLimit: 1, queuedTimeoutInMinutes: 5 });
    const listener = await Listener.start(test.url);
    const lease = await claim();
    await intoInstall(lease);
    await db.query(`UPDATE build SET queue_deadline = now() - interval '1 hour'`);
    const told = new Promise<string>((resolve) => listener.onChange(made.id, ({ kind }) => resolve(kind)));
    await builds.apply(lease, 'FAULT', [], new Date());
    expect(await told).toBe('status');
    await listener.close();
    const { rows } = await db.query<{ type: string; attempt: number; data: Record<string, unknown> }>(
      'SELECT type, attempt, data FROM build_event ORDER BY id DESC LIMIT 1',
    );
    expect(rows[0]).toMatchObject({
      type: 'RETRY',
      attempt: 1,
      data: { from: 'INSTALL', to: 'QUEUED', event: 'FAULT', status: 'FAULT', cause: 'FAULT', rule: 'AUTO_RETRY' },
    });
    expect(await builds.expireQueued(new Date())).toEqual([]);
    expect(await builds.expireQueued(new Date(Date.now() + 6 * 60_000))).toEqual([made.id]);
  });

  it('is retried of the commit that it found, and shown as it was asked for', async () => {
    const made = await start({ autoRetryLimit: 1, sourceVersion: 'main' });
    const lease = await claim();
    await builds.setResolvedSource(lease, 'c0ffee');
    await fail(lease, 1);
    const again = await builds.claimNext({ workerId: asWorkerId('host-2'), leaseMs: LEASE_MS });
    expect(again!.build.settings.sourceVersion).toBe('c0ffee');
    expect((await builds.get(made.id)).settings.sourceVersion).toBe('main');
  });

  it.each<[string, Partial<ProjectSettings>, number, number]>([
    ['no limit', {}, 75, 1],
    ['a limit of 2', { autoRetryLimit: 2 }, 1, 3],
    ['its exit status listed', { autoRetryLimit: 2, retryPolicy: { causes: ['FAILED'], exitCodes: [75] } }, 75, 3],
    ['another listed', { autoRetryLimit: 2, retryPolicy: { causes: ['FAILED'], exitCodes: [74] } }, 75, 1],
    ['other causes', { autoRetryLimit: 2, retryPolicy: { causes: ['WORKER_LOST', 'FAULT'] } }, 75, 1],
  ])('with %s', async (_, settings, exitCode, attempts) => {
    const { id } = await start(settings);
    let state: BuildState;
    let count = 0;
    do {
      state = await fail(await claim(), exitCode);
      count += 1;
    } while (state.phase === 'QUEUED');
    expect([count, state.status]).toEqual([attempts, 'FAILED']);
    expect((await builds.get(id)).attempts).toHaveLength(attempts);
  });

  it('counts the failure that came first, and one under CONTINUE not at all', async () => {
    await start({ autoRetryLimit: 1, retryPolicy: { causes: ['FAILED'], exitCodes: [75] } });
    const lease = await claim();
    await intoInstall(lease);
    await builds.apply(lease, 'FAIL_CONTINUE', [failure(1)], new Date()); // INSTALL
    await builds.apply(lease, 'SUCCEED', [], new Date());
    await builds.apply(lease, 'FAIL', [failure(75)], new Date()); // BUILD
    await builds.apply(lease, 'FAIL', [failure(2)], new Date()); // POST_BUILD
    await builds.apply(lease, 'SUCCEED', [], new Date());
    expect(await builds.apply(lease, 'SUCCEED', [], new Date())).toEqual(QUEUED);
  });

  it('is retried as often as its buildspec asks after what failed, whichever phase asks', async () => {
    const { id } = await start();
    let state = QUEUED;
    while (state.phase === 'QUEUED') {
      const lease = await claim();
      await intoInstall(lease);
      await builds.apply(lease, 'SUCCEED', [], new Date()); // INSTALL
      await builds.apply(lease, 'SUCCEED', [], new Date());
      await builds.apply(lease, 'FAIL', [failure(1)], new Date()); // BUILD
      await builds.apply(lease, 'FAIL', [{ ...failure(2), retryLimit: 2 }], new Date()); // POST_BUILD
      await builds.apply(lease, 'SUCCEED', [], new Date());
      state = await builds.apply(lease, 'SUCCEED', [], new Date());
    }
    const { attempts } = await builds.get(id);
    expect(attempts.map(({ status, retriedAs, context }) => [status, retriedAs, context?.exitCode])).toEqual([
      ['FAILED', 'ON_FAILURE', 1],
      ['FAILED', 'ON_FAILURE', 1],
      ['FAILED', null, 1],
    ]);
  });

  it('whose worker is lost behind a failure is not one that the buildspec asks for', async () => {
    await start();
    const lease = await claim();
    await intoInstall(lease);
    await builds.apply(lease, 'FAIL', [{ ...failure(1), retryLimit: 3 }], new Date());
    await lose(lease);
    expect(await builds.get(lease.buildId)).toMatchObject({ status: 'FAULT', attempt: 1 });
  });

  it('is not retried once somebody wants it stopped', async () => {
    await start({ autoRetryLimit: 5 });
    const lease = await claim();
    await builds.requestStop(lease.buildId, 'ada');
    expect(await fail(lease, 1)).toMatchObject({ status: 'FAILED' });
  });

  it('that was stopped or ran out of time ends the build', async () => {
    await start({ autoRetryLimit: 5 });
    expect(await builds.apply(await claim(), 'STOP', [], new Date())).toMatchObject({ status: 'STOPPED' });
    await db.query('TRUNCATE project, build CASCADE');
    await start({ autoRetryLimit: 5 });
    expect(await builds.apply(await claim(), 'TIME_OUT', [], new Date())).toMatchObject({ status: 'TIMED_OUT' });
  });

  it('cannot be retried by a worker of its own accord', async () => {
    await start({ autoRetryLimit: 5 });
    const lease = await claim();
    await expect(builds.apply(lease, 'RETRY', [], new Date())).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
  });
});

describe('while it waits for its next attempt', () => {
  async function waiting(): Promise<Build> {
    const { id } = await start({ autoRetryLimit: 3 });
    const lease = await claim();
    await logOf(lease, 'first');
    await fail(lease, 1);
    return builds.get(id);
  }

  it('a stop ends it at once, with the log and the end of the attempt that there was', async () => {
    const { id } = await waiting();
    const stopped = await builds.requestStop(id, 'ada');
    expect(stopped).toMatchObject({ status: 'STOPPED', attempt: 1, logSeal: { lineCount: 1 } });
    expect(shown(stopped)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED STOPPED', 'COMPLETED -']);
    expect(stopped.attempts.map(({ status }) => status)).toEqual(['FAILED']);
    expect(stopped.attempts[0]!.phases.at(-1)!.phaseType).toBe('COMPLETED');
    expect(await textOf(stopped)).toEqual(['first']);
    expect(await builds.settleLost(new Date(), 0)).toEqual([]);
    expect(await builds.get(id)).toEqual(stopped);
  });

  it('the queue timeout ends it', async () => {
    const { id } = await waiting();
    expect(await builds.expireQueued(new Date(Date.now() + 480 * 60_000))).toEqual([id]);
    expect(await builds.get(id)).toMatchObject({ status: 'TIMED_OUT', attempt: 1 });
  });

  it('and once it goes on, its old worker can write nothing', async () => {
    const { id } = await start({ autoRetryLimit: 3 });
    const old = await claim('host-1');
    await fail(old, 1);
    const refused = async (): Promise<void> => {
      const before = await builds.get(id);
      for (const call of [
        () => builds.renewLease(old, LEASE_MS),
        () => builds.apply(old, 'SUCCEED', [], new Date()),
        () => builds.setHandedOver(old),
        () => builds.giveBack(old, 'x'),
        () => builds.setResolvedSource(old, 'x'),
        () => builds.setImage(old, 'x'),
        () => builds.setExportedVariables(old, []),
        () => logs.append(old, newLogChunk(['x'])),
        () => logs.seal(old, newLogSeal([])),
      ])
        await expect(call()).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect(await builds.get(id)).toEqual(before);
    };
    await refused();
    expect(await builds.isOwned(id, 1)).toBe(false);
    // the same worker takes it again: what its first turn still sends is refused all the same
    await claim('host-1');
    await refused();
    expect(await builds.isOwned(id, 2)).toBe(true);
    expect((await db.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);
  });
});

describe('a lost worker', () => {
  it('before user code costs nothing, and the log of what there was is sealed as cut', async () => {
    const { id } = await start();
    const lease = await claim();
    await logs.append(lease, newLogChunk(['provisioning']));
    await lose(lease);
    const back = await builds.get(id);
    expect(back).toMatchObject({ status: 'IN_PROGRESS', currentPhase: 'QUEUED' });
    expect(back.attempts[0]).toMatchObject({
      status: 'FAULT',
      cause: 'WORKER_LOST',
      retriedAs: 'LOST_START',
      logSeal: { lineCount: 1, cut: true },
    });
    await claim('host-2');
    expect(await logs.read({ buildId: id, attempt: 1, fromSeq: 0, limit: 9 })).toMatchObject({
      lines: [{ text: 'provisioning' }],
      complete: true,
    });
    expect((await builds.get(id)).logSeal).toBeNull();
  });

  it('before user code is made up for so often and no more', async () => {
    const { id } = await start();
    for (let count = 0; count < MAX_LOST_STARTS; count += 1) await lose(await claim());
    expect((await builds.get(id)).status).toBe('IN_PROGRESS');
    await lose(await claim());
    expect(await builds.get(id)).toMatchObject({ status: 'FAULT', attempt: MAX_LOST_STARTS + 1 });
  });

  it.each<[string, Partial<ProjectSettings>, string]>([
    ['ends the build', {}, 'FAULT'],
    ['is retried as the project says', { autoRetryLimit: 1 }, 'IN_PROGRESS'],
    ['is retried when named', { autoRetryLimit: 1, retryPolicy: { causes: ['WORKER_LOST'] } }, 'IN_PROGRESS'],
    ['is not when not named', { autoRetryLimit: 1, retryPolicy: { causes: ['FAILED'] } }, 'FAULT'],
  ])('after user code may have run %s', async (_, settings, status) => {
    const { id } = await start(settings);
    const lease = await claim();
    await builds.apply(lease, 'SUCCEED', [], new Date());
    await builds.setHandedOver(lease); // and the phase is still DOWNLOAD_SOURCE
    await lose(lease);
    expect((await builds.get(id)).status).toBe(status);
  });

  it('of a build that somebody wants stopped ends it STOPPED', async () => {
    const { id } = await start({ autoRetryLimit: 3 });
    const lease = await claim();
    await builds.requestStop(id, 'ada');
    await lose(lease);
    expect((await builds.get(id)).status).toBe('STOPPED');
  });

  it('after it had sealed its log leaves that seal as it is', async () => {
    const { id } = await start();
    const lease = await claim();
    const seal = await logOf(lease, 'all of it');
    await lose(lease);
    expect((await builds.get(id)).attempts[0]!.logSeal).toEqual(seal);
  });

  it('is settled once when two sweeps run at the same time', async () => {
    const { id } = await start();
    const lease = await claim();
    await db.query(`UPDATE build SET lease_until = now() - interval '1 second' WHERE id = $1`, [lease.buildId]);
    const settled = (await Promise.all([builds.settleLost(new Date(), 0), builds.settleLost(new Date(), 0)])).flat();
    expect(settled).toEqual([id]);
    expect((await builds.get(id)).attempts).toHaveLength(1);
  });

  it('of a build that was stopped while it waited after a loss leaves nothing to seal', async () => {
    const { id } = await start();
    const lease = await claim();
    await logs.append(lease, newLogChunk(['half']));
    await db.query(`UPDATE build SET lease_until = now() - interval '1 second'`);
    // as the sweep does it, cut off before it came to the logs
    await lose(lease);
    await db.query('UPDATE build_attempt SET log_sha256 = NULL');
    await db.query('UPDATE build SET log_sha256 = NULL');
    await builds.requestStop(id, 'ada');
    await builds.settleLost(new Date(), 0);
    const ended = await builds.get(id);
    expect(ended.logSeal).toMatchObject({ lineCount: 1, cut: true });
    expect(ended.attempts[0]!.logSeal).toEqual(ended.logSeal);
  });
});

describe('giving back', () => {
  it('puts a build that no user code has seen into the queue, beside every limit but its own', async () => {
    const { id } = await start();
    for (let count = 0; count < MAX_GIVE_BACKS; count += 1)
      expect(await builds.giveBack(await claim(), 'The worker was shut down.')).toEqual(QUEUED);
    const back = await builds.get(id);
    expect(back.attempts.at(-1)).toMatchObject({
      cause: 'WORKER_LOST',
      retriedAs: 'GIVEN_BACK',
      context: { message: 'The worker was shut down.' },
    });
    expect(await builds.giveBack(await claim(), 'again')).toMatchObject({ status: 'FAULT' });
  });

  it('is possible while the source comes, and ends a build that somebody wants stopped', async () => {
    await start();
    const first = await claim();
    await builds.apply(first, 'SUCCEED', [], new Date());
    expect(await builds.giveBack(first, 'x')).toEqual(QUEUED);
    const second = await claim();
    await builds.requestStop(second.buildId, 'ada');
    expect(await builds.giveBack(second, 'x')).toMatchObject({ status: 'STOPPED' });
  });

  it('is refused in a phase that runs commands', async () => {
    await start();
    const lease = await claim();
    await intoInstall(lease);
    await expect(builds.giveBack(lease, 'x')).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
    expect(await builds.isOwned(lease.buildId, 1)).toBe(true);
  });

  it('by a worker that knows better than the row is believed; what was lost counts as lost', async () => {
    const { id } = await start();
    const lease = await claim();
    await builds.apply(lease, 'SUCCEED', [], new Date());
    await builds.setHandedOver(lease); // and then its script could not be handed over
    expect(await builds.giveBack(lease, 'x', true)).toEqual(QUEUED);
    expect((await builds.get(id)).attempts[0]!.retriedAs).toBe('LOST_START');
  });
});

describe('logs by attempt', () => {
  it('refuse one that is not there', async () => {
    const { id } = await start({ autoRetryLimit: 1 });
    await expect(logs.size(id, 1)).rejects.toMatchObject({ code: 'ATTEMPT_NOT_FOUND' });
    await claim();
    await expect(logs.read({ buildId: id, attempt: 2, fromSeq: 0, limit: 1 })).rejects.toMatchObject({
      code: 'ATTEMPT_NOT_FOUND',
      details: { attempt: 2, latest: 1 },
    });
    expect(await logs.size(id, 0)).toEqual({ lineCount: 0, byteCount: 0, seal: null, attempt: 0 });
  });

  it('go with their build when it is deleted', async () => {
    const { id } = await start({ autoRetryLimit: 1 });
    for (const exit of [1, 1]) {
      const lease = await claim();
      await logOf(lease, 'x');
      await fail(lease, exit);
    }
    await builds.delete(id);
    expect((await db.query('SELECT 1 FROM log_chunk UNION SELECT 1 FROM build_attempt')).rowCount).toBe(0);
  });
});
