// As an operator who pulls a worker's plug I see its builds settled once their leases have run out, by any other worker's sweep: run
// again where that does no harm or the project asks for it, FAULT otherwise.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { asWorkerId } from '#core/ids.js';
import { BuildsStore } from '#store/builds.store.js';
import { House } from '#testing/house.js';
import { phasesOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start({ workers: 0 });
});
afterAll(() => house.stop());

/** A worker claims the build, comes so far with it, and is never heard of again. */
async function vanish(how: 'before commands' | 'with commands running'): Promise<void> {
  const store = new BuildsStore(house.database);
  const { lease } = (await store.claimNext({ workerId: asWorkerId('gone-00000001'), leaseMs: 60_000 }))!;
  await store.apply(lease, 'SUCCEED', [], new Date());
  if (how === 'with commands running') {
    await store.setHandedOver(lease);
    await store.apply(lease, 'SUCCEED', [], new Date());
  }
  await store.renewLease(lease, 1);
}

it('a build whose commands ran is settled, and is not run a second time', async () => {
  const { client } = house;
  await client.project('lost');
  const { id } = await client.start('lost');
  await vanish('with commands running');
  await house.addWorker();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'FAULT', attempt: 1, worker: 'gone-00000001' });
  expect(phasesOf(build).slice(-2)).toEqual(['INSTALL FAULT', 'COMPLETED -']);
  expect(build.phases.at(-2)!.contexts).toEqual([
    {
      statusCode: 'INTERNAL_SERVICE_ERROR',
      message: 'The worker that ran this build was lost.',
      faultCode: 'WORKER_LOST',
    },
  ]);
  expect(build.attempts).toMatchObject([{ status: 'FAULT', cause: 'WORKER_LOST', retriedAs: null }]);
  expect((await client.run('lost')).buildStatus).toBe('SUCCEEDED');
});

it('one whose project asks for it gets another attempt', async () => {
  const { client } = house;
  for (const { running } of house.workers) await running.close(0);
  await client.project('again', { autoRetryLimit: 1, retryPolicy: { causes: ['WORKER_LOST'] } });
  const { id } = await client.start('again');
  await vanish('with commands running');
  const worker = await house.addWorker();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 2, worker: worker.id, autoRetry: { number: 1 } });
  expect(build.attempts[0]).toMatchObject({
    status: 'FAULT',
    cause: 'WORKER_LOST',
    retriedAs: 'AUTO_RETRY',
    workerId: 'gone-00000001',
  });
  expect(await client.output(id)).toContain('hello');
});

it('one that no command has seen gets another attempt for nothing', async () => {
  const { client } = house;
  for (const { running } of house.workers) await running.close(0);
  await client.project('free');
  const { id } = await client.start('free');
  await vanish('before commands');
  await house.addWorker();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 2, autoRetry: { limit: 0, number: 0 } });
  expect(build.attempts[0]).toMatchObject({ cause: 'WORKER_LOST', retriedAs: 'LOST_START' });
});
