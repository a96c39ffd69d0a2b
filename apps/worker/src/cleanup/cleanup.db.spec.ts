// The cleanup of what all hosts share, on real Postgres and a real folder of blobs: quotas, rows, doomed bytes, orphans, and its rounds.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import type { ProjectId } from '#core/ids.js';
import { createLogger } from '#observe/logger.js';
import { Metrics } from '#observe/metrics.js';
import { CacheEntriesStore } from '#store/cache-entries.store.js';
import { Database } from '#store/database.js';
import { DoomedBlobsStore } from '#store/doomed-blobs.store.js';
import { LogsStore } from '#store/logs.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { RetentionStore } from '#store/retention/retention.store.js';
import { StorageUseStore } from '#store/storage-use.store.js';
import { TokensStore } from '#store/tokens.store.js';
import { UploadsStore } from '#store/uploads.store.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChain, newProjectSettings } from '#testing/factories.js';
import { newOldBuild } from '#testing/old-builds.js';
import { BlobCache } from '../ports/blob-cache.js';
import { BlobSweep, ORPHANS_EVERY_MS } from './blob-sweep.js';
import { Cleanup, type CleanupPart } from './cleanup.js';
import { CleanupMetrics } from './cleanup-metrics.js';

jest.setTimeout(60_000);

const KEEP = { buildsDays: 0, buildsCount: 0, logsDays: 0, artifactsDays: 0, artifactsCount: 0 };
const SIGNAL = new AbortController().signal;
const SILENT = createLogger({ level: 'silent', name: 'test' });

let test: TestDatabase;
let db: Database;
let root: string;
let blobs: DiskBlobs;
let entries: CacheEntriesStore;
let doomed: DoomedBlobsStore;
let retention: RetentionStore;
let sweep: BlobSweep;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 6 });
  root = await mkdtemp(join(tmpdir(), 'cleanup-'));
  blobs = new DiskBlobs({ root });
  entries = new CacheEntriesStore(db);
  doomed = new DoomedBlobsStore(db);
  retention = new RetentionStore(db, KEEP);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  await db.query(
    'TRUNCATE project, build, worker, doomed_blob, cache_entry, source_upload, api_token, storage_use CASCADE',
  );
  for (const room of ['artifacts/', 'caches/']) await blobs.deletePrefix(room);
  sweep = new BlobSweep({ blobs, doomed, retention, logger: SILENT });
});

async function newProject(name: string): Promise<ProjectId> {
  return (await new ProjectsStore(db).create(name, newProjectSettings())).id;
}
async function newCache(projectId: ProjectId, key: string, sizeBytes: number, usedDaysAgo: number): Promise<string> {
  const location = `caches/${projectId}/${key}.tar.gz`;
  await blobs.put(location, Readable.from([Buffer.alloc(sizeBytes)]));
  await addEntry(projectId, key, sizeBytes, location);
  await db.query(`UPDATE cache_entry SET last_used_at = now() - $2 * interval '1 day' WHERE location = $1`, [
    location,
    usedDaysAgo,
  ]);
  return location;
}
async function addEntry(projectId: ProjectId, key: string, sizeBytes: number, location: string): Promise<void> {
  const entry = { projectId, space: projectId, scope: '', key, version: 'v', sizeBytes, sha256: '', location };
  expect(await entries.add({ ...entry, sourceFolder: null }, new Date())).toBe('saved');
}
async function cachesLeft(): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>('SELECT key FROM cache_entry ORDER BY key');
  return rows.map((row) => row.key);
}
const exists = async (key: string) => (await blobs.stat(key)) !== null;
/** The grace of what is doomed has passed. */
const later = () => db.query(`UPDATE doomed_blob SET due_at = now() - interval '1 second'`);

