// As a user with a cache my second build begins with what the first one left; a failed build leaves nothing.
// What a restored file holds is shown in test/docker: the fake backend has no file system of its own.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

it('is saved by a build that succeeds alone', async () => {
  const { client } = house;
  await client.project('cached', {
    cache: { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] },
    buildspec: specOf(
      { build: ['mkdir -p store && echo kept > store/file', '[ "$FAIL" != yes ]'] },
      { cache: { paths: ['store/**/*'] } },
    ),
  });
  const failing = { environmentVariablesOverride: [{ name: 'FAIL', value: 'yes' }] };
  const uses = [];
  for (const overrides of [failing, {}, failing, {}]) {
    const build = await client.run('cached', overrides);
    uses.push([build.buildStatus, build.cacheUse?.result, (build.cacheUse?.savedBytes ?? 0) > 0]);
    const log = (await client.raw(build.id)).toString();
    expect(log).toContain(build.cacheUse?.result === 'hit' ? 'Cache restored: ' : 'Cache miss');
  }
  expect(uses).toEqual([
    ['FAILED', 'miss', false],
    ['SUCCEEDED', 'miss', true],
    ['FAILED', 'hit', false],
    ['SUCCEEDED', 'hit', true],
  ]);
});
