// As an operator I upgrade, restart and lose workers while builds run, and the builds go on as if nothing had been.
import { afterEach, expect, it } from '@jest/globals';
import { LEAVE_MS } from '../../apps/worker/src/leaving.js';
import { newCutOffProxy } from '../../apps/api/src/testing/cut-off-proxy.js';
import { settled } from '#testing/fake-clock.js';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

let house: House;
afterEach(() => house.stop());

const COUNTS = ['i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done', 'echo done'];
const counted = [...Array.from({ length: 100 }, (_, index) => `line ${index + 1}`), 'done'];

async function running(workers: number, slots = 2): Promise<string> {
  house = await House.start({ workers, slots });
  const { client } = house;
  await client.project('long', { buildspec: specOf({ build: COUNTS }) });
  const { id } = await client.start('long');
  await until('its output comes', async () => (await client.output(id)).length > 3);
  return id;
}

it('a rolling upgrade: the next worker goes on at once with what the old one ran', async () => {
  const id = await running(1);
  const next = await house.addWorker();
  await house.workers[0]!.running.close(60_000);
  const build = await house.client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1, worker: next.id });
  expect(await house.client.output(id)).toEqual(counted);
  expect(build.log).toMatchObject({ complete: true });
});

it('a restart: what runs is left at the end of the grace, and the next worker goes on with it', async () => {
  const id = await running(1);
  const began = (await house.client.get(id)).phases.find(({ phaseType }) => phaseType === 'BUILD')!.startTime;
  await house.workers[0]!.running.close(0);
  expect((await house.client.get(id)).buildStatus).toBe('IN_PROGRESS');
  await house.addWorker();
  const build = await house.client.ended(id);
  expect(build.buildStatus).toBe('SUCCEEDED');
  expect(await house.client.output(id)).toEqual(counted);
  expect(build.phases.find(({ phaseType }) => phaseType === 'BUILD')!.startTime).toBe(began);
  expect(phasesOf(build).every((line) => line.endsWith('SUCCEEDED') || line.startsWith('COMPLETED'))).toBe(true);
});

it('a worker that leaves waits also for what it took behind a build that it had gone on with', async () => {
  const first = await running(1, 1);
  const { client } = house;
  const { id: second } = await client.start('long');
  await house.workers[0]!.running.close(0);
  const leaving = await house.addWorker();
  expect(await client.ended(first)).toMatchObject({ buildStatus: 'SUCCEEDED', worker: leaving.id });
  await until('the other one runs', async () => (await client.output(second)).length > 3);
  expect((await client.get(second)).worker).toBe(leaving.id);
  const next = await house.addWorker();
  await leaving.close(60_000);
  expect(leaving.running).toBe(0);
  expect(await client.ended(second)).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1, worker: next.id });
  expect(await client.output(second)).toEqual(counted);
});

it('a worker whose database does not answer leaves all the same, and the next one goes on with what it ran', async () => {
  house = await House.start({ workers: 0 });
  const { client, clock } = house;
  const postgres = await newCutOffProxy(house.env['KILNYARD_DATABASE_URL']!);
  const leaving = await house.addWorker({ KILNYARD_DATABASE_URL: postgres.url });
  await client.project('long', { buildspec: specOf({ build: COUNTS }) });
  const { id } = await client.start('long');
  await until('its output comes', async () => (await client.output(id)).length > 3);
  postgres.stall();
  const left = leaving.close(60_000);
  clock.advance(60_000);
  await settled(); // its grace has ended
  clock.advance(LEAVE_MS);
  await left;
  const next = await house.addWorker();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1, worker: next.id });
  expect(await client.output(id)).toEqual(counted);
  await postgres.close();
});

it('what has not run a command yet goes back to the queue', async () => {
  house = await House.start({ workers: 1 });
  const { client } = house;
  await client.project('slow', { image: 'fake:slow-pull' });
  const { id } = await client.start('slow');
  await until('its image is pulled', async () => (await client.get(id)).currentPhase === 'PROVISIONING');
  await house.workers[0]!.running.close(0);
  const build = await client.get(id);
  expect(build).toMatchObject({ buildStatus: 'IN_PROGRESS', currentPhase: 'QUEUED' });
  await client.stop(id);
});
