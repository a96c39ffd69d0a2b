// What one Postgres, Redis, API process and S3 server carry, for docs/scaling.md: claims, appended chunks, live readers, queue items,
// stored bytes. Starts servers of its own (Postgres with fsync), stops them, takes about two minutes. Prints Markdown.
// Run: npm run bench -- scaling [seconds for each figure]
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { startS3 } from '../test-s3.mjs';

const DIST = '../../dist';
const part = (name) => import(`${DIST}/apps/standalone/src/${name}.js`);
const lib = (name) => import(`${DIST}/libs/${name}.js`);
const SECONDS = Number(process.argv[2] ?? 4);
const quiet = () => undefined;
const rows = [];
const say = (what, setting, figure) => {
  rows.push([what, setting, figure]);
  console.error(`${what} | ${setting} | ${figure}`);
};
const whole = (value) => Math.round(value).toLocaleString('en-US');

/** How often `work(n)` of `n` concurrent loops ends in a second. */
async function rate(n, work) {
  const until = performance.now() + SECONDS * 1000;
  const began = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: n }, async (_, loop) => {
      while (performance.now() < until && (await work(loop)) !== false) done += 1;
    }),
  );
  return (done / (performance.now() - began)) * 1000;
}

async function claims(url) {
  const [{ Database }, { BuildsStore }] = [await lib('store/src/database'), await lib('store/src/builds.store')];
  for (const n of [1, 2, 4, 8]) {
    const db = await Database.connect({ url, pool: n + 1 });
    const builds = new BuildsStore(db);
    await db.query('TRUNCATE build CASCADE');
    await db.query(
      `INSERT INTO build (id, project_id, project_name, number, status, current_phase, initiator, settings, overrides, queued_at,
         queue_deadline, log_day)
       SELECT gen_random_uuid(), p.id, p.name, n, 'IN_PROGRESS', 'QUEUED', 'bench', p.settings, '{}', now() + n * interval '1 ms',
         now() + interval '1 day', current_date
       FROM project p, generate_series(1, 200) n`,
    );
    await db.query(
      `INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at) SELECT id, 0, 1, 'QUEUED', queued_at FROM build`,
    );
    await db.query('ANALYZE build, build_phase');
    const perSecond = await rate(n, async (loop) => {
      const claimed = await builds.claimNext({ workerId: `bench-${loop}`, leaseMs: 60_000 });
      if (claimed === null) return false;
      await builds.apply(claimed.lease, 'FAULT', [], new Date());
    });
    say('claims, each with its build ended', `${n} at once, 100 projects`, `${whole(perSecond)} /s`);
    await db.close();
  }
}

async function appends(url) {
  const [{ Database }, { BuildsStore }] = [await lib('store/src/database'), await lib('store/src/builds.store')];
  const { LogsStore } = await lib('store/src/logs.store');
  const db = await Database.connect({ url, pool: 9 });
  const [builds, logs] = [new BuildsStore(db), new LogsStore(db)];
  for (const [n, bytes] of [
    [1, 2_048],
    [8, 2_048],
    [1, 131_072],
    [8, 131_072],
  ]) {
    const text = Buffer.from(
      `${randomBytes(50).toString('hex').slice(0, 99)}\n`.repeat(Math.ceil(bytes / 100)),
    ).subarray(0, bytes);
    text[bytes - 1] = 10;
    const lineCount = text.toString().split('\n').length - 1;
    const leases = [];
    for (let at = 0; at < n; at += 1)
      leases.push({ ...(await builds.claimNext({ workerId: `bench-${at}`, leaseMs: 600_000 })), seq: 0, byte: 0 });
    const perSecond = await rate(n, async (loop) => {
      const log = leases[loop];
      const runs = [{ count: lineCount, time: new Date(), stream: 'stdout' }];
      const rest = { bytes: text, runs, openLines: [], openLengths: [] };
      await logs.append(log.lease, { firstSeq: log.seq, lineCount, firstByte: log.byte, ...rest });
      log.seq += lineCount;
      log.byte += text.length;
    });
    const megabytes = ((perSecond * bytes) / 1e6).toFixed(1);
    say(
      'log chunks stored',
      `${n} builds at once, ${bytes / 1024} KiB each`,
      `${whole(perSecond)} /s (${megabytes} MB/s of text)`,
    );
    for (const { lease } of leases) await builds.apply(lease, 'FAULT', [], new Date());
  }
  await db.close();
}

