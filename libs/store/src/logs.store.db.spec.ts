// Logs on real Postgres: chunks in, lines and bytes out, the guard and its races, partitions.
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Lease } from '#core/build.js';
import { asWorkerId } from '#core/ids.js';
import type { LogChunk } from '#core/log-line.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newLogChunk, newLogSeal, newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { logPartitions } from './log-partitions.js';
import { LogsStore } from './logs.store.js';
import { ProjectsStore } from './projects.store.js';

jest.setTimeout(60_000);

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let logs: LogsStore;
let lease: Lease;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 8 });
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
  lease = (await builds.claimNext({ workerId: asWorkerId('host-1'), leaseMs: 60_000 }))!.lease;
});

/** Chunks that follow each other, from their lines. */
function chain(...all: Parameters<typeof newLogChunk>[0][]): LogChunk[] {
  let [firstSeq, firstByte] = [0, 0];
  return all.map((lines) => {
    const chunk = newLogChunk(lines, { firstSeq, firstByte });
    firstSeq += chunk.lineCount;
    firstByte += chunk.bytes.length;
    return chunk;
  });
}
async function raw(start: number, end: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const bytes of logs.readRaw({ buildId: lease.buildId, start, end })) parts.push(bytes);
  return Buffer.concat(parts).toString();
}
const read = (fromSeq: number, limit: number) => logs.read({ buildId: lease.buildId, fromSeq, limit });

describe('append and read', () => {
  it('gives lines back by cursor over the borders of chunks, with time, stream and open lines', async () => {
    const time = new Date('2026-01-15T12:00:01.500Z');
    const chunks = chain(
      ['a', { text: 'half', open: true }],
      [
        { text: ' rest', time },
        { text: 'b', stream: 'system' },
      ],
      [''],
    );
    for (const chunk of chunks) await logs.append(lease, chunk);
    const all = await read(0, 100);
    expect(all.lines.map((line) => [line.seq, line.text, line.continues])).toEqual([
      [0, 'a', false],
      [1, 'half', true],
      [2, ' rest', false],
      [3, 'b', false],
      [4, '', false],
    ]);
    expect(all.lines[2]!.time).toEqual(time);
    expect(all.lines[3]!.stream).toBe('system');
    expect(all).toMatchObject({ nextSeq: 5, complete: false });
    expect((await read(1, 2)).lines.map((line) => line.text)).toEqual(['half', ' rest']);
    expect(await read(1, 2)).toMatchObject({ nextSeq: 3, complete: false });
    expect(await read(5, 10)).toEqual({ lines: [], nextSeq: 5, complete: false });
    expect(await read(99, 10)).toEqual({ lines: [], nextSeq: 99, complete: false });
  });

  it.each([
    ['all', 0, 1e9, 'ab\ncd\nef\n'],
    ['inside one chunk', 0, 1, 'ab'],
    ['one byte', 3, 3, 'c'],
    ['over a border', 2, 6, '\ncd\ne'],
    ['from a chunk’s first byte', 6, 7, 'ef'],
    ['to the end and past it', 7, 100, 'f\n'],
    ['past the end', 9, 100, ''],
  ])('reads raw bytes: %s', async (_, start, end, expected) => {
    for (const chunk of chain(['ab'], ['cd'], ['ef'])) await logs.append(lease, chunk);
    expect(await raw(start, end)).toBe(expected);
  });

  it('keeps bytes that are no UTF-8 as they were', async () => {
    const chunk = { ...newLogChunk(['xxxx']), bytes: Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a]) };
    await logs.append(lease, chunk);
    const parts: Buffer[] = [];
    for await (const bytes of logs.readRaw({ buildId: lease.buildId, start: 0, end: 10 })) parts.push(bytes);
    expect(Buffer.concat(parts)).toEqual(chunk.bytes);
    expect((await read(0, 1)).lines[0]!.text).toBe('\uFFFD\0\uFFFD(');
  });

  it('reads a log of 100,000 lines to its end, each line once, and its bytes hash to the seal', async () => {
    const chunks = chain(
      ...Array.from({ length: 100 }, (_, c) => Array.from({ length: 1000 }, (_, i) => `line ${c * 1000 + i}`)),
    );
    for (const chunk of chunks) await logs.append(lease, chunk);
    const seal = newLogSeal(chunks);
    await logs.seal(lease, seal);
    let [next, complete] = [0, false];
    while (!complete) {
      const page = await read(next, 7_000);
      page.lines.forEach((line, i) => {
        if (line.text !== `line ${next + i}` || line.seq !== next + i)
          throw new Error(`line ${next + i} came as ${line.text}`);
      });
      expect(page.lines.length).toBeGreaterThan(0);
      ({ nextSeq: next, complete } = page);
    }
    expect(next).toBe(100_000);
    expect(
      newLogSeal([newLogChunk([]), { ...chunks[0]!, bytes: Buffer.from(await raw(0, seal.byteCount - 1)) }]).sha256,
    ).toBe(seal.sha256);
    expect(await logs.size(lease.buildId)).toEqual({ lineCount: 100_000, byteCount: seal.byteCount, seal, attempt: 1 });
  });

  it('stops short of the limit when lines are long, and reads on', async () => {
    const chunks = chain(...Array.from({ length: 12 }, () => ['x'.repeat(1_000_000)]));
    for (const chunk of chunks) await logs.append(lease, chunk);
    const first = await read(0, 100);
    expect(first.lines.length).toBeLessThan(12);
    expect(first.complete).toBe(false);
    expect((await read(first.nextSeq, 100)).lines[0]!.seq).toBe(first.nextSeq);
  });
});

