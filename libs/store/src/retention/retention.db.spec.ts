// Retention on real Postgres: what goes, what stays, and what readers and writers see meanwhile.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { ProjectRetention, RetentionPolicy } from '#core/retention.js';
import { asBuildId, asWorkerId, type BuildId } from '#core/ids.js';
import type { Project } from '#core/project.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChunk, newProjectSettings } from '#testing/factories.js';
import { BatchesStore } from '../batch/batches.store.js';
import { BuildsStore } from '../builds.store.js';
import { Database } from '../database.js';
import { dropPendingPartitions, logPartitions, partitionName } from '../log-partitions.js';
import { LogsStore } from '../logs.store.js';
import { ProjectsStore } from '../projects.store.js';
import { RetentionStore } from './retention.store.js';

jest.setTimeout(120_000);

const NONE: RetentionPolicy = { buildsDays: 0, buildsCount: 0, logsDays: 0, artifactsDays: 0, artifactsCount: 0 };
const DAY_MS = 86_400_000;
const NOW = new Date('2026-06-15T10:00:00.000Z');
const SIGNAL = new AbortController().signal;

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let logs: LogsStore;
let projects: ProjectsStore;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 8 });
  [builds, logs, projects] = [new BuildsStore(db), new LogsStore(db), new ProjectsStore(db)];
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build, worker, log_chunk, doomed_blob, cache_entry, source_upload CASCADE');
  for (const { name } of await logPartitions(db)) await db.query(`DROP TABLE ${name}`);
});

const keep = (policy: Partial<RetentionPolicy>) => new RetentionStore(db, { ...NONE, ...policy });
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS);

async function newProject(name: string, retention?: ProjectRetention): Promise<Project> {
  return projects.create(name, newProjectSettings(retention === undefined ? {} : { retention }));
}

interface Left {
  status?: string;
  log?: string[];
  artifact?: boolean;
}

/** A build that was asked for so many days ago, has ended (unless told otherwise) and left this. */
async function oldBuild(projectName: string, days: number, left: Left = {}): Promise<BuildId> {
  const project = await projects.get(projectName);
  const made = await builds.create({
    project,
    settings: project.settings,
    overrides: {},
    initiator: 'a',
    maxWaiting: 1e6,
  });
  const queuedAt = daysAgo(days).toISOString();
  await db.query(
    "UPDATE build SET queued_at = $2, log_day = ($2::timestamptz AT TIME ZONE 'UTC')::date WHERE id = $1",
    [made.id, queuedAt],
  );
  const { lease } = (await builds.claimNext({ workerId: asWorkerId('w'), leaseMs: 60_000 }))!;
  if (lease.buildId !== made.id) throw new Error('another build was claimed');
  const chunk = newLogChunk(left.log ?? []);
  await logs.append(lease, chunk);
  await logs.seal(lease, { lineCount: chunk.lineCount, byteCount: chunk.bytes.length, sha256: 'ab'.repeat(32) });
  if (left.artifact === true) {
    await builds.addArtifact(lease, {
      ...{ identifier: '', name: 'out', packaging: 'ZIP', fileCount: 1, sizeBytes: 100 },
      ...{ location: `artifacts/${made.id}/1/primary.zip`, createdAt: new Date(queuedAt) },
    });
  }
  const status = left.status ?? 'FAILED';
  await db.query('UPDATE build SET status = $2 WHERE id = $1', [made.id, status]);
  return made.id;
}

async function buildsLeft(): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>('SELECT id FROM build ORDER BY queued_at DESC');
  return rows.map((row) => row.id);
}
async function partitions(): Promise<string[]> {
  return (await logPartitions(db)).map(({ name }) => name);
}
const partitionOf = (days: number) => partitionName(daysAgo(days));
async function chunks(): Promise<number> {
  return (await db.query('SELECT 1 FROM log_chunk')).rowCount ?? 0;
}
async function doomed(): Promise<string[]> {
  return (await db.query<{ location: string }>('SELECT location FROM doomed_blob ORDER BY location')).rows.map(
    (row) => row.location,
  );
}

