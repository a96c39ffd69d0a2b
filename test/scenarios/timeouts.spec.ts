// As a user I say how long a build may wait and run; one that takes longer ends TIMED_OUT, and says which of the two it was.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseBuildId } from '#core/ids.js';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

describe('a build that takes too long', () => {
  it('ends in the phase that it is in', async () => {
    const { client } = house;
    await client.project('slow', {
      timeoutInMinutes: 5,
      buildspec: specOf({ build: { commands: ['echo began', 'sleep 600'] }, post_build: ['echo never'] }),
    });
    const { id } = await client.start('slow');
    await client.says(id, 'began');
    house.clock.advance(5 * 60_000);
    const build = await client.ended(id);
    expect(build.buildStatus).toBe('TIMED_OUT');
    expect(phasesOf(build).slice(-2)).toEqual(['BUILD TIMED_OUT', 'COMPLETED -']);
    expect(build.phases.at(-2)!.contexts).toEqual([{ statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' }]);
    expect(await client.output(id)).toEqual(['began']);
    expect(build.log.complete).toBe(true);
  });

  it('to get its turn leaves the queue', async () => {
    const { client } = house;
    await client.project('waits', {
      concurrentBuildLimit: 1,
      queuedTimeoutInMinutes: 5,
      buildspec: specOf({ build: ['sleep 600'] }),
    });
    const first = await client.start('waits');
    await client.inPhase(first.id, 'BUILD');
    const second = await client.start('waits');
    await house.database.query(`UPDATE build SET queue_deadline = now() - interval '1 second' WHERE id = $1`, [
      parseBuildId(second.id).id,
    ]);
    const build = await client.ended(second.id);
    expect(build).toMatchObject({ buildStatus: 'TIMED_OUT', attempt: 0 });
    expect(phasesOf(build)).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED TIMED_OUT', 'COMPLETED -']);
    expect(build.phases[1]!.contexts[0]!.statusCode).toBe('BUILD_QUEUE_TIMED_OUT');
    await client.stop(first.id);
    await client.ended(first.id);
  });
});
