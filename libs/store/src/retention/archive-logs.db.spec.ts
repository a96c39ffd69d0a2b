// Archiving on real Postgres, on a disk and on a real S3 server: what is moved, what readers see meanwhile and afterwards, and that a death
// at any point loses nothing.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Blobs } from '#blobs/blobs.js';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import { S3Blobs } from '#blobs/s3-blobs.js';
import { Fault } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { LogChunk } from '#core/log-line.js';
import type { ProjectRetention, RetentionPolicy } from '#core/retention.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChain, newProjectSettings } from '#testing/factories.js';
import { newOldBuild } from '#testing/old-builds.js';
import { testS3Place } from '#testing/s3-place.js';
import { BuildsStore } from '../builds.store.js';
import { Database, type Queryable } from '../database.js';
import { logPartitions, partitionName } from '../log-partitions.js';
import { LogsStore } from '../logs.store.js';
import { ProjectsStore } from '../projects.store.js';
import { StorageUseStore } from '../storage-use.store.js';
import { RetentionStore } from './retention.store.js';

jest.setTimeout(180_000);

const NONE: RetentionPolicy = { buildsDays: 0, buildsCount: 0, logsDays: 0, artifactsDays: 0, artifactsCount: 0 };
const DAY_MS = 86_400_000;
const NOW = new Date('2026-06-15T10:00:00.000Z');
const SIGNAL = new AbortController().signal;

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let root: string;
let blobs: Blobs;
let logs: LogsStore;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 8 });
  builds = new BuildsStore(db);
  root = await mkdtemp(join(tmpdir(), 'archive-'));
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
  await rm(root, { recursive: true, force: true });
});

async function empty(): Promise<void> {
  await db.query('TRUNCATE project, build, worker, log_chunk, doomed_blob CASCADE');
  for (const { name } of await logPartitions(db)) await db.query(`DROP TABLE ${name}`);
}

const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS);
const later = (days: number) => daysAgo(-days);
const partitionOf = (days: number) => partitionName(daysAgo(days));
const keeping = (policy: Partial<RetentionPolicy>, afterDays: number, over: { db?: Database; blobs?: Blobs } = {}) =>
  new RetentionStore(over.db ?? db, { ...NONE, ...policy }, { blobs: over.blobs ?? blobs, afterDays });

async function newProject(name: string, retention?: ProjectRetention): Promise<void> {
  await new ProjectsStore(db).create(name, newProjectSettings(retention === undefined ? {} : { retention }));
}
const old = (project: string, days: number, ...attempts: LogChunk[][]): Promise<BuildId> =>
  newOldBuild(db, { project, queuedAt: daysAgo(days), attempts });

async function round(retention: RetentionStore, now = NOW): Promise<{ archived: number; dropped: string[] }> {
  const archived = await retention.archiveLogs(now, SIGNAL);
  if (archived.failure instanceof Error) throw archived.failure;
  expect(archived.failure).toBeNull();
  const { partitions } = await retention.expireLogs(now, SIGNAL);
  return { archived: archived.items, dropped: partitions };
}

async function partitions(): Promise<string[]> {
  return (await logPartitions(db)).map(({ name }) => name);
}
async function chunkCount(): Promise<number> {
  return (await db.query('SELECT 1 FROM log_chunk')).rowCount ?? 0;
}
async function objects(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list('logs/')) keys.push(key);
  return keys;
}
async function rows(): Promise<string[]> {
  const found = await db.query<{ location: string }>('SELECT location FROM log_archive ORDER BY location');
  return found.rows.map(({ location }) => location);
}
async function doomed(): Promise<string[]> {
  const found = await db.query<{ location: string }>('SELECT location FROM doomed_blob ORDER BY location');
  return found.rows.map(({ location }) => location);
}

