// As an operator I run out of disk: what could not be done is told as ours, Kilnyard stays up, and goes on when there is room.
import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { mountSmallDisk } from '#testing/small-disk.js';
import { until } from '#testing/until.js';

const MB = 1024 ** 2;
const disk = mountSmallDisk(96 * MB);
const describeIf = disk === null ? describe.skip : describe;

afterAll(() => disk?.unmount());

describeIf("the worker's data folder on a small disk", () => {
  let house: House;
  beforeAll(async () => {
    const dataDir = join(disk!.path, 'data');
    mkdirSync(dataDir);
    house = await House.start({ settings: { KILNYARD_DATA_DIR: dataDir, KILNYARD_MIN_FREE_BYTES: String(30 * MB) } });
  });
  afterEach(() => disk!.empty());
  afterAll(() => house.stop());

  const worker = async (): Promise<{ state: string; message: string }> => {
    const { rows } = await house.database.query<{ state: string; message: string }>(
      'SELECT state, message FROM worker',
    );
    return rows[0]!;
  };
  const isActive = async (): Promise<boolean> => (await worker()).state === 'ACTIVE';
  const faultOf = async (id: string): Promise<unknown> =>
    (await house.client.get(id)).phases.find(({ phaseStatus }) => phaseStatus === 'FAULT');
  /** Written to until the disk says no. */
  const filling = 'head -c 200000000 /dev/zero > big';

  it('a build that meets the full disk ends FAULT, which names the disk; the next build runs', async () => {
    const { client } = house;
    const build = await client.build('fills', { buildspec: specOf({ build: ['echo before', filling] }) });
    expect(build.buildStatus).toBe('FAULT');
    const message = expect.stringMatching(/disk was full.*the worker's data folder: \d+ of 96 MiB free/);
    expect(await faultOf(build.id)).toMatchObject({ phaseType: 'BUILD', contexts: [{ message }] });
    const log = (await client.raw(build.id)).toString();
    expect(log).toContain('before\n');
    expect(log).toMatch(/the worker's data folder: \d+ of 96 MiB free/);
    await until('the worker is well again', isActive);
    expect((await client.build('after-filled')).buildStatus).toBe('SUCCEEDED');
  });

  it('output that cannot be stored is not lost in silence', async () => {
    const { client } = house;
    // the filler is the build's own, so that the disk is full while it writes and has room when it is gone
    const build = await client.build('floods', {
      buildspec: specOf({ build: [`${filling}; yes 0123456789abcdef | head -c 100000000`] }),
    });
    expect(build.buildStatus).toBe('FAULT');
    expect((await client.raw(build.id)).toString()).toMatch(/The disk was full while the build ran/);
    await until('the worker is well again', isActive);
  });

  it('takes no builds while there is little room, says so, and goes on by itself', async () => {
    const { client } = house;
    await disk!.fill(20 * MB);
    await until('the worker is degraded', async () => (await worker()).state === 'DEGRADED');
    expect((await worker()).message).toMatch(
      /^no builds are taken for want of disk \(the worker's data folder: 20 of 96 MiB free; KILNYARD_MIN_FREE_BYTES is 31457280\)/,
    );
    const health = await client.json<{ status: string; components: Record<string, { message: string }> }>(
      'GET',
      '/health',
    );
    expect([health.status, health.components['workers']?.message]).toEqual([
      'degraded',
      expect.stringMatching(/^No worker takes builds/),
    ]);
    expect(health.components['storage']?.message).toMatch(/^Only \d+ MiB are free/);
    await client.project('waits');
    const { id } = await client.start('waits');
    expect((await client.get(id)).currentPhase).toBe('QUEUED');
    await disk!.empty();
    expect((await client.ended(id)).buildStatus).toBe('SUCCEEDED');
  });

  it('an artifact that does not fit ends the build FAULT and leaves nothing; one that fits is stored', async () => {
    const { client } = house;
    const project = {
      buildspec: specOf({ build: ['head -c "$SIZE" /dev/urandom > a.bin'] }, { artifacts: { files: ['a.bin'] } }),
      artifacts: { type: 'S3', packaging: 'ZIP' },
    };
    await client.project('artifact', project);
    const sized = (value: number): Record<string, unknown> => ({
      environmentVariablesOverride: [{ name: 'SIZE', value: String(value) }],
    });
    const tooLarge = await client.run('artifact', sized(60 * MB));
    expect(tooLarge.buildStatus).toBe('FAULT');
    expect(await faultOf(tooLarge.id)).toMatchObject({
      phaseType: 'UPLOAD_ARTIFACTS',
      contexts: [{ message: expect.stringMatching(/^The artifact storage is full \(\d+ of 96 MiB free\)/) }],
    });
    expect(await readdir(join(house.dataDir, 'blobs', 'tmp'))).toEqual([]);
    await until('the worker is well again', isActive);
    expect((await client.run('artifact', sized(5 * MB))).buildStatus).toBe('SUCCEEDED');
  });

  it('an upload that does not fit is answered 507 with when to try again, and leaves nothing', async () => {
    const { client } = house;
    await disk!.fill(2 * MB);
    const body = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(8 * MB)]);
    const answer = await client.ask('POST', '/v1/uploads', body, { 'content-type': 'application/gzip' });
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('content-type')]).toEqual([
      507,
      '30',
      expect.stringContaining('application/problem+json'),
    ]);
    expect(await answer.json()).toMatchObject({
      code: 'STORAGE_FULL',
      detail: expect.stringContaining('artifacts and uploads'),
    });
    expect(await readdir(join(house.dataDir, 'blobs', 'tmp'))).toEqual([]);
    await disk!.empty();
    expect(
      (await client.ask('POST', '/v1/uploads', body.subarray(0, 4_000), { 'content-type': 'application/gzip' })).status,
    ).toBe(201);
  });
});