describe('logs', () => {
  it('go with the partition of their day when nobody keeps one of them, and say so afterwards', async () => {
    await newProject('demo');
    const old = await oldBuild('demo', 31, { log: ['a', 'b'] });
    const young = await oldBuild('demo', 30, { log: ['c'] });
    expect(await keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL)).toMatchObject({
      items: 1,
      partitions: [partitionOf(31)],
    });
    expect(await partitions()).not.toContain(partitionOf(31));
    expect(await partitions()).toContain(partitionOf(30));
    expect((await db.query(`SELECT to_regclass('${partitionOf(31)}') AS there`)).rows).toEqual([{ there: null }]);
    expect(await builds.get(old)).toMatchObject({ logSeal: { lineCount: 2 }, logExpiredAt: expect.any(Date) });
    expect((await logs.read({ buildId: young, fromSeq: 0, limit: 9 })).complete).toBe(true);
    for (const asked of [
      () => logs.read({ buildId: old, fromSeq: 0, limit: 9 }),
      () => logs.size(old),
      () => logs.readRaw({ buildId: old, start: 0, end: 3 }).next(),
    ]) {
      await expect(asked()).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
    }
  });

  it('of projects that keep theirs longer stay in the partition of the day, which goes with the last of them', async () => {
    await newProject('short');
    await newProject('long', { logsDays: 60 });
    const short = await oldBuild('short', 40, { log: ['s'] });
    const long = await oldBuild('long', 40, { log: ['l'] });
    const retention = keep({ logsDays: 30 });
    expect(await retention.expireLogs(NOW, SIGNAL)).toMatchObject({ items: 1, partitions: [] });
    await expect(logs.size(short)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
    expect((await logs.read({ buildId: long, fromSeq: 0, limit: 9 })).lines.map((line) => line.text)).toEqual(['l']);
    expect(await chunks()).toBe(1);
    expect(await retention.expireLogs(NOW, SIGNAL)).toMatchObject({ items: 0, partitions: [] });
    const later = new Date(NOW.getTime() + 21 * DAY_MS);
    expect(await retention.expireLogs(later, SIGNAL)).toMatchObject({ items: 1, partitions: [partitionOf(40)] });
  });

  it('that a project keeps for ever hold their partition, until its policy changes', async () => {
    await newProject('museum', { logsDays: 0, buildsDays: 0 });
    await oldBuild('museum', 400, { log: ['m'] });
    const retention = keep({ logsDays: 30, buildsDays: 300 });
    expect(await retention.expireLogs(NOW, SIGNAL)).toMatchObject({ items: 0, partitions: [] });
    await projects.update('museum', newProjectSettings({ retention: { logsDays: 10 } }));
    expect(await retention.expireLogs(NOW, SIGNAL)).toMatchObject({ items: 1, partitions: [partitionOf(400)] });
  });

  it('of earlier attempts go too, also where the last one wrote nothing', async () => {
    await newProject('demo');
    await newProject('long', { logsDays: 60 });
    const retried = await oldBuild('demo', 40, { log: ['first attempt'] });
    await db.query('UPDATE build SET attempt = 2, log_line_count = 0, log_byte_count = 0 WHERE id = $1', [retried]);
    const long = await oldBuild('long', 40, { log: ['l'] });
    expect(await keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL)).toMatchObject({ items: 1, partitions: [] });
    await expect(logs.read({ buildId: retried, attempt: 1, fromSeq: 0, limit: 9 })).rejects.toMatchObject({
      code: 'LOG_EXPIRED',
    });
    const { rows } = await db.query<{ id: string }>('SELECT build_id AS id FROM log_chunk');
    expect(rows).toEqual([{ id: long }]);
  });

  it('of a build in progress stay, however old its request is', async () => {
    await newProject('demo');
    const running = await oldBuild('demo', 50, { log: ['r'], status: 'IN_PROGRESS' });
    const ended = await oldBuild('demo', 50, { log: ['e'] });
    expect(await keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL)).toMatchObject({ items: 1, partitions: [] });
    expect(await logs.size(running)).toMatchObject({ lineCount: 1 });
    await expect(logs.size(ended)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
  });

  it('that go while they are read are never given as whole', async () => {
    await newProject('demo');
    const old = await oldBuild('demo', 40, { log: ['a', 'b'] });
    const reading = logs.readRaw({ buildId: old, start: 0, end: 3 });
    const page = await logs.read({ buildId: old, fromSeq: 0, limit: 1 });
    expect(page).toMatchObject({ complete: false });
    // between a reader's look at the row and its look at the chunks
    await db.query('TRUNCATE log_chunk');
    expect(await logs.read({ buildId: old, fromSeq: page.nextSeq, limit: 9 })).toMatchObject({
      lines: [],
      complete: false,
    });
    await keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL);
    await expect(reading.next()).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
  });

  it('that go in the middle of a download break it off', async () => {
    await newProject('demo');
    const old = await oldBuild('demo', 40, { log: ['a'] });
    // the row says three bytes more than there are: as when the rest went meanwhile
    const reading = logs.readRaw({ buildId: old, start: 0, end: 4 });
    expect(String((await reading.next()).value)).toBe('a\n');
    await keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL);
    await expect(reading.next()).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
  });

  it('go without making a reader or a writer wait, even while another holds the whole table open', async () => {
    await newProject('demo');
    await oldBuild('demo', 40, { log: ['a'] });
    await oldBuild('demo', 1, { log: ['b'] });
    const dump = await db.pool.connect();
    try {
      await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await dump.query('SELECT count(*) FROM log_chunk'); // as pg_dump: open for as long as it takes
      const dropping = keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const blocked = await db.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%DETACH%' AND pid <> pg_backend_pid() AND state = 'active'`,
      );
      expect(blocked.rowCount).toBe(1);
      // with the detach waiting behind the dump, others go through at once
      const writer = await db.pool.connect();
      try {
        await writer.query(`SET statement_timeout = '2s'`);
        await writer.query('SELECT count(*) FROM log_chunk');
        await writer.query(
          `INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body)
           VALUES (gen_random_uuid(), 1, $1, 0, 1, 0, 1, '', '')`,
          [daysAgo(1).toISOString().slice(0, 10)],
        );
        await writer.query('RESET statement_timeout');
      } finally {
        writer.release();
      }
      await dump.query('COMMIT');
      expect(await dropping).toMatchObject({ partitions: [partitionOf(40)] });
    } finally {
      dump.release();
    }
  });

  it('whose drop was broken off go in the next round; a table that an operator detached stays', async () => {
    await newProject('demo');
    await oldBuild('demo', 40, { log: ['a'] });
    await oldBuild('demo', 41, { log: ['a'] });
    const archive = partitionOf(41);
    await db.query(`ALTER TABLE log_chunk DETACH PARTITION ${archive}`);
    const dump = await db.pool.connect();
    try {
      await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await dump.query('SELECT count(*) FROM log_chunk');
      await expect(keep({ logsDays: 30 }).expireLogs(NOW, SIGNAL)).rejects.toMatchObject({ retryable: true });
      await dump.query('COMMIT');
    } finally {
      dump.release();
    }
    expect(await partitions()).not.toContain(partitionOf(40));
    expect(await dropPendingPartitions(db)).toEqual([partitionOf(40)]);
    expect((await db.query(`SELECT to_regclass('${archive}') IS NOT NULL AS there`)).rows).toEqual([{ there: true }]);
    await db.query(`DROP TABLE ${archive}`);
  });
});

