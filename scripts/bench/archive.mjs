// Archiving beside work: how long appends and reads of a live log take while the logs of an old day are moved into the blob store, against the
// same run without; and what it costs to read a log there instead of in the database. Needs room for some 3 GB under the temporary folder.
// Run: npm run bench -- archive; or node scripts/bench/archive.mjs [disk|s3] [MiB of one large log] [small logs] [s of each measurement]
// KILNYARD_TEST_DATABASE_URL and KILNYARD_TEST_S3_* name servers to use instead of our own (Postgres then with fsync off).
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startServices } from '../test-services.mjs';
import { percentile } from './statistics.mjs';

const [place = 'disk', largeMiB = 1024, smallLogs = 400, seconds = 20] = process.argv.slice(2);
const lib = (file) => import(`../../dist/libs/${file}.js`);
const [{ migrate }, { Database }, { LogsStore }, { BuildsStore }, { ProjectsStore }, { RetentionStore }] =
  await Promise.all(
    ['migrate', 'database', 'logs.store', 'builds.store', 'projects.store', 'retention/retention.store'].map((file) =>
      lib(`store/src/${file}`),
    ),
  );
const [{ packBody }, { encodeChunkHeader }] = await Promise.all([
  lib('store/src/chunk-body'),
  lib('core/src/chunk-codec'),
]);
const DAY = new Date(Date.now() - 9 * 86_400_000);
const DAY_TEXT = DAY.toISOString().slice(0, 10);
const CHUNK_BYTES = 512 * 1024;
const LINE_BYTES = 128;
const say = (text) => console.log(text);
const never = new AbortController().signal;

const services = await startServices(new Set(place === 's3' ? ['database', 's3'] : ['database']), say);
const env = { ...services.env, ...process.env };
const admin = env.KILNYARD_TEST_DATABASE_URL;
const name = `kilnyard_bench_${randomBytes(4).toString('hex')}`;
const url = new URL(admin);
url.pathname = `/${name}`;
const folder = await mkdtemp(join(tmpdir(), 'kilnyard-bench-'));

