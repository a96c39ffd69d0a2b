// As an operator I run out of disk under real containers: what they could not write is told.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { mountSmallDisk } from '#testing/small-disk.js';
import { until } from '#testing/until.js';

const MB = 1024 ** 2;
const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const disk = mountSmallDisk(96 * MB);
const describeIf = disk === null ? describe.skip : describe;

afterAll(() => disk?.unmount());

describeIf('containers on a small disk', () => {
  let house: House;
  beforeAll(async () => {
    const dataDir = join(disk!.path, 'data');
    mkdirSync(dataDir);
    const settings = {
      KILNYARD_WAITING_MAX: '0',
      KILNYARD_DATA_DIR: dataDir,
      KILNYARD_MIN_FREE_BYTES: String(30 * MB),
    };
    house = await House.start({ backend: 'docker', settings });
  });
  afterAll(() => house.stop());

  const build = (name: string, commands: string[]): ReturnType<typeof house.client.build> =>
    house.client.build(name, { buildspec: specOf({ build: commands }), image: SH });
  const fill = 'head -c 200000000 /dev/zero > big';
  const wellAgain = (): Promise<void> =>
    until('the worker is well again', async () => {
      const { rows } = await house.database.query<{ state: string }>('SELECT state FROM worker');
      return rows[0]?.state === 'ACTIVE';
    });

  it('a command that meets the full disk ends its build FAULT, and the next build runs', async () => {
    const { buildStatus, phases } = await build('fills', [fill]);
    expect(buildStatus).toBe('FAULT');
    expect(phases.find(({ phaseStatus }) => phaseStatus === 'FAULT')).toMatchObject({
      phaseType: 'BUILD',
      contexts: [{ message: expect.stringMatching(/disk was full.*the worker's data folder: \d+ of 96 MiB free/) }],
    });
    await wellAgain();
    expect((await build('after', ['echo hello'])).buildStatus).toBe('SUCCEEDED');
  });

  it('output that was lost while the disk was full makes a fault of a build that went well, with room by then', async () => {
    const { buildStatus, id } = await build('holes', [
      `${fill} || true`,
      'yes 0123456789abcdef | head -c 3000000 || true',
      'rm big',
      'true',
    ]);
    expect(buildStatus).toBe('FAULT');
    expect((await house.client.raw(id)).toString()).toContain(
      'The disk was full while the build ran: its output could not be stored, and the log lacks what came after',
    );
    await wellAgain();
  });

  it('a build that ends what stores its output is told so in its log', async () => {
    const { buildStatus, id } = await build('own-doing', ['echo before', 'killall -9 cat']);
    const log = (await house.client.raw(id)).toString();
    expect([buildStatus, log]).toEqual(['SUCCEEDED', expect.stringContaining('\nbefore\n')]);
    expect(log).toContain('The build ended the process that stores its output (exit status 137)');
  });
});
