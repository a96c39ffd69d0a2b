// As a user whose builds sometimes fail for reasons that pass, I have them tried again as my project says, and see every attempt.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asWorkerId, parseBuildId } from '#core/ids.js';
import type { Lease } from '#core/build.js';
import { BuildsStore } from '#store/builds.store.js';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';
import type { ReceivedEvent } from '#testing/read-events.js';

/** The sweep would start a retry too; here it comes too late for that. */
const NO_SWEEP = { KILNYARD_SWEEP_MS: '600000' };

/** Counts its runs in a file of the data folder, says which it is, and ends with the exit status that `exits` has for that run. */
function counting(house: House, name: string, exits: number[], phase: Record<string, unknown> = {}): string {
  const file = join(house.dataDir, name);
  const cases = exits.map((exit, run) => `${run + 1}) exit ${exit};;`).join(' ');
  const command = `echo x >> ${file}; run=$(($(wc -l < ${file}))); echo "run $run"; case $run in ${cases} esac`;
  return specOf({ build: { commands: [command], ...phase }, post_build: ['echo "after $run"'] });
}
async function runsOf(house: House, name: string): Promise<number> {
  return (await readFile(join(house.dataDir, name), 'utf8')).length / 2;
}

describe('with a worker', () => {
  let house: House;
  beforeAll(async () => {
    house = await House.start({ settings: NO_SWEEP });
  });
  afterAll(() => house.stop());

  it('a build is tried again while it ends as its policy names, each attempt with a log of its own', async () => {
    const { client } = house;
    await client.project('flaky', {
      autoRetryLimit: 2,
      retryPolicy: { causes: ['FAILED'], exitCodes: [75] },
      buildspec: counting(house, 'flaky', [75, 75, 75]),
    });
    const { id } = await client.start('flaky');
    const events: ReceivedEvent[] = [];
    for await (const event of client.follow(id)) events.push(event);

    const build = await client.get(id);
    expect(build).toMatchObject({ buildStatus: 'FAILED', attempt: 3, autoRetry: { limit: 2, number: 2 } });
    expect(
      build.attempts.map(({ attempt, status, exitCode, retriedAs }) => [attempt, status, exitCode, retriedAs]),
    ).toEqual([
      [1, 'FAILED', 75, 'AUTO_RETRY'],
      [2, 'FAILED', 75, 'AUTO_RETRY'],
      [3, 'FAILED', 75, null],
    ]);
    expect(await runsOf(house, 'flaky')).toBe(3);
    for (const attempt of [1, 2, 3]) {
      expect(await client.output(id, attempt)).toContain(`run ${attempt}`);
      expect(build.attempts[attempt - 1]!.log.complete).toBe(true);
    }
    expect(phasesOf(build).slice(0, 3)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED SUCCEEDED', 'PROVISIONING SUCCEEDED']);
    expect(build.attempts[0]!.phases!.map(({ phaseType }) => phaseType).slice(-3)).toEqual([
      'UPLOAD_ARTIFACTS',
      'FINALIZING',
      'COMPLETED',
    ]);

    // one stream told it all, in order
    const told = events.flatMap(({ event, data }) => [
      ...(event === 'attempt' ? [`attempt ${data.attempt}`] : []),
      ...(data.lines ?? []).filter(({ text }) => text.startsWith('run ')).map(({ text }) => text),
      ...(event === 'end' ? [`end of ${data.attempt}: ${data.buildStatus}`] : []),
    ]);
    expect(told).toEqual(['run 1', 'attempt 2', 'run 2', 'attempt 3', 'run 3', 'end of 3: FAILED']);
  });

  it('the attempt that goes well ends it', async () => {
    const { client } = house;
    const build = await client.build('mended', { autoRetryLimit: 5, buildspec: counting(house, 'mended', [1, 0]) });
    expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 2, autoRetry: { limit: 5, number: 1 } });
    expect(await runsOf(house, 'mended')).toBe(2);
    expect(await client.output(build.id)).toContain('run 2');
  });

  it.each<[string, Record<string, unknown>]>([
    ['no limit', {}],
    ['another exit status', { autoRetryLimit: 3, retryPolicy: { causes: ['FAILED'], exitCodes: [75] } }],
    ['another cause', { autoRetryLimit: 3, retryPolicy: { causes: ['WORKER_LOST', 'FAULT', 'TIMED_OUT'] } }],
  ])('a build that fails with %s is run once', async (why, settings) => {
    const name = `once-${why.replace(/ /g, '-')}`;
    const build = await house.client.build(name, { ...settings, buildspec: counting(house, name, [7]) });
    expect(build).toMatchObject({ buildStatus: 'FAILED', attempt: 1 });
    expect(await runsOf(house, name)).toBe(1);
  });

  it('a build can ask for more tries than its project', async () => {
    const { client } = house;
    await client.project('asked', { buildspec: counting(house, 'asked', [3, 0]) });
    const build = await client.run('asked', { autoRetryLimitOverride: 1 });
    expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 2 });
  });

  it.each<[string, string, number[], number, string]>([
    ['RETRY', 'RETRY', [1, 1, 1, 1], 4, 'FAILED'],
    ['a count', 'Retry-1', [1, 1], 2, 'FAILED'],
    ['a count of 0', 'RETRY-0', [1], 1, 'FAILED'],
    ['a pattern that matches', 'RETRY-exit status 7[0-9]$', [75, 0], 2, 'SUCCEEDED'],
    ['a count and a pattern', 'retry-5-exit status 7[0-9]$', [75, 76, 1], 3, 'FAILED'],
    ['a pattern that does not match', 'RETRY-5-exit status 7[0-9]$', [1], 1, 'FAILED'],
  ])('a buildspec asks for more tries itself: on-failure of %s', async (what, onFailure, exits, runs, status) => {
    const { client } = house;
    const name = `on-failure-${what.replace(/ /g, '-')}`;
    const build = await client.build(name, {
      buildspec: counting(house, name, exits, { 'on-failure': onFailure }),
    });
    expect([build.buildStatus, build.attempt, await runsOf(house, name)]).toEqual([status, runs, runs]);
    expect(build.attempts.map(({ retriedAs }) => retriedAs)).toEqual([...Array(runs - 1).fill('ON_FAILURE'), null]);
    // what follows a failure in CodeBuild's table follows it in each attempt
    for (let run = 1; run <= runs; run += 1) expect(await client.output(build.id, run)).toContain(`after ${run}`);
  });

  it('a build that is stopped is not tried again', async () => {
    const { client } = house;
    await client.project('stopped', { autoRetryLimit: 5, buildspec: specOf({ build: ['sleep 600'] }) });
    const { id } = await client.start('stopped');
    await client.inPhase(id, 'BUILD');
    await client.stop(id);
    expect(await client.ended(id)).toMatchObject({ buildStatus: 'STOPPED', attempt: 1 });
  });
});