describe('caches', () => {
  it.each([
    ['of a project over its quota', { projectBytes: 100, bytes: 0, days: 0 }, ['a1', 'a2', 'b4']],
    ['of all over theirs', { projectBytes: 0, bytes: 150, days: 0 }, ['a1', 'a2']],
    ['of all over theirs, after what a project had too much', { projectBytes: 60, bytes: 120, days: 0 }, ['a1', 'b4']],
    ['that nobody used for long', { projectBytes: 0, bytes: 0, days: 3 }, ['a1', 'a2']],
    ['larger than the quota alone', { projectBytes: 30, bytes: 0, days: 0 }, []],
    ['not one without budgets', { projectBytes: 0, bytes: 0, days: 0 }, ['a1', 'a2', 'a9', 'b4']],
  ])('%s: they go, least recently used first', async (_, budgets, left) => {
    const [a, b] = [await newProject('a'), await newProject('b')];
    for (const days of [1, 2, 9]) await newCache(a, `a${days}`, 50, days);
    await newCache(b, 'b4', 60, 4);
    expect((await retention.evictCaches(budgets)).items).toBe(4 - left.length);
    expect(await cachesLeft()).toEqual(left);
  });

  it('that is restored while it is evicted is restored whole', async () => {
    const id = await newProject('a');
    const cache = new BlobCache({
      ...{ blobs, entries, scope: null, since: new Date(), quotaBytes: 0, evict: async () => undefined },
      project: { id, cache: { type: 'S3' } },
    });
    await cache.save({
      sourceFolder: 'src1/src',
      key: 'k',
      version: 'v',
      replace: false,
      packed: { codec: 'gzip', workspaceOnly: false, bytes: Readable.from([Buffer.alloc(300_000, 7)]) },
      signal: SIGNAL,
    });
    await db.query(`UPDATE cache_entry SET last_used_at = now() - interval '40 days'`);
    const restored = await cache.restore({ key: 'k', fallbackPrefixes: [], version: 'v', signal: SIGNAL });
    // it was just used: the same round leaves it
    expect((await retention.evictCaches({ projectBytes: 0, bytes: 0, days: 30 })).items).toBe(0);
    expect((await retention.evictCaches({ projectBytes: 1, bytes: 0, days: 0 })).items).toBe(1);
    await sweep.deleteDoomed(new Date(), SIGNAL); // within the grace
    expect((await buffer(restored!.packed.bytes)).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(await cache.restore({ key: 'k', fallbackPrefixes: [], version: 'v', signal: SIGNAL })).toBeNull();
  });

  it('that is used between the look and the deletion stays', async () => {
    const id = await newProject('a');
    await newCache(id, 'k', 50, 40);
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('UPDATE cache_entry SET last_used_at = now()'); // a restore, not committed yet
      const evicting = retention.evictCaches({ projectBytes: 0, bytes: 0, days: 30 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await holder.query('COMMIT');
      expect((await evicting).items).toBe(0);
    } finally {
      holder.release();
    }
    expect(await cachesLeft()).toEqual(['k']);
  });
});

describe('uploads', () => {
  async function newUpload(usedDaysAgo: number): Promise<string> {
    const id = randomUUID();
    await new UploadsStore(db).add({ id, format: 'zip', sizeBytes: 10, sha256: '', location: `uploads/${id}` });
    await db.query(`UPDATE source_upload SET last_used_at = now() - $2 * interval '1 day' WHERE id = $1`, [
      id,
      usedDaysAgo,
    ]);
    return id;
  }

  it('go when they are old and no project names them; a fetch counts as use', async () => {
    const [old, named, second, fetched, young] = await Promise.all([40, 40, 40, 40, 20].map(newUpload));
    const projects = new ProjectsStore(db);
    await projects.create('one', newProjectSettings({ source: { type: 'ARCHIVE', location: `upload:${named}` } }));
    await projects.create(
      'two',
      newProjectSettings({
        secondarySources: [{ type: 'ARCHIVE', location: `upload:${second}`, sourceIdentifier: 's' }],
      }),
    );
    await new UploadsStore(db).get(fetched!);
    expect(await retention.expireUploads(0)).toEqual({ items: 0, bytes: 0 });
    expect(await retention.expireUploads(30)).toEqual({ items: 1, bytes: 10 });
    await expect(new UploadsStore(db).get(old!)).rejects.toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
    for (const id of [named, second, fetched, young]) await new UploadsStore(db).get(id!);
    expect((await db.query('SELECT location FROM doomed_blob')).rows).toEqual([{ location: `uploads/${old}` }]);
  });
});

describe('rows', () => {
  it('of workers and tokens go when they are of no more use', async () => {
    await db.query(
      `INSERT INTO worker (id, hostname, version, slots, state, started_at, seen_at) VALUES
       ('old', 'h', '1', 1, 'ACTIVE', now(), now() - interval '2 days'), ('new', 'h', '1', 1, 'ACTIVE', now(), now())`,
    );
    const tokens = new TokensStore(db);
    const names = ['valid', 'revoked', 'expired', 'revoked today'];
    for (const name of names) await tokens.create(name);
    await db.query(`UPDATE api_token SET revoked_at = now() - interval '40 days' WHERE name = 'revoked'`);
    await db.query(`UPDATE api_token SET expires_at = now() - interval '40 days' WHERE name = 'expired'`);
    await db.query(
      `UPDATE api_token SET revoked_at = now(), expires_at = now() + interval '1 day' WHERE name = 'revoked today'`,
    );
    expect([(await retention.forgetWorkers()).items, (await retention.forgetTokens()).items]).toEqual([1, 2]);
    const { rows } = await db.query<{ name: string }>('SELECT name FROM api_token ORDER BY name');
    expect(rows.map((row) => row.name)).toEqual(['revoked today', 'valid']);
  });
});

describe('bytes', () => {
  it('that are doomed go after their grace, keys and prefixes; nothing else does', async () => {
    for (const key of ['artifacts/a/1/primary.zip', 'artifacts/b/1/web/x', 'artifacts/b/1/web/y/z', 'artifacts/c'])
      await blobs.put(key, Readable.from(['x']));
    await doomed.doom(['artifacts/a/1/primary.zip', 'artifacts/b/1/web/', 'artifacts/gone'], 60_000);
    expect((await sweep.deleteDoomed(new Date(), SIGNAL)).items).toBe(0);
    await later();
    expect((await sweep.deleteDoomed(new Date(), SIGNAL)).items).toBe(3);
    const keys: string[] = [];
    for await (const { key } of blobs.list('artifacts/')) keys.push(key);
    expect(keys).toEqual(['artifacts/c']);
    expect(await doomed.due(10)).toEqual([]);
    await blobs.delete('artifacts/c');
  });

  it('that the blob store does not delete are tried again, and keep no others from going', async () => {
    const failing = {
      delete: (key: string) => (key === 'a' ? Promise.reject(new Error('away')) : blobs.delete(key)),
      deletePrefix: (prefix: string) => blobs.deletePrefix(prefix),
      list: (prefix: string) => blobs.list(prefix),
    };
    await doomed.doom(['a', 'b'], -1_000);
    const other = new BlobSweep({ blobs: failing, doomed, retention, logger: SILENT });
    expect((await other.deleteDoomed(new Date(), SIGNAL)).items).toBe(1);
    await later();
    expect((await sweep.deleteDoomed(new Date(), SIGNAL)).items).toBe(1);
  });

  it('being downloaded are given to the end, while and after they are deleted', async () => {
    const body = Buffer.alloc(2_000_000, 5);
    await blobs.put('artifacts/a/1/primary.zip', Readable.from([body]));
    const download = await blobs.get('artifacts/a/1/primary.zip');
    await doomed.doom(['artifacts/a/1/primary.zip'], -1_000);
    const reading = buffer(download);
    await sweep.deleteDoomed(new Date(), SIGNAL);
    expect((await reading).equals(body)).toBe(true);
  });

  it('without a row go at the second look, and stay when a row has come meanwhile', async () => {
    const id = await newProject('a');
    const late = `caches/${id}/late.tar.gz`;
    const orphan = `caches/${id}/orphan.tar.gz`;
    const known = await newCache(id, 'known', 5, 0);
    for (const key of [late, orphan, 'caches/notes.txt']) await blobs.put(key, Readable.from(['x']));
    const now = new Date();
    expect(await sweep.findOrphans(now, SIGNAL)).toMatchObject({ items: 2, bytes: 2 });
    expect((await sweep.findOrphans(now, SIGNAL)).items).toBe(0); // not at each round
    expect((await sweep.deleteDoomed(now, SIGNAL)).items).toBe(0);
    await addEntry(id, 'late', 1, late);
    await later();
    expect((await sweep.deleteDoomed(now, SIGNAL)).items).toBe(1);
    expect(await Promise.all([late, orphan, known, 'caches/notes.txt'].map(exists))).toEqual([true, false, true, true]);
    const again = await sweep.findOrphans(new Date(now.getTime() + ORPHANS_EVERY_MS), SIGNAL);
    expect(again.items).toBe(0);
  });
});

describe('archived logs', () => {
  it('stay, and what a death left of an archiving goes at the second look', async () => {
    await newProject('demo');
    const now = new Date();
    const queuedAt = new Date(now.getTime() - 9 * 86_400_000);
    const id = await newOldBuild(db, { project: 'demo', queuedAt, attempts: [newLogChain('line', [3])] });
    const archiving = new RetentionStore(db, KEEP, { blobs, afterDays: 7 });
    expect(await archiving.archiveLogs(now, SIGNAL)).toMatchObject({ items: 1, failure: null });
    const orphan = `logs/${id}/1-000000000000`;
    await blobs.put(orphan, Readable.from(['half of it']));
    expect((await sweep.findOrphans(now, SIGNAL)).items).toBe(1);
    await later();
    expect((await sweep.deleteDoomed(now, SIGNAL)).items).toBe(1);
    expect(await exists(orphan)).toBe(false);
    const logs = new LogsStore(db, { archive: blobs });
    expect((await logs.read({ buildId: id, fromSeq: 0, limit: 9 })).lines).toHaveLength(3);
    // it expires with its age, and its bytes go after their grace
    const expiring = new RetentionStore(db, { ...KEEP, logsDays: 5 });
    expect((await expiring.expireLogs(now, SIGNAL)).items).toBe(1);
    expect((await sweep.deleteDoomed(now, SIGNAL)).items).toBe(0);
    await later();
    expect((await sweep.deleteDoomed(now, SIGNAL)).items).toBe(1);
    for await (const { key } of blobs.list('logs/')) throw new Error(`${key} is left`);
  });
});

describe('a round', () => {
  const nothing = { items: 0, bytes: 0 };
  function newCleanup(shared: CleanupPart[], host: CleanupPart[] = []): { cleanup: Cleanup; metrics: Metrics } {
    const metrics = new Metrics();
    const storage = new StorageUseStore(db);
    const cleanup = new Cleanup({
      ...{ retention, storage, shared, host, hostId: 'host-1', budgets: { caches: 10 }, logger: SILENT },
      metrics: new CleanupMetrics(metrics),
    });
    return { cleanup, metrics };
  }

  it('does every part although one fails, measures what is left, and tells metrics', async () => {
    const ran: string[] = [];
    const part = (name: string, run: CleanupPart['run']): CleanupPart => ({
      name,
      run: (now, signal) => {
        ran.push(name);
        return run(now, signal);
      },
    });
    await newCache(await newProject('a'), 'k', 50, 0);
    const { cleanup, metrics } = newCleanup(
      [
        part('bad', () => Promise.reject(new Error('no'))),
        part('half', async () => ({ items: 3, bytes: 9, failure: new Error('not all') })),
        part('good', async () => ({ items: 2, bytes: 30 })),
      ],
      [part('mirrors', async () => ({ ...nothing, use: { items: 1, usedBytes: 7, budgetBytes: 5 } }))],
    );
    await cleanup.round();
    expect(ran).toEqual(['mirrors', 'bad', 'half', 'good']);
    const text = await metrics.text();
    expect(text).toContain('kilnyard_cleanup_failures_total{part="bad"} 1');
    expect(text).toContain('kilnyard_cleanup_removed_bytes_total{part="good"} 30');
    expect(text).toContain('kilnyard_cleanup_removed_total{part="half"} 3');
    expect(text).toContain('kilnyard_cleanup_failures_total{part="half"} 1');
    expect(text).toContain('kilnyard_storage_used_bytes{part="caches"} 50');
    expect(text).toContain('kilnyard_storage_budget_bytes{part="mirrors"} 5');
    const use = await new StorageUseStore(db).list();
    expect(use.map(({ part: name, host, usedBytes, budgetBytes }) => [name, host, usedBytes, budgetBytes])).toEqual(
      expect.arrayContaining([
        ['caches', '', 50, 10],
        ['mirrors', 'host-1', 7, 5],
      ]),
    );
  });

  it('of what all share is one process’s at a time; another does its host alone', async () => {
    const ran: string[] = [];
    const second = newCleanup(
      [{ name: 'shared', run: async () => (ran.push('shared'), nothing) }],
      [{ name: 'host', run: async () => (ran.push('host'), nothing) }],
    );
    const first = newCleanup([{ name: 'slow', run: async () => (await second.cleanup.round(), nothing) }]);
    await first.cleanup.round();
    expect(ran).toEqual(['host']);
    await second.cleanup.round();
    expect(ran).toEqual(['host', 'host', 'shared']);
  });

  it('is broken off by a stop, which waits for it', async () => {
    let ended = false;
    const { cleanup } = newCleanup([
      {
        name: 'long',
        run: (_now, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => setTimeout(() => ((ended = true), reject(signal.reason)), 20));
          }),
      },
      { name: 'next', run: () => Promise.reject(new Error('must not run')) },
    ]);
    cleanup.start(1_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await cleanup.stop();
    expect(ended).toBe(true);
  });
});
