// As a user with more builds than slots I see why mine waits and where it stands, and each build runs exactly once.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

const HOLD = specOf({ build: ['sleep 600'] });

describe('without a worker', () => {
  let house: House;
  beforeAll(async () => {
    house = await House.start({ workers: 0 });
  });
  afterAll(() => house.stop());

  it('a build waits, says so, and runs when one comes', async () => {
    const { client } = house;
    await client.project('lonely');
    const { id } = await client.start('lonely');
    expect((await client.get(id)).waiting).toMatchObject({ reason: 'NO_WORKER', position: 1 });
    await house.addWorker();
    expect(await client.ended(id)).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
  });
});

describe('with one slot', () => {
  let house: House;
  beforeEach(async () => {
    house = await House.start({ slots: 1 });
  });
  afterEach(() => house.stop());

  /** A build that holds the slot until it is stopped. */
  async function hold(): Promise<string> {
    await house.client.project('holder', { buildspec: HOLD });
    const { id } = await house.client.start('holder');
    await house.client.inPhase(id, 'BUILD');
    return id;
  }

  it('the next ones wait for it, in their order; a higher priority goes first', async () => {
    const { client } = house;
    const holder = await hold();
    await client.project('plain');
    await client.project('urgent', { priority: 10 });
    const first = await client.start('plain');
    const second = await client.start('plain');
    const urgent = await client.start('urgent');
    for (const [id, position] of [
      [urgent.id, 1],
      [first.id, 2],
      [second.id, 3],
    ] as const)
      expect((await client.get(id)).waiting).toMatchObject({ reason: 'WORKERS_BUSY', position });
    await client.stop(holder);
    const ended = [];
    for (const { id } of [urgent, first, second]) ended.push((await client.ended(id)).phases[2]!.startTime);
    expect(ended).toEqual([...ended].sort());
  });

  it('an emptied Redis loses none of those that wait', async () => {
    const { client } = house;
    const holder = await hold();
    await client.project('flushed');
    const waiting = [];
    for (let count = 0; count < 4; count += 1) waiting.push(await client.start('flushed'));
    const redis = new Redis(house.env['KILNYARD_REDIS_URL']!);
    await redis.flushall();
    await redis.quit();
    await client.stop(holder);
    for (const { id } of waiting) expect((await client.ended(id)).buildStatus).toBe('SUCCEEDED');
  });

  it('a build whose worker is shut down is left running, and the next worker goes on with it', async () => {
    const { client } = house;
    const holder = await hold();
    await client.project('after');
    const next = await client.start('after');
    await house.workers[0]!.running.close(0);
    expect((await client.get(holder)).currentPhase).toBe('BUILD');
    expect(await house.sandboxes()).toHaveLength(1);
    const successor = await house.addWorker();
    await client.until(holder, 'is adopted', (build) => build.worker === successor.id);
    expect((await client.get(next.id)).waiting).toMatchObject({ reason: 'WORKERS_BUSY' });
    await client.stop(holder);
    expect((await client.ended(holder)).buildStatus).toBe('STOPPED');
    expect((await client.ended(next.id)).buildStatus).toBe('SUCCEEDED');
  });

  it('a build that outlives its lease stays with its worker when that lives: it renews the lease', async () => {
    const { client } = house;
    const holder = await hold();
    const { worker } = await client.get(holder);
    // as if the worker had stood still for longer than its lease
    await house.database.query(
      `UPDATE build SET lease_until = now() - interval '1 second' WHERE status = 'IN_PROGRESS'`,
    );
    await client.stop(holder); // which its worker hears by renewing
    expect(await client.ended(holder)).toMatchObject({ buildStatus: 'STOPPED', worker, log: { complete: true } });
  });

  it('deleting the project of a build that runs leaves the build alone', async () => {
    const { client } = house;
    const holder = await hold();
    expect((await client.ask('DELETE', '/v1/projects/holder')).status).toBe(204);
    expect((await client.get(holder)).buildStatus).toBe('IN_PROGRESS');
    await client.stop(holder);
    expect((await client.ended(holder)).buildStatus).toBe('STOPPED');
  });
});