describe('without a worker', () => {
  let house: House;
  beforeAll(async () => {
    house = await House.start({ workers: 0 });
  });
  afterAll(() => house.stop());

  /** As a worker that takes the build and has its commands fail. */
  async function failOnce(id: string): Promise<Lease> {
    const store = new BuildsStore(house.database);
    const { lease } = (await store.claimNext({ workerId: asWorkerId('gone-00000001'), leaseMs: 60_000 }))!;
    expect(lease.buildId).toBe(parseBuildId(id).id);
    await store.apply(lease, 'SUCCEED', [], new Date());
    await store.setHandedOver(lease);
    await store.apply(lease, 'SUCCEED', [], new Date());
    await store.apply(
      lease,
      'FAIL',
      [{ statusCode: 'COMMAND_EXECUTION_ERROR', message: 'exit', exitCode: 1 }],
      new Date(),
    );
    await store.apply(lease, 'SUCCEED', [], new Date());
    return lease;
  }

  it('a build that waits for its next attempt says so, and can be stopped', async () => {
    const { client } = house;
    await client.project('waits', { autoRetryLimit: 1 });
    const { id } = await client.start('waits');
    await failOnce(id);
    expect(await client.get(id)).toMatchObject({
      currentPhase: 'QUEUED',
      worker: null,
      waiting: { reason: 'NO_WORKER', position: 1 },
    });
    expect(await client.stop(id)).toMatchObject({ buildStatus: 'STOPPED', attempt: 1 });
    const stopped = await client.ended(id);
    expect(phasesOf(stopped)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED STOPPED', 'COMPLETED -']);
    expect(stopped.attempts.map(({ status }) => status)).toEqual(['FAILED']);
  });

  it('builds leave the queue at their timeout, in their first wait and in a later one', async () => {
    const { client } = house;
    await client.project('expires', { autoRetryLimit: 1 });
    const retried = (await client.start('expires')).id;
    await failOnce(retried);
    const fresh = (await client.start('expires')).id;
    await house.database.query(`UPDATE build SET queue_deadline = now() WHERE status = 'IN_PROGRESS'`);
    for (const [id, attempt] of [
      [fresh, 0],
      [retried, 1],
    ] as const) {
      const build = await client.ended(id);
      expect(build).toMatchObject({ buildStatus: 'TIMED_OUT', attempt });
      expect(build.phases.at(-2)).toMatchObject({
        phaseType: 'QUEUED',
        contexts: [{ statusCode: 'BUILD_QUEUE_TIMED_OUT' }],
      });
    }
  });
});
