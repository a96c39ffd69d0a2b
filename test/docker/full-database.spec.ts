// As an operator I let the disk under Postgres run full while builds run: they wait, the service stays up and says what is wrong, and
// all goes on when there is room.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import { openDataFolder } from '../../apps/standalone/src/data-folder.js';
import { thisMachine } from '../../apps/standalone/src/machine.js';
import { startPostgres, type EmbeddedPostgres } from '../../apps/standalone/src/postgres.js';
import { ProcessTable } from '../../apps/standalone/src/process-table.js';
import { migrate } from '#store/migrate.js';
import { containersLeft, testDocker } from '#testing/docker-leaks.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { smallDatabases, type SmallDatabase } from '#testing/small-database.js';
import { mountSmallDisk, type SmallDisk } from '#testing/small-disk.js';
import { until } from '#testing/until.js';
import { linesOf, printLines, type LineRun } from '../faults/lines.js';

const MB = 1024 ** 2;
const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
/** Some 14 MB, and more than half of it in the database. */
const run: LineRun = { tag: 'line', seed: 5, count: 600_000, pauseEvery: 0, pauseMs: 0, fill: 0 };
const lines = ['begun', ...linesOf(run)];
const flood = specOf({
  build: ['echo begun', 'while [ ! -e /codebuild/output/go ]; do sleep 0.05; done', printLines(run)],
});
const settings = {
  KILNYARD_WAITING_MAX: '0',
  KILNYARD_SPOOL_LIMIT_BYTES: String(MB),
  KILNYARD_MIN_FREE_BYTES: '0',
  KILNYARD_LEASE_MS: '5000',
};

/** A build that has begun and waits to be let go. */
async function begun(house: House): Promise<{ build: BuildView; letGo: () => Promise<void> }> {
  const { client } = house;
  await client.project('flood', { buildspec: flood, image: SH });
  await client.project('short', { image: SH, buildspec: specOf({ build: ['echo ran'] }) });
  const { id } = await client.start('flood');
  await client.says(id, 'begun');
  const build = await client.get(id);
  const folder = join(house.dataDir, 'sandboxes', `${id.split(':')[1]}-${build.attempt}`, 'workspace');
  return { build, letGo: () => writeFile(join(folder, 'go'), '') };
}

async function isPaused(house: House): Promise<boolean> {
  const states = await Promise.all(
    (await containersLeft(house.dataDir)).map((id) => testDocker().getContainer(id).inspect()),
  );
  return states.some(({ State }) => State.Paused);
}

async function expectWhole(house: House, build: BuildView): Promise<void> {
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
  expect(await house.client.output(build.id)).toEqual(lines);
  const raw = await house.client.raw(build.id);
  expect(build.log).toMatchObject({ complete: true, sha256: createHash('sha256').update(raw).digest('hex') });
}

/** What is stored of it is its beginning. */
async function expectBeginning(house: House, { id }: BuildView): Promise<number> {
  const output = await house.client.output(id);
  expect(output).toEqual(lines.slice(0, output.length));
  return output.length;
}

const makeDatabase = await smallDatabases(160 * MB);
const ownDisk = mountSmallDisk(200 * MB);
const describeIf = makeDatabase === null || ownDisk === null ? describe.skip : describe;
afterAll(() => ownDisk?.unmount());

describeIf('the disk of the tables is full', () => {
  let database: SmallDatabase;
  let house: House;
  beforeAll(async () => {
    database = await makeDatabase!();
    house = await House.start({ backend: 'docker', settings, database });
  });
  afterEach(() => database.disk.empty());
  afterAll(() => house?.stop());

  /** Starts builds until one is refused. Out: those that were taken. */
  async function startUntilRefused(): Promise<string[]> {
    const taken: string[] = [];
    let refused: Response | null = null;
    await until('a build is refused', async () => {
      const answer = await house.client.ask('POST', '/v1/projects/short/builds', {});
      if (answer.status === 201) taken.push(((await answer.json()) as BuildView).id);
      else refused = answer;
      return refused !== null;
    });
    expect([refused!.status, refused!.headers.get('retry-after')]).toEqual([507, '30']);
    expect(await refused!.json()).toMatchObject({ code: 'STORAGE_FULL', detail: expect.stringContaining('Postgres') });
    return taken;
  }

  it('a build that floods is paused with its output on the worker, and all of it is there when there is room', async () => {
    const { client } = house;
    const { build, letGo } = await begun(house);
    await database.disk.fill(3 * MB);
    await letGo();
    await until('the container is paused', () => isPaused(house));
    const taken = await startUntilRefused();
    expect(await client.get(build.id)).toMatchObject({ buildStatus: 'IN_PROGRESS', currentPhase: 'BUILD' });
    expect(await expectBeginning(house, build)).toBeLessThan(lines.length);
    const health = await client.json<{ status: string; components: Record<string, unknown> }>('GET', '/health');
    expect(health).toMatchObject({
      status: 'degraded',
      components: { database: { status: 'degraded', message: expect.stringContaining('full') } },
    });
    await database.disk.empty();
    await expectWhole(house, await client.ended(build.id));
    for (const id of taken) expect((await client.ended(id)).buildStatus).toBe('SUCCEEDED');
    expect((await client.run('short')).buildStatus).toBe('SUCCEEDED');
  });
});

