// As an operator who pulls a worker's plug I see its build end FAULT once the lease has run out, by any other worker's sweep.
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

it('a build of a worker that vanished is settled, and is not run a second time', async () => {
  const { client } = house;
  await client.project('lost');
  const { id } = await client.start('lost');
  // this one claims and is never heard of again
  await new BuildsStore(house.database).claimNext({ workerId: asWorkerId('gone-00000001'), leaseMs: 1 });
  await house.addWorker();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'FAULT', attempt: 1, worker: 'gone-00000001' });
  expect(phasesOf(build).slice(-2)).toEqual(['PROVISIONING FAULT', 'COMPLETED -']);
  expect(build.phases.at(-2)!.contexts[0]!.message).not.toBe('');
  expect((await client.run('lost')).buildStatus).toBe('SUCCEEDED');
});