describe('builds', () => {
  it('go by age with all that is theirs; the newest success and builds in progress stay', async () => {
    await newProject('demo');
    const success = await oldBuild('demo', 50, { status: 'SUCCEEDED', log: ['s'], artifact: true });
    await oldBuild('demo', 60, { status: 'SUCCEEDED', log: ['o'], artifact: true });
    await oldBuild('demo', 40, { log: ['f'] });
    const running = await oldBuild('demo', 45, { status: 'IN_PROGRESS' });
    const young = await oldBuild('demo', 30);
    expect(await keep({ buildsDays: 30 }).expireBuilds(NOW, SIGNAL)).toEqual({ items: 2, bytes: 0 });
    expect(await buildsLeft()).toEqual([young, running, success]);
    expect(await doomed()).toHaveLength(1);
    for (const table of ['build_phase', 'build_event', 'build_artifact', 'log_chunk']) {
      const { rows } = await db.query<{ id: string }>(`SELECT DISTINCT build_id AS id FROM ${table}`);
      expect([young, running, success]).toEqual(expect.arrayContaining(rows.map((row) => row.id)));
    }
  });

  it('of a batch take it along when the last of them goes', async () => {
    const demo = await newProject('demo');
    const batches = new BatchesStore(db);
    const request = {
      project: demo,
      settings: demo.settings,
      config: {},
      overrides: {},
      initiator: 'ada',
      maxWaiting: 9,
    };
    const ids = [await batches.write(request), await batches.write(request), await batches.write(request)];
    for (const id of ids.slice(0, 2)) await batches.stop(id, 'ada');
    await db.query(`UPDATE build_batch SET ended_at = $2 WHERE id = $1`, [ids[0], daysAgo(40)]);
    await db.query(`UPDATE build SET queued_at = $2 WHERE batch_id = $1`, [ids[0], daysAgo(40)]);
    expect((await keep({ buildsDays: 30 }).expireBuilds(NOW, SIGNAL)).items).toBe(1);
    await expect(batches.get(ids[0]!)).rejects.toMatchObject({ code: 'BATCH_NOT_FOUND' });
    expect([await batches.get(ids[1]!), await batches.get(ids[2]!)]).toMatchObject([
      { status: 'STOPPED' },
      { status: 'IN_PROGRESS' },
    ]);
  });

  it('go by count, of each project its own', async () => {
    await newProject('few', { buildsCount: 2 });
    await newProject('many');
    for (let days = 1; days <= 4; days++) await oldBuild('few', days);
    for (let days = 1; days <= 4; days++) await oldBuild('many', days);
    expect((await keep({ buildsCount: 3 }).expireBuilds(NOW, SIGNAL)).items).toBe(3);
    const { rows } = await db.query<{ name: string; count: number; oldest: Date }>(
      `SELECT project_name AS name, count(*)::int AS count, min(queued_at) AS oldest FROM build GROUP BY 1 ORDER BY 1`,
    );
    expect(rows).toEqual([
      { name: 'few', count: 2, oldest: daysAgo(2) },
      { name: 'many', count: 3, oldest: daysAgo(3) },
    ]);
  });

  it('of a project that was deleted go by the instance’s age, its newest success too', async () => {
    await newProject('gone', { buildsDays: 0 });
    await oldBuild('gone', 50, { status: 'SUCCEEDED' });
    const young = await oldBuild('gone', 5, { status: 'SUCCEEDED' });
    await projects.delete('gone');
    expect((await keep({ buildsDays: 30 }).expireBuilds(NOW, SIGNAL)).items).toBe(1);
    expect(await buildsLeft()).toEqual([young]);
    expect((await keep({ buildsDays: 3 }).expireBuilds(NOW, SIGNAL)).items).toBe(1);
  });

  it('stay without limits, and when somebody holds them locked', async () => {
    await newProject('demo');
    const id = await oldBuild('demo', 400);
    expect((await keep({}).expireBuilds(NOW, SIGNAL)).items).toBe(0);
    await db.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM build WHERE id = $1 FOR UPDATE', [id]);
      expect((await keep({ buildsDays: 1 }).expireBuilds(NOW, SIGNAL)).items).toBe(0);
    });
    expect((await keep({ buildsDays: 1 }).expireBuilds(NOW, SIGNAL)).items).toBe(1);
  });

  it('by thousands of projects and over several pages of names', async () => {
    await db.query(
      `INSERT INTO build (id, project_name, number, status, current_phase, initiator, settings, overrides, queued_at, queue_deadline, log_day, log_line_count)
       SELECT gen_random_uuid(), 'p' || (n % 1201), n, 'FAILED', 'COMPLETED', 'a', '{}', '{}', $1::timestamptz - n * interval '1 second', $1, '2026-01-01', 0
       FROM generate_series(1, 2402) n`,
      [daysAgo(40).toISOString()],
    );
    expect((await keep({ buildsDays: 30 }).expireBuilds(NOW, SIGNAL)).items).toBe(2402);
    expect(await buildsLeft()).toEqual([]);
  });
});