/** User and system time of a process, in ms. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function readers(url, redisUrl, folder) {
  const [{ Database }, { BuildsStore }] = [await lib('store/src/database'), await lib('store/src/builds.store')];
  const { LogsStore } = await lib('store/src/logs.store');
  const { freePort } = await part('free-port');
  const db = await Database.connect({ url, pool: 3 });
  const [builds, logs] = [new BuildsStore(db), new LogsStore(db)];
  const { build, lease } = await builds.claimNext({ workerId: 'bench-live', leaseMs: 600_000 });
  const port = await freePort();
  const token = `kiln_${randomBytes(12).toString('hex')}`;
  const settings = {
    KILNYARD_PORT: String(port),
    KILNYARD_DATABASE_URL: url,
    KILNYARD_REDIS_URL: redisUrl,
    KILNYARD_DATA_DIR: join(folder, 'api'),
    KILNYARD_MASTER_KEY: randomBytes(32).toString('base64'),
    KILNYARD_ADMIN_TOKEN: token,
    KILNYARD_LOG_LEVEL: 'silent',
  };
  const api = spawn(process.execPath, ['--no-warnings', 'dist/apps/api/src/main.js'], {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    const at = `http://127.0.0.1:${port}`;
    while (
      !(await fetch(`${at}/health`).then(
        () => true,
        () => false,
      ))
    )
      await sleep(100);
    let seq = 0;
    let byte = 0;
    for (const n of [100, 300, 1_000]) {
      const stop = new AbortController();
      const delays = [];
      let opened = 0;
      const reading = Array.from({ length: n }, async () => {
        const answer = await fetch(`${at}/v1/builds/${build.projectName}:${build.id}/log?cursor=${seq}`, {
          headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` },
          signal: stop.signal,
        });
        opened += 1;
        for await (const chunk of answer.body) {
          const now = Date.now();
          for (const [, sent] of Buffer.from(chunk)
            .toString()
            .matchAll(/SENT (\d+) \./g))
            delays.push(now - Number(sent));
        }
      }).map((one) => one.catch(quiet));
      for (const late = performance.now() + 60_000; opened < n && performance.now() < late;) await sleep(100);
      await sleep(1_000);
      delays.length = 0;
      const [began, cpu] = [performance.now(), cpuMs(api.pid)];
      for (let tick = 0; tick < SECONDS * 10; tick += 1) {
        const bytes = Buffer.from(`${'x'.repeat(80)}\n`.repeat(99) + `SENT ${Date.now()} .\n`);
        const rest = { runs: [{ count: 100, time: new Date(), stream: 'stdout' }], openLines: [], openLengths: [] };
        await logs.append(lease, { firstSeq: seq, lineCount: 100, firstByte: byte, bytes, ...rest });
        seq += 100;
        byte += bytes.length;
        await sleep(Math.max(0, began + (tick + 1) * 100 - performance.now()));
      }
      const wanted = n * SECONDS * 10;
      for (const late = performance.now() + 15_000; delays.length < wanted && performance.now() < late;)
        await sleep(50);
      const used = ((cpuMs(api.pid) - cpu) / (performance.now() - began)) * 100;
      delays.sort((a, b) => a - b);
      const [p50, p99] = [0.5, 0.99].map((p) => delays[Math.floor(delays.length * p)] ?? NaN);
      const got = ((delays.length / wanted) * 100).toFixed(0);
      say(
        'live readers of one log, 1,000 lines/s',
        `${n} on one API`,
        `${p50} ms p50, ${p99} ms p99, ${used.toFixed(0)} % of a core, ${got} % of the lines`,
      );
      stop.abort();
      await Promise.all(reading);
    }
  } finally {
    const ended = new Promise((resolve) => api.once('exit', resolve));
    api.kill('SIGTERM');
    await ended;
    await db.close();
  }
}

async function items(redisUrl) {
  const { BuildQueue } = await lib('queue/src/producer');
  for (const n of [1, 16]) {
    const queue = new BuildQueue({ redisUrl, prefix: `bench-${n}` });
    const perSecond = await rate(n, () => queue.add(randomUUID()));
    say('queue items added', `${n} at once`, `${whole(perSecond)} /s`);
    await queue.close();
  }
}

async function bytes(blobs, name) {
  const MiB = 2 ** 20;
  const piece = randomBytes(MiB);
  const source = () =>
    Readable.from(
      (function* () {
        for (let n = 0; n < 256; n += 1) yield piece;
      })(),
    );
  let began = performance.now();
  await blobs.put('bench/large', source());
  say('store 256 MiB', name, `${whole(256 / ((performance.now() - began) / 1000))} MiB/s`);
  began = performance.now();
  for await (const chunk of await blobs.get('bench/large')) void chunk;
  say('read 256 MiB', name, `${whole(256 / ((performance.now() - began) / 1000))} MiB/s`);
  let n = 0;
  const perSecond = await rate(4, () =>
    blobs.put(`bench/small/${(n += 1)}`, Readable.from([piece.subarray(0, 10_240)])),
  );
  say('store objects of 10 KiB', `${name}, 4 at once`, `${whole(perSecond)} /s`);
  await blobs.deletePrefix('bench/');
}

async function main() {
  const [{ thisMachine }, { ProcessTable }, { openDataFolder }] = await Promise.all(
    ['machine', 'process-table', 'data-folder'].map(part),
  );
  const [{ startPostgres }, { startRedis }] = [await part('postgres'), await part('redis')];
  const { migrate } = await lib('store/src/migrate');
  const folder = await mkdtemp(join(tmpdir(), 'kilnyard-scaling-'));
  await openDataFolder(folder);
  const machine = thisMachine();
  const table = new ProcessTable(join(folder, 'processes.json'));
  const ends = [() => rm(folder, { recursive: true, force: true })];
  try {
    const on = { folder, machine, table, say: quiet };
    const redis = await startRedis(on);
    ends.push(() => redis.process.stop());
    const postgres = await startPostgres(on);
    if (!postgres.data.startsWith(folder))
      ends.push(() => rm(dirname(postgres.data), { recursive: true, force: true }));
    ends.push(() => postgres.process.stop());
    const s3 = await startS3({ ...on, folder: join(folder, 's3') });
    ends.push(() => s3.stop());
    await migrate(postgres.url);
    await makeProjects(postgres.url);
    await claims(postgres.url);
    await appends(postgres.url);
    await readers(postgres.url, redis.url, folder);
    await items(redis.url);
    const [{ DiskBlobs }, { S3Blobs }] = [await lib('blobs/src/disk-blobs'), await lib('blobs/src/s3-blobs')];
    await bytes(new DiskBlobs({ root: join(folder, 'blobs') }), 'local disk');
    const { endpoint, region, bucket, accessKeyId, secretAccessKey } = s3;
    const place = {
      endpoint,
      region,
      bucket,
      prefix: '',
      pathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    };
    const remote = new S3Blobs({ place });
    await bytes(remote, 'Swift, S3 API, same machine');
    remote.close();
  } finally {
    for (const end of ends.reverse()) await end();
  }
  console.log(`${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}; all servers on this machine\n`);
  console.log('| what | with | measured |\n| --- | --- | --- |');
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
}

async function makeProjects(url) {
  const [{ Database }, { ProjectsStore }] = [await lib('store/src/database'), await lib('store/src/projects.store')];
  const { LogsStore } = await lib('store/src/logs.store');
  const db = await Database.connect({ url, pool: 3 });
  const projects = new ProjectsStore(db);
  const environment = {
    type: 'LINUX_CONTAINER',
    image: 'x',
    computeType: 'BUILD_GENERAL1_SMALL',
    environmentVariables: [],
    privilegedMode: false,
  };
  const none = { secondarySources: [], secondarySourceVersions: [], secondaryArtifacts: [], tags: [], priority: 0 };
  const limits = { timeoutInMinutes: 60, queuedTimeoutInMinutes: 480 };
  const kinds = {
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
    artifacts: { type: 'NO_ARTIFACTS' },
    cache: { type: 'NO_CACHE' },
  };
  for (let n = 0; n < 100; n += 1) await projects.create(`bench-${n}`, { ...kinds, ...none, ...limits, environment });
  await new LogsStore(db).ensurePartitions([new Date()]);
  await db.close();
}

await main();
process.exit();