describe('several chunks at once', () => {
  const chunks = chain(['a', 'b'], ['c'], ['d'.repeat(70_000)], [{ text: 'open', open: true }]) as LogChunk[];
  const packed = (...some: LogChunk[]) => some.map((chunk) => logs.pack(chunk));

  it('lie in order, each as it came, whatever its codec, and are told of once', async () => {
    await logs.appendPacked(lease, packed(...chunks));
    const { rows } = await db.query<{ body_codec: number }>('SELECT body_codec FROM log_chunk ORDER BY first_seq');
    expect(rows.map((row) => row.body_codec)).toEqual([0, 0, 2, 0]);
    expect((await read(0, 10)).lines.map((line) => line.text.slice(0, 4))).toEqual(['a', 'b', 'c', 'dddd', 'open']);
    await logs.appendPacked(lease, packed(...chunks)); // again, after an answer that got lost
    expect(await logs.size(lease.buildId)).toMatchObject({ lineCount: 5 });
  });

  it('are a bug when one differs from what lies in its place', async () => {
    await logs.append(lease, chunks[0]!);
    const others = packed(newLogChunk(['a', 'x']), ...chunks.slice(1));
    await expect(logs.appendPacked(lease, others)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('are none of them stored after the lease has passed on', async () => {
    await db.query(`UPDATE build SET attempt = attempt + 1 WHERE id = $1`, [lease.buildId]);
    await expect(logs.appendPacked(lease, packed(...chunks))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await db.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);
  });

  it('deflated by an earlier version are read', async () => {
    const chunk = newLogChunk(['old', 'lines']);
    await logs.append(lease, chunk);
    await db.query(`UPDATE log_chunk SET body_codec = DEFAULT, body = $1`, [deflateRawSync(chunk.bytes)]);
    expect((await read(0, 10)).lines.map((line) => line.text)).toEqual(['old', 'lines']);
  });
});

describe('the same chunk again', () => {
  const [first, second] = chain(['a', 'b'], ['c']) as [LogChunk, LogChunk];

  it('is fine when it is the same', async () => {
    await logs.append(lease, first);
    await logs.append(lease, second);
    await logs.append(lease, first);
    expect(await logs.size(lease.buildId)).toMatchObject({ lineCount: 3, seal: null });
  });

  it.each([
    ['body', newLogChunk(['a', 'x'])],
    ['length', newLogChunk(['a'])],
    ['first byte', newLogChunk(['a', 'b'], { firstByte: 1 })],
    ['header', newLogChunk(['a', { text: 'b', stream: 'system' }])],
  ])('is a bug when its %s differs', async (_, other) => {
    await logs.append(lease, first);
    await expect(logs.append(lease, other)).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe('seal', () => {
  const chunks = chain(['a', 'b'], ['c']);
  const good = newLogSeal(chunks);

  it('makes the log complete at its end, and not before', async () => {
    for (const chunk of chunks) await logs.append(lease, chunk);
    await logs.seal(lease, good);
    await logs.seal(lease, good);
    expect(await read(0, 2)).toMatchObject({ nextSeq: 2, complete: false });
    expect(await read(2, 2)).toMatchObject({ nextSeq: 3, complete: true });
    expect((await builds.get(lease.buildId)).logSeal).toEqual(good);
  });

  it.each([
    ['lines', { ...good, lineCount: 4 }, chunks],
    ['bytes', { ...good, byteCount: 5 }, chunks],
    ['a missing chunk', good, chunks.slice(1)],
    ['a hole', { ...good, lineCount: 1, byteCount: 2 }, chunks.slice(1)],
  ])('is refused when it differs from what is stored: %s', async (_, seal, stored) => {
    for (const chunk of stored) await logs.append(lease, chunk);
    await expect(logs.seal(lease, seal)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect((await builds.get(lease.buildId)).logSeal).toBeNull();
  });
});

describe('races and failures', () => {
  it('an append that began under a live lease either comes before the settling or stores nothing', async () => {
    const holder = await db.pool.connect();
    try {
      // Another session ends the build (as end-build.ts does: locked first), but has not committed: the append waits for it, and then
      // must see its end.
      await holder.query('BEGIN');
      await holder.query(`SELECT 1 FROM build WHERE id = $1 FOR UPDATE`, [lease.buildId]);
      await holder.query(`UPDATE build SET status = 'FAULT' WHERE id = $1`, [lease.buildId]);
      const append = expect(logs.append(lease, newLogChunk(['late']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await holder.query('COMMIT');
      await append;
    } finally {
      holder.release();
    }
    expect((await db.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);
  });

  it('an append does not wait for what its own worker writes of the build', async () => {
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM build WHERE id = $1 FOR NO KEY UPDATE', [lease.buildId]);
      await holder.query('UPDATE build SET version = version + 1 WHERE id = $1', [lease.buildId]);
      await logs.append(lease, newLogChunk(['beside']));
      await holder.query('COMMIT');
    } finally {
      holder.release();
    }
  });

  it('goes on after its connections were cut', async () => {
    await logs.append(lease, newLogChunk(['a']));
    const admin = new pg.Client({ connectionString: process.env.KILNYARD_TEST_DATABASE_URL });
    await admin.connect();
    const name = new URL(test.url).pathname.slice(1);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    await logs.append(lease, newLogChunk(['b'], { firstSeq: 1, firstByte: 2 }));
    const running = Promise.all(
      chain(['a'], ['b'], ...Array.from({ length: 30 }, (_, i) => [`${i}`])).map((chunk) => logs.append(lease, chunk)),
    );
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    await running;
    await admin.end();
    expect(await logs.size(lease.buildId)).toMatchObject({ lineCount: 32 });
  });

  it('says LOG_APPEND_FAILED when the database stays away, and every other call DATABASE_UNAVAILABLE', async () => {
    const other = await newTestDatabase();
    const gone = await Database.connect({ url: other.url, pool: 2 });
    await other.drop();
    // The database is gone, not the server: connections are cut, and the next ones find nothing. Closing the pool is the same to callers.
    await gone.pool.end();
    await expect(new LogsStore(gone, { appendRetryMs: 200 }).append(lease, newLogChunk(['x']))).rejects.toMatchObject({
      code: 'LOG_APPEND_FAILED',
      cause: { code: 'DATABASE_UNAVAILABLE' },
    });
    await expect(gone.ping()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    await expect(new BuildsStore(gone).get(lease.buildId)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await gone.close();
  });
});

describe('partitions', () => {
  const day = new Date('2031-05-06T23:59:59.000Z');

  it('are made once by many callers at once', async () => {
    await Promise.all(Array.from({ length: 6 }, () => logs.ensurePartitions([day])));
    await logs.ensurePartitions([day]);
    const names = (await logPartitions(db)).map((partition) => partition.name);
    expect(names.filter((name) => name === 'log_chunk_20310506')).toHaveLength(1);
  });

  it('are made by an append that finds none: no worker ran on the day on which its build was queued', async () => {
    await db.query(`UPDATE build SET log_day = '2031-07-01' WHERE id = $1`, [lease.buildId]);
    for (const chunk of chain(['a'], ['b'])) await logs.append(lease, chunk);
    expect((await read(0, 10)).lines.map((line) => line.text)).toEqual(['a', 'b']);
    const { rows } = await db.query('SELECT DISTINCT tableoid::regclass::text AS name FROM log_chunk');
    expect(rows).toEqual([{ name: 'log_chunk_20310701' }]);
  });

  it('let builds append while they are made, in the partition of the day on which the build was queued', async () => {
    await Promise.all([
      logs.ensurePartitions([new Date('2031-06-01'), new Date('2031-06-02')]),
      ...chain(...Array.from({ length: 20 }, (_, i) => [`${i}`])).map((chunk) => logs.append(lease, chunk)),
    ]);
    const { rows } = await db.query<{ name: string }>(
      'SELECT DISTINCT tableoid::regclass::text AS name FROM log_chunk',
    );
    const queuedAt = (await builds.get(lease.buildId)).queuedAt.toISOString().slice(0, 10).replaceAll('-', '');
    expect(rows.map((row) => row.name)).toEqual([`log_chunk_${queuedAt}`]);
  });

  it('keep the body out of line and uncompressed', async () => {
    const { rows } = await db.query<{ storage: string }>(
      `SELECT DISTINCT attstorage::text AS storage FROM pg_attribute WHERE attname = 'body' AND attrelid::regclass::text LIKE 'log_chunk%'`,
    );
    expect(rows).toEqual([{ storage: 'e' }]);
  });
});