describe('artifacts', () => {
  it('go by age, their rows stay and say so, their bytes are doomed in the same transaction', async () => {
    await newProject('demo');
    const old = await oldBuild('demo', 31, { artifact: true });
    const success = await oldBuild('demo', 40, { artifact: true, status: 'SUCCEEDED' });
    const young = await oldBuild('demo', 30, { artifact: true });
    expect(await keep({ artifactsDays: 30 }).expireArtifacts(NOW, SIGNAL)).toEqual({ items: 1, bytes: 100 });
    expect((await builds.artifacts(old))[0]).toMatchObject({ name: 'out', expiredAt: expect.any(Date) });
    for (const id of [success, young]) expect((await builds.artifacts(id))[0]).not.toHaveProperty('expiredAt');
    expect(await doomed()).toEqual([`artifacts/${old}/1/primary.zip`]);
    expect(await keep({ artifactsDays: 30 }).expireArtifacts(NOW, SIGNAL)).toEqual({ items: 0, bytes: 0 });
  });

  it('go by count, which counts builds that have some', async () => {
    await newProject('demo', { artifactsCount: 2 });
    const ids: BuildId[] = [];
    for (let days = 1; days <= 4; days++) {
      await oldBuild('demo', days);
      ids.push(await oldBuild('demo', days, { artifact: true }));
    }
    expect((await keep({}).expireArtifacts(NOW, SIGNAL)).items).toBe(2);
    const kept = await Promise.all(ids.map(async (id) => (await builds.artifacts(id))[0]!.expiredAt === undefined));
    expect(kept).toEqual([true, true, false, false]);
  });
});