describeIf('the disk of the tables stays full', () => {
  let database: SmallDatabase;
  let house: House;
  beforeAll(async () => {
    database = await (await smallDatabases(160 * MB))!();
    house = await House.start({
      backend: 'docker',
      settings: { ...settings, KILNYARD_DATABASE_AWAY_MS: '1500' },
      database,
    });
  });
  afterAll(() => house?.stop());

  it('a build is ended when it has waited for long enough, and says for what', async () => {
    const { client } = house;
    const { build, letGo } = await begun(house);
    await database.disk.fill(2 * MB);
    await letGo();
    await until('the container is paused', () => isPaused(house));
    await until('the container is ended', async () => !(await isPaused(house)));
    await database.disk.empty();
    const ended = await client.ended(build.id);
    expect(ended.buildStatus).toBe('FAULT');
    expect(ended.phases.find(({ phaseStatus }) => phaseStatus === 'FAULT')).toMatchObject({
      phaseType: 'BUILD',
      contexts: [
        {
          statusCode: 'INTERNAL_SERVICE_ERROR',
          faultCode: 'LOG_APPEND_FAILED',
          message: expect.stringMatching(/^lines from \d+ on could not be stored: Postgres has no disk space left$/),
        },
      ],
    });
    expect(await expectBeginning(house, build)).toBeGreaterThan(0);
    await until('its log is closed', async () => (await client.get(build.id)).log.state === 'cut');
    expect((await client.run('short')).buildStatus).toBe('SUCCEEDED');
  });
});

describeIf('the disk of all that Postgres writes is full', () => {
  let disk: SmallDisk;
  let postgres: EmbeddedPostgres;
  let house: House;
  const said: string[] = [];
  beforeAll(async () => {
    disk = ownDisk!;
    const folder = join(disk.path, 'kilnyard');
    await mkdir(folder);
    await openDataFolder(folder);
    const table = new ProcessTable(join(folder, 'processes.json'));
    // as `npm start` runs it; a segment of the log that is full is not used again
    const flags = ['fsync=off', 'wal_recycle=off', 'max_wal_size=32MB', 'min_wal_size=32MB'];
    const say = (line: string): void => void said.push(line);
    postgres = await startPostgres({ folder, machine: thisMachine(), table, say, flags });
    await migrate(postgres.url);
    house = await House.start({
      backend: 'docker',
      settings,
      database: { url: postgres.url, drop: () => postgres.process.stop() },
    });
  });
  afterEach(() => disk.empty());
  afterAll(() => house?.stop());

  /** The write-ahead log is in the last MB of its segment. */
  async function nearSegmentsEnd(): Promise<void> {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    try {
      await client.query(`SELECT pg_logical_emit_message(false, 'fill', repeat('x', greatest(0, 15 * 1024 * 1024 -
        (SELECT file_offset FROM pg_walfile_name_offset(pg_current_wal_lsn())))))`);
    } finally {
      await client.end();
    }
  }

  it('it dies and is started again until there is room: the API answers 503 meanwhile, and the build goes on as if nothing had been', async () => {
    const { client } = house;
    const { build, letGo } = await begun(house);
    await nearSegmentsEnd();
    // less than another segment
    await disk.fill(12 * MB);
    await letGo();
    await until('Postgres has died', () => said.some((line) => /^postgres ended .*starting it again/.test(line)));
    await until('the container is paused', () => isPaused(house));
    for (const [method, path] of [
      ['GET', `/v1/builds/${build.id}`],
      ['POST', '/v1/projects/short/builds'],
    ] as const) {
      const answer = await client.ask(method, path, method === 'POST' ? {} : undefined);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
      expect(await answer.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    }
    await disk.empty();
    await until('the API answers', async () => (await client.ask('GET', `/v1/builds/${build.id}`)).status === 200);
    await expectWhole(house, await client.ended(build.id));
    expect((await client.run('short')).buildStatus).toBe('SUCCEEDED');
  });
});