async function onAdmin(sql) {
  const client = new pg.Client({ connectionString: admin });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

async function openBlobs() {
  if (place === 'disk') return new (await lib('blobs/src/disk-blobs')).DiskBlobs({ root: folder });
  const of = (what) => env[`KILNYARD_TEST_S3_${what}`];
  const credentials = { accessKeyId: of('ACCESS_KEY_ID'), secretAccessKey: of('SECRET_ACCESS_KEY') };
  const where = { endpoint: of('ENDPOINT'), region: of('REGION'), bucket: of('BUCKET'), prefix: `${name}/` };
  return new (await lib('blobs/src/s3-blobs')).S3Blobs({ place: { ...where, credentials, pathStyle: true } });
}

/** Lines of words in random order, as in docs/decisions/0021. */
function textOf(bytes) {
  const words = ['compiled', 'src/index.ts', 'warning:', 'in', '42ms', 'unused', 'variable', 'ok', 'test', 'done'];
  const lines = [];
  for (let size = 0; size < bytes; size += LINE_BYTES) {
    let line = '';
    while (line.length < LINE_BYTES - 16) line += ` ${words[Math.floor(Math.random() * words.length)]}`;
    lines.push(`${line} ${randomBytes(8).toString('hex')}`.slice(0, LINE_BYTES - 1).padEnd(LINE_BYTES - 1));
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** A sealed log of that day whose chunks are all the same text. Out: its build's id. */
async function newLog(db, { chunks, bytes }) {
  const text = textOf(bytes);
  const lineCount = text.length / LINE_BYTES;
  const hash = createHash('sha256');
  for (let n = 0; n < chunks; n += 1) hash.update(text);
  const header = encodeChunkHeader({ runs: [{ count: lineCount, time: DAY, stream: 'stdout' }], openLines: [], openLengths: [] }); // prettier-ignore
  const { codec, body } = await packBody(text);
  const { rows } = await db.query(
    `INSERT INTO build (id, project_name, number, status, current_phase, initiator, settings, overrides, queued_at, queue_deadline, attempt,
       log_day, log_line_count, log_byte_count, log_sha256)
     VALUES (gen_random_uuid(), 'old', 1, 'SUCCEEDED', 'COMPLETED', 'bench', '{}', '{}', $1, $1, 1, $2, $3, $4, $5) RETURNING id`,
    [DAY.toISOString(), DAY_TEXT, lineCount * chunks, text.length * chunks, hash.digest('hex')],
  );
  for (let from = 0; from < chunks; from += 256) {
    await db.query(
      `INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body_codec, body)
       SELECT $1, 1, $2, n::bigint * $3::int, $3::int, n::bigint * $4::int, $4::int, $5, $6, $7 FROM generate_series($8::int, $9::int) n`,
      [rows[0].id, DAY_TEXT, lineCount, text.length, header, codec, body, from, Math.min(chunks, from + 256) - 1],
    );
  }
  return rows[0].id;
}

const spread = (times) => [times.length, ...[0.5, 0.99].map((share) => percentile(times, share).toFixed(1))];

/** A live build whose log is written and read until `beside` is done. */
async function measured(db, lease, at, beside) {
  const logs = new LogsStore(db);
  const [appends, reads] = [[], []];
  const bytes = randomBytes(16_384);
  bytes[bytes.length - 1] = 10;
  let over = false;
  const timed = async (times, pauseMs, work) => {
    while (!over) {
      const began = performance.now();
      await work();
      times.push(performance.now() - began);
      await sleep(pauseMs);
    }
  };
  const write = timed(appends, 5, async () => {
    const place = { firstSeq: at.seq, lineCount: 1, firstByte: at.seq * bytes.length, openLines: [], openLengths: [] };
    await logs.append(lease, { ...place, bytes, runs: [{ count: 1, time: new Date(), stream: 'stdout' }] });
    at.seq += 1;
  });
  const read = timed(reads, 10, () =>
    logs.read({ buildId: lease.buildId, fromSeq: Math.max(0, at.seq - 20), limit: 20 }),
  );
  const began = performance.now();
  const told = await beside();
  over = true;
  await Promise.all([write, read]);
  return { told, took: `${((performance.now() - began) / 1000).toFixed(1)} s`, appends, reads };
}

/** Pages, a tail and the whole of a log; and by how much the process grows meanwhile. */
async function reading(logs, buildId, lineCount, byteCount) {
  const [pages, firstBytes] = [[], []];
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  for (let n = 0; n < 200; n += 1) {
    const began = performance.now();
    await logs.read({ buildId, fromSeq: Math.floor(Math.random() * (lineCount - 1000)), limit: 1000 });
    pages.push(performance.now() - began);
  }
  for (let n = 0; n < 20; n += 1) {
    const began = performance.now();
    const start = Math.floor(Math.random() * (byteCount - 100));
    for await (const part of logs.readRaw({ buildId, start, end: start + 99 })) void part;
    firstBytes.push(performance.now() - began);
  }
  const began = performance.now();
  for await (const part of logs.readRaw({ buildId, start: 0, end: byteCount - 1 })) {
    void part;
    peak = Math.max(peak, process.memoryUsage().rss);
  }
  const rate = byteCount / 2 ** 20 / ((performance.now() - began) / 1000);
  const grown = ((peak - before) / 2 ** 20).toFixed(0);
  return [...spread(pages).slice(1), ...spread(firstBytes).slice(1), rate.toFixed(0), grown];
}

try {
  await onAdmin(`CREATE DATABASE ${name}`);
  await migrate(url.href);
  const db = await Database.connect({ url: url.href, pool: 10 });
  const blobs = await openBlobs();
  const logs = new LogsStore(db, { archive: blobs });
  await logs.ensurePartitions([DAY, new Date()]);
  say(`filling: one log of ${largeMiB} MiB, ${smallLogs} of 32 KiB`);
  const chunks = (Number(largeMiB) * 2 ** 20) / CHUNK_BYTES;
  const large = await newLog(db, { chunks, bytes: CHUNK_BYTES });
  for (let n = 0; n < Number(smallLogs); n += 1) await newLog(db, { chunks: 1, bytes: 32 * 1024 });
  await db.query('VACUUM ANALYZE');
  await db.query('CHECKPOINT');
  const project = await new ProjectsStore(db).create('live', { environment: {}, timeoutInMinutes: 60, queuedTimeoutInMinutes: 60, priority: 0 }); // prettier-ignore
  const builds = new BuildsStore(db);
  await builds.create({ project, settings: project.settings, overrides: {}, initiator: 'b', maxWaiting: 9 });
  const { lease } = await builds.claimNext({ workerId: 'bench', leaseMs: 3_600_000 });
  const at = { seq: 0 };
  const size = await logs.size(large);
  const inDatabase = await reading(logs, large, size.lineCount, size.byteCount);

  const policy = { buildsDays: 0, buildsCount: 0, logsDays: 0, artifactsDays: 0, artifactsCount: 0 };
  const retention = new RetentionStore(db, policy, { blobs, afterDays: 7 });
  const alone = () => sleep(Number(seconds) * 1000).then(() => 'nothing');
  const rows = [['nothing, before', await measured(db, lease, at, alone)]];
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50);
  const archive = async () => {
    const { items, bytes, failure } = await retention.archiveLogs(new Date(), never);
    if (failure !== null) throw failure;
    return `${items} logs, ${Math.round(bytes / 2 ** 20)} MiB stored`;
  };
  rows.push(['logs are archived', await measured(db, lease, at, archive)]);
  clearInterval(watch);
  const drop = async () => `${(await retention.expireLogs(new Date(), never)).partitions.length} partition`;
  rows.push(['their partition goes', await measured(db, lease, at, drop)]);
  rows.push(['nothing, after', await measured(db, lease, at, alone)]);
  const inArchive = await reading(logs, large, size.lineCount, size.byteCount);

  say(`\n| beside it | what was done | appends | p50 ms | p99 ms | reads | p50 ms | p99 ms |\n| - | - | - | - | - | - | - | - |`); // prettier-ignore
  for (const [what, { told, took, appends, reads }] of rows)
    say(`| ${[what, `${told} (${took})`, ...spread(appends), ...spread(reads)].join(' | ')} |`);
  say(`\nmemory of the process that archives: ${((peak - before) / 2 ** 20).toFixed(0)} MiB more at most`);
  say(`\n| a log of ${largeMiB} MiB lies | page of 1,000 lines p50 ms | p99 ms | 100 bytes p50 ms | p99 ms | whole MiB/s | memory, MiB more |\n| - | - | - | - | - | - | - |`); // prettier-ignore
  say(`| in the database | ${inDatabase.join(' | ')} |\n| in the archive (${place}) | ${inArchive.join(' | ')} |`);
  if (place === 's3') await blobs.deletePrefix('logs/');
  blobs.close();
  await db.close();
} finally {
  await onAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await services.stop();
  await rm(folder, { recursive: true, force: true });
}