/** All that a reader can get of a build's logs, by every way there is, as one text. */
async function readingOf(id: BuildId): Promise<string> {
  const got: unknown[] = [];
  const { attempt: latest } = await builds.get(id);
  for (let attempt = 1; attempt <= latest; attempt += 1) {
    const size = await logs.size(id, attempt);
    got.push(size);
    const middle = Math.floor(size.lineCount / 2);
    for (const fromSeq of [0, 1, middle, size.lineCount - 3, size.lineCount, size.lineCount + 5]) {
      if (fromSeq < 0) continue;
      for (const limit of [1, 10, 10_000]) got.push(await logs.read({ buildId: id, attempt, fromSeq, limit }));
      const place = await logs.place(id, attempt);
      for (const limit of [1, 2, 16])
        got.push((await logs.chunks(place, fromSeq, limit)).map((chunk) => ({ ...chunk, bytes: `${chunk.bytes}` })));
    }
    for (const [start, end] of [
      ...[[0, size.byteCount - 1], [0, 0], [middle, middle + 20], [size.byteCount - 7, size.byteCount + 9]], // prettier-ignore
    ] as [number, number][]) {
      const parts: Buffer[] = [];
      for await (const part of logs.readRaw({ buildId: id, attempt, start: Math.max(0, start), end })) parts.push(part);
      got.push(Buffer.concat(parts).toString('latin1'));
    }
  }
  return JSON.stringify(got);
}

const PLACES = [
  { name: 'a disk', open: (): Blobs => new DiskBlobs({ root: join(root, String(Math.random())) }) },
  { name: 'an S3 server', open: (): Blobs => new S3Blobs({ place: testS3Place() }) },
];

describe.each(PLACES)('on $name', ({ open }) => {
  beforeEach(async () => {
    await empty();
    blobs = open();
    logs = new LogsStore(db, { archive: blobs });
  });
  afterEach(() => blobs.close());

  it('logs of days that are old enough are moved, their partitions go, and no reader sees a difference', async () => {
    await newProject('demo');
    const many = await old('demo', 9, newLogChain('many', [3, 40, 1, 2_500, 7]));
    const wide = await old('demo', 9, newLogChain('wide', [900, 900, 900, 30], 400));
    const retried = await old('demo', 8, newLogChain('first', [5, 6]), [], newLogChain('third', [2]));
    const silent = await old('demo', 8, []);
    const young = await old('demo', 7, newLogChain('young', [4]));
    const ids = [many, wide, retried, silent, young];
    const before = await Promise.all(ids.map(readingOf));

    expect(await round(keeping({}, 7))).toEqual({ archived: 3, dropped: [partitionOf(9), partitionOf(8)] });

    expect(await Promise.all(ids.map(readingOf))).toEqual(before);
    expect(await partitions()).toEqual([partitionOf(7)]);
    expect(await Promise.all(ids.map(async (id) => (await builds.get(id)).logArchived))).toEqual([
      ...[true, true, true, false, false],
    ]);
    expect(await objects()).toEqual(await rows());
    expect((await objects()).map((key) => key.replace(/-[0-9a-f]{12}$/, ''))).toEqual(
      [`logs/${many}/1`, `logs/${wide}/1`, `logs/${retried}/1`, `logs/${retried}/3`].sort(),
    );
    expect(await doomed()).toEqual([]);
    const use = (await new StorageUseStore(db).measureShared()).find(({ part }) => part === 'archive');
    let stored = 0;
    for await (const { sizeBytes } of blobs.list('logs/')) stored += sizeBytes;
    expect(use).toEqual({ part: 'archive', items: 4, usedBytes: stored });
    expect(await round(keeping({}, 7))).toEqual({ archived: 0, dropped: [] });
  });

  it('a reader who has begun goes on in the archive where it was in the database', async () => {
    await newProject('demo');
    const id = await old('demo', 9, newLogChain('line', [200, 200, 200, 200], 100));
    const { byteCount, lineCount } = await logs.size(id);
    const reading = logs.readRaw({ buildId: id, start: 0, end: byteCount - 1 });
    const place = await logs.place(id, 1);
    const parts = [(await reading.next()).value as Buffer];
    const page = await logs.read({ buildId: id, fromSeq: 0, limit: 150 });
    const all = await logs.read({ buildId: id, fromSeq: 0, limit: 10_000 });

    expect((await round(keeping({}, 7))).dropped).toEqual([partitionOf(9)]);

    for await (const part of reading) parts.push(part);
    expect(Buffer.concat(parts)).toHaveLength(byteCount);
    const rest = await logs.read({ buildId: id, fromSeq: page.nextSeq, limit: 10_000 });
    expect([...page.lines, ...rest.lines]).toEqual(all.lines);
    expect(rest).toMatchObject({ complete: true, nextSeq: lineCount });
    expect((await logs.chunks(place, 400, 9)).map(({ firstSeq }) => firstSeq)).toEqual([400, 600]);
  });

  it('an archived log expires and is deleted as any other; its bytes go with it', async () => {
    await newProject('short', { logsDays: 20 });
    await newProject('demo');
    const [short, byCount, byHand, kept] = [
      await old('short', 9, newLogChain('s', [3])),
      await old('demo', 9, newLogChain('c', [3])),
      await old('demo', 9, newLogChain('h', [3]), newLogChain('h', [4])),
      await old('demo', 8, newLogChain('k', [3])),
    ];
    await round(keeping({}, 7));
    const keysOf = async (id: BuildId) => (await objects()).filter((key) => key.includes(id));
    const [ofShort, ofCount, ofHand] = [await keysOf(short), await keysOf(byCount), await keysOf(byHand)];

    expect((await keeping({}, 7).expireLogs(later(12), SIGNAL)).items).toBe(1);
    await expect(logs.read({ buildId: short, fromSeq: 0, limit: 1 })).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
    await expect(logs.readRaw({ buildId: short, start: 0, end: 1 }).next()).rejects.toMatchObject({
      code: 'LOG_EXPIRED',
    });
    expect(await builds.get(short)).toMatchObject({ logArchived: false, logSeal: { lineCount: 3 } });
    expect(await doomed()).toEqual(ofShort);

    expect(await builds.delete(byHand)).toEqual(expect.arrayContaining(ofHand));
    await expect(logs.size(byHand)).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
    await keeping({ buildsCount: 1 }, 7).expireBuilds(NOW, SIGNAL);
    expect(await doomed()).toEqual([...ofShort, ...ofHand, ...ofCount].sort());
    expect((await logs.read({ buildId: kept, fromSeq: 0, limit: 9 })).lines).toHaveLength(3);
  });
});