describe('with slots enough', () => {
  let house: House;
  beforeAll(async () => {
    house = await House.start({ workers: 2, slots: 2 });
  });
  afterAll(() => house.stop());

  it('a project keeps to its limit, and says so', async () => {
    const { client } = house;
    await client.project('limited', { concurrentBuildLimit: 1, buildspec: HOLD });
    const first = await client.start('limited');
    await client.inPhase(first.id, 'BUILD');
    const second = await client.start('limited');
    expect((await client.get(second.id)).waiting).toMatchObject({
      reason: 'PROJECT_LIMIT',
      position: 1,
      message: 'Project limited runs 1 builds; its concurrentBuildLimit is 1.',
    });
    await client.stop(first.id);
    await client.inPhase(second.id, 'BUILD');
    await client.stop(second.id);
    await client.ended(second.id);
  });

  it('builds that a worker takes when its engine has just gone wait until it is back', async () => {
    const { client } = house;
    const { backend } = house.workers[0]!;
    await client.project('unlucky');
    backend!.healthy = false;
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) ids.push((await client.start('unlucky')).id);
    await until('the worker says so', async () => {
      const { items } = await client.json<{ items: { state: string }[] }>('GET', '/v1/workers');
      return items.some(({ state }) => state === 'DEGRADED');
    });
    backend!.healthy = true;
    const builds = await Promise.all(ids.map((id) => client.ended(id)));
    expect(builds.map(({ buildStatus }) => buildStatus)).toEqual(ids.map(() => 'SUCCEEDED'));
    // a slot that has met it takes no other: none is met by more than one worker's slots
    expect(
      builds.flatMap(({ attempts }) => attempts.filter(({ retriedAs }) => retriedAs !== null)).length,
    ).toBeLessThan(5);
  });

  it('two workers share many builds, each of which runs once', async () => {
    const { client } = house;
    await client.project('shared', { buildspec: specOf({ build: ['echo ran $CODEBUILD_BUILD_NUMBER'] }) });
    const started = await Promise.all(Array.from({ length: 12 }, () => client.start('shared')));
    const ended = await Promise.all(started.map(({ id }) => client.ended(id)));
    for (const build of ended) {
      expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
      expect(await client.output(build.id)).toEqual([`ran ${build.buildNumber}`]);
    }
    expect(new Set(ended.map(({ worker }) => worker)).size).toBe(2);
    expect(new Set(ended.map(({ buildNumber }) => buildNumber)).size).toBe(12);
  });

  it('the same Idempotency-Key starts one build; a retry builds the same commit again', async () => {
    const { client } = house;
    const { url, work } = await house.git.repository('retried', {
      'buildspec.yml': specOf({ build: ['echo $WHAT; cat which'] }),
      which: 'first\n',
    });
    await client.project('retried', { source: { type: 'GIT', location: url } });
    const body = { environmentVariablesOverride: [{ name: 'WHAT', value: 'given' }] };
    const key = { 'idempotency-key': 'once' };
    const [a, b] = [
      await client.json<{ id: string }>('POST', '/v1/projects/retried/builds', body, key),
      await client.json<{ id: string }>('POST', '/v1/projects/retried/builds', body, key),
    ];
    expect(a.id).toBe(b.id);
    const build = await client.ended(a.id);
    await work.commit({ which: 'second\n' });
    const { id } = await client.json<{ id: string }>('POST', `/v1/builds/${a.id}/retry`);
    const again = await client.ended(id);
    expect(again).toMatchObject({
      buildStatus: 'SUCCEEDED',
      retryOf: a.id,
      resolvedSourceVersion: build.resolvedSourceVersion,
    });
    expect(await client.output(id)).toEqual(['given', 'first']);
  });
});