describe('the lock of a round', () => {
  it('gives it to one process at a time, and lets go with its work', async () => {
    const retention = keep({});
    const seen: boolean[] = [];
    expect(await retention.inRound(async () => void seen.push(await keep({}).inRound(async () => undefined)))).toBe(
      true,
    );
    expect(seen).toEqual([false]);
    await expect(retention.inRound(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await retention.inRound(async () => undefined)).toBe(true);
  });
});

describe('objects without a row', () => {
  it('are told from those that have one, or may still get one', async () => {
    await newProject('demo');
    const ended = await oldBuild('demo', 1, { artifact: true });
    const running = await oldBuild('demo', 1, { status: 'IN_PROGRESS' });
    const gone = asBuildId(randomUUID());
    const project = (await projects.get('demo')).id;
    await db.query(
      `INSERT INTO cache_entry (id, project_id, space, key, version, size_bytes, sha256, location) VALUES (gen_random_uuid(), $1, 'own', 'k', 'v', 1, '', $2)`,
      [project, `caches/${project}/a.tar.gz`],
    );
    const orphans = [`artifacts/${ended}/1/other.zip`, `artifacts/${gone}/1/primary.zip`, `caches/${project}/b.tar.gz`];
    const keys = [
      ...orphans,
      `artifacts/${ended}/1/primary.zip`,
      `artifacts/${running}/1/primary.zip`,
      `caches/${project}/a.tar.gz`,
      'artifacts/not-ours/1',
      'somebody/else',
    ];
    expect((await keep({}).withoutRow(keys)).sort()).toEqual([...orphans].sort());
  });
});
