// A database full of builds, made in SQL: as many projects, builds and lines of log as asked for, in the shape in which the service itself
// leaves them. One chunk of log is made as the worker makes it and inserted under every build.
import { deflateRawSync } from 'node:zlib';
import pg from 'pg';
import { HOME } from '../setup.mjs';
import { part } from './parts.mjs';

/** Builds are spread over so many days, the last one today. */
const DAYS = 30;
const BATCH = 100_000;
const LINES_PER_BUILD = 100;
/** The oldest builds ended so, and no other: a list of them has a long way to go without an index. */
const FAULTS = 50;
/** One log that is long, in both data sets alike. */
const LONG_LOG = { chunks: 200, lines: 5_000 };

/** Of the n-th build: in order of time, as the service makes them (docs/decisions/0035). */
const BUILD_ID = `CREATE FUNCTION bench_build_id(n integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(1790000000000 + n::bigint * 2500), 12, '0') || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15))::uuid
$$`;

/**
 * Makes the database `name` beside the house's own and fills it.
 * In: `projects`, `builds` (ended ones), `waiting` builds over `waitingProjects` of them.
 * Out: its URL, the id of the build with the long log, and how long it took.
 */
export async function makeDataSet(house, { name, projects, builds, waiting, waitingProjects, say }) {
  const began = performance.now();
  const url = new URL(house.databaseUrl);
  await withClient(house.databaseUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  url.pathname = `/${name}`;
  const databaseUrl = url.href;
  const { migrateDatabase } = await part('services');
  await migrateDatabase({ home: HOME, env: { ...house.env, NODE_OPTIONS: '', KILNYARD_DATABASE_URL: databaseUrl } });
  const settings = await settingsOf(house);
  const longLog = await withClient(databaseUrl, async (client) => {
    await client.query(
      `SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET session_replication_role = replica`,
    );
    await makePartitions(client);
    await client.query(BUILD_ID);
    await client.query(
      `INSERT INTO project (id, name, settings, last_build_number)
       SELECT md5('project' || n)::uuid, 'project-' || lpad(n::text, 5, '0'), $2::jsonb, $3 FROM generate_series(0, $1 - 1) n`,
      [projects, settings, Math.ceil(builds / projects)],
    );
    await client.query('ALTER TABLE build_phase DROP CONSTRAINT build_phase_pkey');
    for (let from = 0; from < builds; from += BATCH) {
      await insertBuilds(client, { from, to: Math.min(from + BATCH, builds) - 1, projects, builds, settings });
      if (builds > BATCH) say(`data set ${name}: ${Math.min(from + BATCH, builds)} builds`);
    }
    await client.query(
      'ALTER TABLE build_phase ADD CONSTRAINT build_phase_pkey PRIMARY KEY (build_id, attempt, ordinal)',
    );
    await insertWaiting(client, { waiting, waitingProjects, builds, settings });
    const id = await insertLongLog(client, builds);
    // Apart from the transaction above: VACUUM takes none.
    await client.query('VACUUM ANALYZE');
    return id;
  });
  return { databaseUrl, longLog, tookMs: performance.now() - began };
}

/** Settings as the API stores them: of a project that is made and read back. */
async function settingsOf(house) {
  await house.client.project('data-set', ['echo hi'], { image: 'kilnyard/standard:1.0' }).catch((error) => {
    if (!/409/.test(error.message)) throw error; // an earlier data set made it
  });
  return withClient(house.databaseUrl, async (client) => {
    const { rows } = await client.query(`SELECT settings::text AS settings FROM project WHERE name = 'data-set'`);
    return rows[0].settings;
  });
}

async function makePartitions(client) {
  const { ensureLogPartitions } = await import('#store/log-partitions.js');
  const today = Date.now();
  const days = Array.from({ length: DAYS + 2 }, (_, day) => new Date(today + (1 - day) * 86_400_000));
  await ensureLogPartitions(client, days);
}

/** Ended builds `from` to `to`, oldest first, with eleven phases, two events and one chunk of log each. */
async function insertBuilds(client, { from, to, projects, builds, settings }) {
  await client.query(
    `INSERT INTO build (id, project_id, project_name, number, status, current_phase, attempt, version, initiator, settings, overrides,
       exported_variables, image_digest, queued_at, queue_deadline, started_at, ended_at, worker_id, log_day,
       log_line_count, log_byte_count, log_sha256)
     SELECT bench_build_id(n), md5('project' || n % $3)::uuid, 'project-' || lpad((n % $3)::text, 5, '0'), n / $3 + 1,
       CASE WHEN n < ${FAULTS} THEN 'FAULT' WHEN n / $3 % 100 = 7 THEN 'TIMED_OUT' WHEN n / $3 % 100 = 11 THEN 'STOPPED'
            WHEN n / $3 % 12 = 5 THEN 'FAILED' ELSE 'SUCCEEDED' END,
       'COMPLETED', 1, 14, 'bench', $5::jsonb, '{}', '[]', 'sha256:' || md5('image'),
       at, at + interval '8 hours', at + interval '1 second', at + interval '90 seconds', 'worker-1', at::date,
       ${LINES_PER_BUILD}, 6000, repeat('ab', 32)
     FROM generate_series($1::int, $2::int) n
     CROSS JOIN LATERAL (SELECT date_trunc('milliseconds', now() - ($4::int - n) * interval '${DAYS - 1} days' / $4::int) AS at) t`,
    [from, to, projects, builds, settings],
  );
  await client.query(
    `INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, status, started_at, ended_at, contexts)
     SELECT b.id, CASE WHEN o < 2 THEN 0 ELSE 1 END, o, p, 'SUCCEEDED', b.queued_at + o * interval '8 seconds',
       b.queued_at + (o + 1) * interval '8 seconds', '[{"statusCode": "", "message": ""}]'
     FROM generate_series($1::int, $2::int) n JOIN build b ON b.id = bench_build_id(n)
     CROSS JOIN unnest(ARRAY['SUBMITTED','QUEUED','PROVISIONING','DOWNLOAD_SOURCE','INSTALL','PRE_BUILD','BUILD','POST_BUILD',
       'UPLOAD_ARTIFACTS','FINALIZING','COMPLETED']) WITH ORDINALITY AS phases(p, o1) CROSS JOIN LATERAL (SELECT (o1 - 1)::int AS o) x`,
    [from, to],
  );
  await client.query(
    `INSERT INTO build_event (build_id, attempt, type, data, at)
     SELECT bench_build_id(n), 1, type, '{"from": "QUEUED"}', now()
     FROM generate_series($1::int, $2::int) n CROSS JOIN unnest(ARRAY['QUEUE', 'CLAIM']) type`,
    [from, to],
  );
  const { header, body, bytes } = await chunkOf(LINES_PER_BUILD);
  await client.query(
    `INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body)
     SELECT b.id, 1, b.log_day, 0, ${LINES_PER_BUILD}, 0, $3, $4, $5
     FROM generate_series($1::int, $2::int) n JOIN build b ON b.id = bench_build_id(n)`,
    [from, to, bytes, header, body],
  );
}

/** Builds in the queue, spread over projects that have no others: a page of any other project has ended builds alone, in both data sets. */
async function insertWaiting(client, { waiting, waitingProjects, builds, settings }) {
  await client.query(
    `INSERT INTO project (id, name, settings, last_build_number)
     SELECT md5('busy' || n)::uuid, 'busy-' || n, $2::jsonb, $3 FROM generate_series(0, $1 - 1) n`,
    [waitingProjects, settings, builds + waiting],
  );
  await client.query(
    `INSERT INTO build (id, project_id, project_name, number, status, current_phase, initiator, settings, overrides, queued_at,
       queue_deadline, log_day, version)
     SELECT bench_build_id($3 + n), md5('busy' || n % $2)::uuid, 'busy-' || n % $2, $3 + n,
       'IN_PROGRESS', 'QUEUED', 'bench', $4::jsonb, '{}', date_trunc('milliseconds', now()), now() + interval '8 hours', now()::date, 1
     FROM generate_series(0, $1 - 1) n`,
    [waiting, waitingProjects, builds, settings],
  );
  await client.query(
    `INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at)
     SELECT bench_build_id($2 + n), 0, 1, 'QUEUED', now() FROM generate_series(0, $1 - 1) n`,
    [waiting, builds],
  );
}

/** Gives the build in the middle a log of a million lines. Out: its id. */
async function insertLongLog(client, builds) {
  const { header, body, bytes } = await chunkOf(LONG_LOG.lines);
  const middle = Math.floor(builds / 2);
  await client.query(`DELETE FROM log_chunk WHERE build_id = bench_build_id($1)`, [middle]);
  await client.query(
    `INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body)
     SELECT b.id, 1, b.log_day, n * ${LONG_LOG.lines}, ${LONG_LOG.lines}, n * $2::bigint, $2, $3, $4
     FROM build b CROSS JOIN generate_series(0, ${LONG_LOG.chunks - 1}) n WHERE b.id = bench_build_id($1)`,
    [middle, bytes, header, body],
  );
  const { rows } = await client.query(
    `UPDATE build SET log_line_count = $2, log_byte_count = $3 WHERE id = bench_build_id($1) RETURNING id, project_name`,
    [middle, LONG_LOG.chunks * LONG_LOG.lines, LONG_LOG.chunks * bytes],
  );
  return `${rows[0].project_name}:${rows[0].id}`;
}

async function chunkOf(lines) {
  const { encodeChunkHeader } = await import('#core/chunk-codec.js');
  const text = Array.from(
    { length: lines },
    (_, line) => `[${line}/${lines}] compiling src/part-${(line * 7919) % 9973}.ts: done\n`,
  );
  const bytes = Buffer.from(text.join(''));
  const runs = [{ count: lines, time: new Date(), stream: 'stdout' }];
  const header = encodeChunkHeader({ runs, openLines: [], openLengths: [] });
  return { header, body: deflateRawSync(bytes, { level: 1 }), bytes: bytes.length };
}

export async function withClient(connectionString, work) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
