// As an operator I lose my Docker Engine in the middle of builds: what lives on is gone on with, what does not is told.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { testDocker } from '#testing/docker-leaks.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { OwnEngine } from '#testing/own-engine.js';
import { until } from '#testing/until.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const LINES = 150;
const numbers = Array.from({ length: LINES }, (_, at) => `line ${at + 1}`);
const counting = specOf({
  build: [`i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done`],
});

describe.each([
  { what: 'that lets containers live on', liveRestore: true },
  { what: 'that takes its containers along', liveRestore: false },
])('an engine $what', ({ liveRestore }) => {
  let engine: OwnEngine;
  let house: House;
  beforeAll(async () => {
    engine = await OwnEngine.start({ liveRestore, apart: false });
    await engine.take(SH, testDocker());
    house = await House.start({
      backend: 'docker',
      // its network is another one than this process's, whose rules are not tried here
      settings: {
        KILNYARD_WAITING_MAX: '0',
        KILNYARD_DOCKER_SOCKET: engine.socket,
        KILNYARD_REQUIRE_FIREWALL: 'false',
      },
    });
  });
  afterEach(async () => {
    await until('the worker is well', async () => (await worker()).state === 'ACTIVE');
  });
  // each by itself: an engine that is left running keeps this process, whatever the house says
  afterAll(() => house?.stop());
  afterAll(() => engine?.close());

  const worker = async (): Promise<{ state: string; message: string }> => {
    const { rows } = await house.database.query<{ state: string; message: string }>(
      'SELECT state, message FROM worker',
    );
    return rows[0]!;
  };
  const project = { source: { type: 'NO_SOURCE', buildspec: counting }, environment: { image: SH } };

  it('is missed at once, no build is taken without it, and all is settled when it is back', async () => {
    const { client } = house;
    await client.project('running', project);
    await client.project('waiting', {
      ...project,
      source: { type: 'NO_SOURCE', buildspec: specOf({ build: ['echo ran'] }) },
    });
    const running = await client.start('running');
    await client.says(running.id, 'line 10');
    await engine.kill();
    await until('the worker says so', async () => (await worker()).state === 'DEGRADED');
    expect((await worker()).message).toMatch(/the Docker Engine does not answer/);
    const waiting = await client.start('waiting');
    // what the container writes meanwhile is followed all the same: its spool is the worker's
    if (liveRestore) await client.says(running.id, 'line 60');
    expect(await client.get(waiting.id)).toMatchObject({ currentPhase: 'QUEUED', buildStatus: 'IN_PROGRESS' });
    await engine.up();
    const build = await client.ended(running.id);
    const output = (await client.output(running.id)).filter((line) => line.startsWith('line '));
    if (liveRestore) expect([build.buildStatus, output]).toEqual(['SUCCEEDED', numbers]);
    else {
      expect(build.buildStatus).toBe('FAULT');
      expect(build.phases.find(({ phaseStatus }) => phaseStatus === 'FAULT')).toMatchObject({
        phaseType: 'BUILD',
        contexts: [{ message: expect.stringMatching(/ended from outside|Docker Engine was restarted/) }],
      });
      // none is missing before the end, none is there twice
      expect(output).toEqual(numbers.slice(0, output.length));
      expect(output.length).toBeGreaterThanOrEqual(10);
    }
    expect((await client.ended(waiting.id)).buildStatus).toBe('SUCCEEDED');
  });
});
