// As a team with special machines I say what a build needs, and it runs there: nowhere else, and without waiting for a timer.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningWorker } from '../../apps/worker/src/start-worker.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

const HOLD = specOf({ build: ['sleep 600'] });

describe('fleets and labels', () => {
  let house: House;
  const workers: Record<'plain' | 'gpu' | 'macs', RunningWorker> = {} as never;
  beforeAll(async () => {
    // a sweep in ten minutes: whatever starts here was woken
    house = await House.start({ workers: 0, slots: 1, settings: { KILNYARD_SWEEP_MS: '600000' } });
    workers.plain = await house.addWorker();
    workers.gpu = await house.addWorker({ KILNYARD_WORKER_LABELS: 'gpu, arch=arm64' });
    workers.macs = await house.addWorker({ KILNYARD_WORKER_FLEET: 'macs', KILNYARD_WORKER_LABELS: 'arch=arm64' });
  });
  afterAll(() => house.stop());

  it('are listed with the workers', async () => {
    const { items } = await house.client.json<{ items: { id: string }[] }>('GET', '/v1/workers');
    const of = (worker: RunningWorker): unknown => items.find(({ id }) => id === String(worker.id));
    expect(of(workers.plain)).toMatchObject({ fleet: '', labels: [] });
    expect(of(workers.gpu)).toMatchObject({ fleet: '', labels: ['arch=arm64', 'gpu'] });
    expect(of(workers.macs)).toMatchObject({ fleet: 'macs', labels: ['arch=arm64'] });
  });

  it('bring each build to a worker that it fits, whoever is woken first', async () => {
    const { client } = house;
    await client.project('anywhere');
    await client.project('on-gpu', { environment: { image: 'fake:1', labels: ['gpu'] } });
    await client.project('on-macs', { environment: { image: 'fake:1', fleet: { fleetArn: 'macs' } } });
    const started = [];
    for (let round = 0; round < 4; round += 1)
      for (const name of ['on-gpu', 'anywhere', 'on-macs']) started.push(await client.start(name));
    for (const { id, projectName } of started) {
      const build = await client.ended(id);
      expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
      const fit = { anywhere: [workers.plain, workers.gpu], 'on-gpu': [workers.gpu], 'on-macs': [workers.macs] };
      expect(fit[projectName as keyof typeof fit].map(({ id }) => String(id))).toContain(build.worker);
    }
  });

  it('are asked for at a build’s start as well', async () => {
    const { client } = house;
    await client.project('chosen');
    const labels = await client.run('chosen', { labelsOverride: ['arch=arm64'] });
    expect(labels).toMatchObject({ worker: String(workers.gpu.id), environment: { labels: ['arch=arm64'] } });
    const arn = 'arn:aws:codebuild:eu-central-1:123456789012:fleet/macs:0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f';
    const fleet = await client.run('chosen', { fleetOverride: { fleetArn: arn }, labelsOverride: ['arch=arm64'] });
    expect(fleet.worker).toBe(String(workers.macs.id));
  });

  it('that nobody carries keep a build waiting, and it says for what', async () => {
    const { client } = house;
    await client.project('nowhere', { environment: { image: 'fake:1', labels: ['quantum', 'gpu'] } });
    const { id } = await client.start('nowhere');
    expect((await client.get(id)).waiting).toEqual({
      reason: 'NO_MATCHING_WORKER',
      message: expect.stringMatching(/^No worker with the labels gpu, quantum that takes builds has been seen/),
      position: 1,
    });
    await client.stop(id);
    const away = await client.start('nowhere', { fleetOverride: { fleetArn: 'away' } });
    expect((await client.get(away.id)).waiting?.message).toMatch(
      /^No worker of fleet away with the labels gpu, quantum/,
    );
    await client.stop(away.id);
  });

  it('count their own slots, and a slot that is free starts what a full one met', async () => {
    const { client } = house;
    await client.project('holds', { buildspec: HOLD, environment: { image: 'fake:1', labels: ['gpu'] } });
    const holder = await client.start('holds');
    await client.inPhase(holder.id, 'BUILD');
    const second = await client.start('holds');
    expect((await client.get(second.id)).waiting).toMatchObject({
      reason: 'WORKERS_BUSY',
      message: '1 of 1 slots on 1 worker(s) that fit are in use.',
    });
    await client.stop(holder.id);
    await client.inPhase(second.id, 'BUILD');
    await client.stop(second.id);
    await client.ended(second.id);
  });

  it('do not keep a project that was at its limit from starting elsewhere', async () => {
    const { client } = house;
    await client.project('limited', { concurrentBuildLimit: 1, buildspec: HOLD });
    const first = await client.start('limited', { fleetOverride: { fleetArn: 'macs' } });
    await client.inPhase(first.id, 'BUILD');
    const second = await client.start('limited', { labelsOverride: ['gpu'] });
    expect((await client.get(second.id)).waiting?.reason).toBe('PROJECT_LIMIT');
    await client.stop(first.id);
    expect((await client.inPhase(second.id, 'BUILD')).worker).toBe(String(workers.gpu.id));
    await client.stop(second.id);
    await client.ended(second.id);
  });

  it.each([
    [{ environment: { image: 'fake:1', labels: ['a b'] } }, 'environment.labels[0]'],
    [{ environment: { image: 'fake:1', labels: ['fleet=macs'] } }, 'environment.labels[0]'],
    [{ environment: { image: 'fake:1', fleet: { fleetArn: 'no good' } } }, 'environment.fleet.fleetArn'],
  ])('must be well-formed: %j', async (over, field) => {
    const answer = await house.client.ask('POST', '/v1/projects', {
      name: 'malformed',
      source: { type: 'NO_SOURCE', buildspec: HOLD },
      ...over,
    });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { findings: unknown[] }).findings).toMatchObject([{ field }]);
  });
});
