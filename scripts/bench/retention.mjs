// Retention beside work: how long appends and reads of logs take while a day's partition goes and old builds are deleted, against the same
// run without retention. Also how long a round takes that finds nothing. Needs room for some 4 GB under the temporary folder.
// Run: npm run bench -- retention [builds] [projects] [MiB of the old partition] [s of each measurement]
// KILNYARD_TEST_DATABASE_URL names a Postgres to use instead of one of our own (with fsync).
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startServices } from '../test-services.mjs';

const [builds = 1_000_000, projects = 10_000, partitionMiB = 1024, seconds = 30] = process.argv.slice(2).map(Number);
const STORE = '../../dist/libs/store/src';
const [{ migrate }, { Database }, { LogsStore }, { BuildsStore }, { ProjectsStore }, { RetentionStore }] =
  await Promise.all(
    ['migrate', 'database', 'logs.store', 'builds.store', 'projects.store', 'retention/retention.store'].map(
      (file) => import(`${STORE}/${file}.js`),
    ),
  );
const DAY_MS = 86_400_000;
const say = (text) => console.log(text);
const services = await startServices(new Set(['database']), say);
const admin = process.env.KILNYARD_TEST_DATABASE_URL ?? services.env.KILNYARD_TEST_DATABASE_URL;
const name = `kilnyard_bench_${randomBytes(4).toString('hex')}`;
const url = new URL(admin);
url.pathname = `/${name}`;

async function onAdmin(sql) {
  const client = new pg.Client({ connectionString: admin });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

/** Builds of all ages up to 400 days, in equal parts of all projects; those over 365 days are due. */
async function fill(client, logs) {
  await client.query('SET synchronous_commit = off');
  await client.query(
    `INSERT INTO project (id, name, settings, last_build_number)
     SELECT gen_random_uuid(), 'p' || n, '{}', $1::int / $2::int + 1 FROM generate_series(1, $2::int) n`,
    [builds, projects],
  );
  await client.query(
    `INSERT INTO build (id, project_id, project_name, number, status, current_phase, initiator, settings, overrides, queued_at,
       queue_deadline, started_at, ended_at, attempt, log_day, log_line_count, log_byte_count, log_sha256)
     SELECT gen_random_uuid(), p.id, p.name, n / $2::int + 1, CASE WHEN n % 5 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 'COMPLETED', 'bench',
       jsonb_build_object('source', repeat('x', 400)), '{}', at, at, at, at, 1, (at AT TIME ZONE 'UTC')::date, 100, 10000, repeat('a', 64)
     FROM (SELECT n, now() - (400.0 * n / $1::int) * interval '1 day' AS at FROM generate_series(1, $1::int) n) ages
     JOIN project p ON p.name = 'p' || (n % $2::int + 1)`,
    [builds, projects],
  );
  await client.query(
    `INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at)
     SELECT id, 1, o, 'BUILD', queued_at FROM build, generate_series(0, 10) o WHERE queued_at < now() - interval '365 days'`,
  );
  await client.query(
    `INSERT INTO build_event (build_id, attempt, type) SELECT id, 1, 'SUCCEED' FROM build, generate_series(0, 10) o
     WHERE queued_at < now() - interval '365 days'`,
  );
  const day = new Date(Date.now() - 100 * DAY_MS);
  await logs.ensurePartitions([day]);
  await client.query(
    `INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body)
     SELECT ids[n % cardinality(ids) + 1], 1, $2::date, n, 1, n, 65536, '', decode(repeat(md5(n::text), 4096), 'hex')
     FROM generate_series(1, $1::int) n, (SELECT array_agg(id) AS ids FROM build WHERE log_day = $2::date) of_day`,
    [partitionMiB * 16, day.toISOString().slice(0, 10)],
  );
  await client.query('RESET synchronous_commit');
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const spread = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  return { n: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1) };
};