describe('which logs', () => {
  beforeEach(async () => {
    await empty();
    blobs = new DiskBlobs({ root: join(root, String(Math.random())) });
    logs = new LogsStore(db, { archive: blobs });
  });

  it('none at all when it is off, but those of before are read and expire', async () => {
    await newProject('demo', { logsDays: 30 });
    const archived = await old('demo', 9, newLogChain('a', [3]));
    await round(keeping({}, 7));
    await old('demo', 9, newLogChain('b', [3]));
    expect(await round(keeping({}, 0), later(20))).toEqual({ archived: 0, dropped: [] });
    expect((await logs.size(archived)).lineCount).toBe(3);
    expect(await round(keeping({}, 0), later(22))).toEqual({ archived: 0, dropped: [partitionOf(9)] });
    await expect(logs.size(archived)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
  });

  it('those that would hold back the partition of their day, when most of its text has expired, however young', async () => {
    await newProject('museum', { logsDays: 0 });
    await newProject('short');
    const kept = await old('museum', 31, newLogChain('m', [10]));
    const gone = await old('short', 31, newLogChain('s', [30]));
    const before = await readingOf(kept);
    const retention = keeping({ logsDays: 30 }, 36_500);
    expect(await round(retention, daysAgo(1))).toEqual({ archived: 0, dropped: [] });
    expect(await round(retention)).toEqual({ archived: 1, dropped: [partitionOf(31)] });
    expect(await readingOf(kept)).toBe(before);
    await expect(logs.size(gone)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
  });

  it('not those of a day of which most is kept: a few that expire are no reason to move the others', async () => {
    await newProject('long');
    await newProject('short', { logsDays: 10 });
    await newProject('middle', { logsDays: 20 });
    await old('long', 25, newLogChain('l', [20]));
    await old('short', 25, newLogChain('s', [5]));
    await old('middle', 25, newLogChain('m', [20]));
    const retention = keeping({ logsDays: 60 }, 36_500);
    expect(await round(retention, daysAgo(14))).toEqual({ archived: 0, dropped: [] });
    expect(await chunkCount()).toBe(2);
    // now middle's are due as well, and more than half is dead
    expect(await round(retention, daysAgo(4))).toEqual({ archived: 1, dropped: [partitionOf(25)] });
  });

  it('not those that are due to expire, and those of a deleted project as the instance says', async () => {
    await newProject('short', { logsDays: 5 });
    await newProject('gone');
    const short = await old('short', 9, newLogChain('s', [3]));
    const gone = await old('gone', 9, newLogChain('g', [3]));
    await new ProjectsStore(db).delete('gone');
    expect(await round(keeping({}, 7))).toEqual({ archived: 1, dropped: [partitionOf(9)] });
    await expect(logs.size(short)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
    expect((await logs.size(gone)).lineCount).toBe(3);
  });

  it.each([
    ['runs', { status: 'IN_PROGRESS' }],
    ['is not sealed yet', { sealed: false }],
  ])(
    'not that of a build which %s: it holds the partition, the chunks of the others go by themselves',
    async (_, how) => {
      await newProject('demo');
      const others = [await old('demo', 9, newLogChain('a', [3])), await old('demo', 9, newLogChain('b', [4, 4]))];
      const held = await newOldBuild(db, {
        ...{ project: 'demo', queuedAt: daysAgo(9), attempts: [newLogChain('h', [2])] },
        ...how,
      });
      const before = await Promise.all([...others, held].map(readingOf));
      const retention = keeping({}, 7);
      expect(await round(retention)).toEqual({ archived: 2, dropped: [] });
      expect(await chunkCount()).toBe(1);
      expect(await Promise.all([...others, held].map(readingOf))).toEqual(before);
      await db.query(`UPDATE build SET status = 'FAILED' WHERE id = $1`, [held]);
      if ((await builds.get(held)).logSeal === null) await builds.settleLost(NOW, 0);
      expect(await round(retention)).toEqual({ archived: 1, dropped: [partitionOf(9)] });
    },
  );

  it('not one that is not what its seal says: it is told and stays, the others are moved', async () => {
    await newProject('demo');
    const bad = await old('demo', 9, newLogChain('bad', [3]));
    const good = await old('demo', 9, newLogChain('good', [3]));
    await db.query(`UPDATE log_chunk SET body = 'bad 0\nbad 1\nbad x\n' WHERE build_id = $1`, [bad]);
    const retention = keeping({ logsDays: 30 }, 7);
    const first = await retention.archiveLogs(NOW, SIGNAL);
    expect(first).toMatchObject({ items: 1, failure: { code: 'BLOB_CORRUPT' } });
    expect((await retention.expireLogs(NOW, SIGNAL)).partitions).toEqual([]);
    expect(await rows()).toEqual(await objects());
    expect((await builds.get(good)).logArchived).toBe(true);
    expect((await logs.read({ buildId: bad, fromSeq: 0, limit: 9 })).lines).toHaveLength(3);
    expect(await chunkCount()).toBe(1);
    // its retention takes it in time, and with it the partition
    expect((await retention.expireLogs(later(22), SIGNAL)).partitions).toEqual([partitionOf(9)]);
  });

  it('each once, when two processes are at it', async () => {
    await newProject('demo');
    const ids: BuildId[] = [];
    for (let n = 0; n < 12; n += 1) ids.push(await old('demo', 9, newLogChain(`n${n}`, [n + 1])));
    const before = await Promise.all(ids.map(readingOf));
    const both = await Promise.all([keeping({}, 7), keeping({}, 7)].map((one) => one.archiveLogs(NOW, SIGNAL)));
    expect(both.map(({ failure }) => failure)).toEqual([null, null]);
    expect(both[0]!.items + both[1]!.items).toBe(12);
    const known = await rows();
    expect(known).toHaveLength(12);
    expect((await objects()).filter((key) => !known.includes(key))).toEqual(await doomed());
    await round(keeping({}, 7));
    expect(await Promise.all(ids.map(readingOf))).toEqual(before);
  });
});

describe('trouble', () => {
  beforeEach(async () => {
    await empty();
    blobs = new DiskBlobs({ root: join(root, String(Math.random())) });
    logs = new LogsStore(db, { archive: blobs });
    await newProject('demo');
  });

  /** The blob store, with some of it replaced. */
  const other = (over: Partial<Pick<Blobs, 'put' | 'get'>>): Blobs =>
    Object.assign(Object.create(blobs), over) as Blobs;

  it('of the blob store ends the round, says so, and changes nothing; the next one does it', async () => {
    for (let n = 0; n < 6; n += 1) await old('demo', 9, newLogChain(`n${n}`, [2]));
    let puts = 0;
    const away = other({
      put: async () => {
        puts += 1;
        throw new Fault('STORAGE_UNAVAILABLE', 'away', { retryable: true });
      },
    });
    const { items, failure } = await keeping({}, 7, { blobs: away }).archiveLogs(NOW, SIGNAL);
    expect({ items, failure }).toMatchObject({ items: 0, failure: { code: 'STORAGE_UNAVAILABLE' } });
    expect(puts).toBeLessThan(6);
    expect(await chunkCount()).toBe(6);
    expect(await rows()).toEqual([]);
    expect(await round(keeping({}, 7))).toEqual({ archived: 6, dropped: [partitionOf(9)] });
  });

  it('with an object that comes back otherwise than it was written leaves the log where it was, and the object is doomed', async () => {
    const id = await old('demo', 9, newLogChain('a', [50]));
    const lying = other({
      get: async (key, range) =>
        ((await blobs.get(key, range)) as Readable).map((bytes: Buffer) => bytes.fill('x', 3, 4)),
    });
    const { failure } = await keeping({}, 7, { blobs: lying }).archiveLogs(NOW, SIGNAL);
    expect(failure).toMatchObject({ code: 'BLOB_CORRUPT' });
    expect(await rows()).toEqual([]);
    expect(await objects()).toEqual(await doomed());
    expect((await logs.size(id)).lineCount).toBe(50);
    expect(await chunkCount()).toBe(1);
  });

  it('with the drop of a partition that was emptied is no end of it: the next round drops it', async () => {
    await newProject('museum', { logsDays: 0 });
    await old('museum', 31, newLogChain('m', [3]));
    await old('demo', 31, newLogChain('d', [30]));
    let failing = true;
    const flaky = Object.assign(Object.create(db) as Database, {
      session: async <T>(work: (session: Queryable) => Promise<T>): Promise<T> => {
        if (failing) throw new Fault('DATABASE_UNAVAILABLE', 'away', { retryable: true });
        return db.session(work);
      },
    });
    const retention = keeping({ logsDays: 30 }, 36_500, { db: flaky });
    // the day is looked at before anything of it was moved, and its keepers hold it
    expect((await retention.expireLogs(NOW, SIGNAL)).partitions).toEqual([]);
    expect((await retention.archiveLogs(NOW, SIGNAL)).items).toBe(1);
    await expect(retention.expireLogs(NOW, SIGNAL)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    failing = false;
    expect(await round(retention)).toEqual({ archived: 0, dropped: [partitionOf(31)] });
  });

  it('with a stop ends it in the middle of a log, which stays whole', async () => {
    const id = await old('demo', 9, newLogChain('a', [50]));
    const before = await readingOf(id);
    const stop = new AbortController();
    const stopping = other({
      get: async (key, range) => {
        stop.abort(new Error('the worker stops'));
        return blobs.get(key, range);
      },
    });
    await expect(keeping({}, 7, { blobs: stopping }).archiveLogs(NOW, stop.signal)).rejects.toThrow('the worker stops');
    expect(await readingOf(id)).toBe(before);
    expect(await chunkCount()).toBe(1);
  });

  it('with an archived log whose object is gone is told as what it is', async () => {
    const id = await old('demo', 9, newLogChain('a', [5]));
    await round(keeping({}, 7));
    await blobs.deletePrefix('logs/');
    const read = () => logs.read({ buildId: id, fromSeq: 0, limit: 9 });
    await expect(read()).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
    await expect(logs.readRaw({ buildId: id, start: 0, end: 9 }).next()).rejects.toMatchObject({
      code: 'BLOB_CORRUPT',
    });
    await expect(new LogsStore(db).read({ buildId: id, fromSeq: 0, limit: 9 })).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    await builds.delete(id);
    await expect(read()).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
  });

  it('with a log that is deleted while it is read is told as such', async () => {
    const id = await old('demo', 9, newLogChain('a', [5]));
    await round(keeping({}, 7));
    const deleting = new LogsStore(db, {
      archive: other({
        get: async (key, range) => {
          for (const place of await builds.delete(id).catch(() => [])) await blobs.delete(place);
          return blobs.get(key, range);
        },
      }),
    });
    await expect(deleting.readRaw({ buildId: id, start: 0, end: 9 }).next()).rejects.toMatchObject({
      code: 'BUILD_NOT_FOUND',
    });
  });

  it('that leaves an object without a row: it is found; one with a row is not', async () => {
    const id = await old('demo', 9, newLogChain('a', [5]));
    await round(keeping({}, 7));
    const [known] = await rows();
    const orphan = `logs/${id}/1-000000000000`;
    expect(await keeping({}, 7).withoutRow([known!, orphan, 'logs/notes.txt'])).toEqual([orphan]);
  });
});

/** Dies with the n-th thing that is done for it, when that is done: nothing more gets through, as after a kill -9. */
class Death {
  done = 0;
  constructor(private readonly at: number) {}

  get dead(): boolean {
    return this.done >= this.at;
  }

  step = async <T>(work: () => Promise<T>): Promise<T> => {
    this.check();
    const result = await work();
    this.check();
    this.done += 1;
    this.check();
    return result;
  };

  private check(): void {
    if (this.dead) throw new Error('killed');
  }
}

/** The database as a process sees it that dies: each statement, and the commit, is a step. */
function mortalDatabase(death: Death): Database {
  const mortal = (on: Queryable): Queryable => ({ query: (text, values) => death.step(() => on.query(text, values)) });
  return Object.assign(Object.create(db) as Database, {
    query: (text: string, values?: unknown[]) => death.step(() => db.query(text, values)),
    transaction: <T>(work: (tx: Queryable) => Promise<T>) => death.step(() => db.transaction((tx) => work(mortal(tx)))),
    session: <T>(work: (session: Queryable) => Promise<T>) => death.step(() => db.session((on) => work(mortal(on)))),
  });
}

function mortalBlobs(death: Death): Blobs {
  return Object.assign(Object.create(blobs) as Blobs, {
    put: (...args: Parameters<Blobs['put']>) => death.step(() => blobs.put(...args)),
    get: (...args: Parameters<Blobs['get']>) => death.step(() => blobs.get(...args)),
  });
}

describe('a death', () => {
  it('after any step loses nothing: all is read as before, the next round ends it, and no object is left that nobody finds', async () => {
    for (let at = 1, ended = false; !ended; at += 1) {
      await empty();
      blobs = new DiskBlobs({ root: join(root, `death-${at}`) });
      logs = new LogsStore(db, { archive: blobs });
      await newProject('demo');
      await newProject('short', { logsDays: 8 });
      const kept = [
        await old('demo', 9, newLogChain('one', [20, 3])),
        await old('demo', 9, newLogChain('two', [4]), newLogChain('again', [9, 9, 9])),
        await old('demo', 9, newLogChain('three', [1])),
      ];
      const expired = await old('short', 9, newLogChain('short', [2]));
      const before = await Promise.all(kept.map(readingOf));

      const death = new Death(at);
      const dying = keeping({}, 7, { db: mortalDatabase(death), blobs: mortalBlobs(death) });
      ended = await round(dying).then(
        () => true,
        (error: Error) => {
          if (error.message !== 'killed') throw error;
          return false;
        },
      );
      expect(ended).toBe(!death.dead);
      expect(await Promise.all(kept.map(readingOf))).toEqual(before);

      await round(keeping({}, 7));
      expect(await Promise.all(kept.map(readingOf))).toEqual(before);
      await expect(logs.size(expired)).rejects.toMatchObject({ code: 'LOG_EXPIRED' });
      expect(await partitions()).toEqual([]);
      const known = await rows();
      expect(known).toHaveLength(4);
      const orphans = (await objects()).filter((key) => !known.includes(key));
      expect(await keeping({}, 7).withoutRow(await objects())).toEqual(orphans);
      if (ended) expect(at).toBeGreaterThan(25);
    }
  });
});