/** A live build whose log is written and read until the signal. */
async function work(db, lease, at, signal) {
  const logs = new LogsStore(db);
  const [appends, reads] = [[], []];
  const bytes = randomBytes(16_384);
  bytes[bytes.length - 1] = 10;
  const write = async () => {
    while (!signal.aborted) {
      const began = performance.now();
      const place = {
        firstSeq: at.seq,
        lineCount: 1,
        firstByte: at.seq * bytes.length,
        openLines: [],
        openLengths: [],
      };
      await logs.append(lease, { ...place, bytes, runs: [{ count: 1, time: new Date(), stream: 'stdout' }] });
      appends.push(performance.now() - began);
      at.seq += 1;
      await sleep(5);
    }
  };
  const read = async () => {
    while (!signal.aborted) {
      const began = performance.now();
      await logs.read({ buildId: lease.buildId, fromSeq: Math.max(0, at.seq - 20), limit: 20 });
      reads.push(performance.now() - began);
      await sleep(10);
    }
  };
  await Promise.all([write(), read()]);
  return { appends: spread(appends), reads: spread(reads) };
}

try {
  await onAdmin(`CREATE DATABASE ${name}`);
  await migrate(url.href);
  const db = await Database.connect({ url: url.href, pool: 10 });
  const logs = new LogsStore(db);
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  say(`filling: ${builds} builds of ${projects} projects, a day's partition of ${partitionMiB} MiB`);
  await fill(client, logs);
  const project = await new ProjectsStore(db).create('live', {
    environment: {},
    timeoutInMinutes: 60,
    queuedTimeoutInMinutes: 60,
    priority: 0,
  });
  await new BuildsStore(db).create({
    project,
    settings: project.settings,
    overrides: {},
    initiator: 'b',
    maxWaiting: 9,
  });
  const { lease } = await new BuildsStore(db).claimNext({ workerId: 'bench', leaseMs: 3_600_000 });
  const at = { seq: 0 };
  const keep = { buildsDays: 365, buildsCount: 10_000, logsDays: 90, artifactsDays: 30, artifactsCount: 0 };
  const retention = new RetentionStore(db, keep);

  const rows = [];
  const measure = async (what, beside) => {
    const stop = new AbortController();
    const working = work(db, lease, at, stop.signal);
    const began = performance.now();
    const told = await beside();
    const ms = performance.now() - began;
    stop.abort();
    rows.push({ what, ms, told, ...(await working) });
    say(`${what}: ${told}`);
  };
  const never = new AbortController().signal;
  const alone = () => sleep(seconds * 1000).then(() => 'nothing');
  await measure('without retention', alone);
  await measure('logs: the partition goes', async () => {
    const taken = await retention.expireLogs(new Date(), never);
    return `${taken.items} logs marked, ${taken.partitions.length} partition(s), ${Math.round(taken.bytes / 2 ** 20)} MiB`;
  });
  await measure('builds: old ones are deleted', async () => {
    const { rows: before } = await db.query('SELECT count(*)::int AS count FROM build');
    await retention.expireBuilds(new Date(), AbortSignal.timeout(seconds * 1000)).catch(() => undefined);
    const { rows: after } = await db.query('SELECT count(*)::int AS count FROM build');
    return `${before[0].count - after[0].count} builds in ${seconds} s`;
  });
  await measure('without retention, again', alone);
  await retention.expireBuilds(new Date(), AbortSignal.timeout(1)).catch(() => undefined);
  const idle = new RetentionStore(db, { ...keep, buildsDays: 500 });
  const began = performance.now();
  await idle.expireBuilds(new Date(), never);
  const roundMs = performance.now() - began;

  say(
    `\n| beside it | appends | p50 ms | p99 ms | max ms | reads p50 ms | p99 ms | what was done |\n|---|---|---|---|---|---|---|---|`,
  );
  for (const { what, appends, reads, told, ms } of rows) {
    const cells = [appends.n, appends.p50, appends.p99, appends.max, reads.p50, reads.p99].map((value, i) =>
      i === 0 ? value : value.toFixed(1),
    );
    say(`| ${what} | ${cells.join(' | ')} | ${told} (${(ms / 1000).toFixed(1)} s) |`);
  }
  say(`\na round over ${projects} projects and ${builds} builds that finds no build due: ${roundMs.toFixed(0)} ms`);
  await client.end();
  await db.close();
} finally {
  await onAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await services.stop();
}
