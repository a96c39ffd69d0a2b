// Caches with keys in real containers: what only a shell can tell, and what two projects share.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

const IMAGE = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const LOCAL = { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] } as const;

let house: House;
beforeAll(async () => {
  house = await House.start({ backend: 'docker' });
});
afterAll(() => house.stop());

/** Shows what it finds in the cache, and leaves its number there: in the workspace, and outside it where `outside`. */
function buildspec(key: string, outside = false): string {
  const files = ['store/file', ...(outside ? ['/root/.store/file'] : [])];
  return specOf(
    {
      build: files.flatMap((file) => [
        `cat ${file} 2>/dev/null || echo nothing`,
        `mkdir -p $(dirname ${file}) && echo "by $CODEBUILD_BUILD_NUMBER of $CODEBUILD_PROJECT_ARN" | sed 's/ arn.*[/]/ /' > ${file}`,
      ]),
    },
    { cache: { key, 'fallback-keys': ['deps-'], paths: files.map((file) => file.replace('/file', '/**/*')) } },
  );
}

it('are found by hashes of files and the words of commands while both are the same', async () => {
  const { client } = house;
  const key = "deps-$(uname -s)-$(codebuild-hash-files '**/*.lock' | cut -c1-12)";
  const files = { 'app.lock': '1', 'web/app.lock': 'web', 'buildspec.yml': buildspec(key) };
  const { url, work } = await house.git.repository('hashed', files);
  await client.project('hashed', { image: IMAGE, cache: LOCAL, source: { type: 'GIT', location: url } });
  const seen: unknown[] = [];
  const keys: string[] = [];
  for (const change of [null, ['readme', 'x'], ['web/app.lock', 'new']] as const) {
    if (change !== null) await work.commit({ [change[0]]: change[1] });
    const build = await client.run('hashed');
    keys.push(build.cacheUse!.key);
    seen.push([build.cacheUse!.result, build.cacheUse!.saved, ...(await client.output(build.id))]);
  }
  expect(seen).toEqual([
    ['miss', 'saved', 'nothing'],
    ['hit', 'exists', 'by 1 of hashed'],
    ['fallback', 'saved', 'by 1 of hashed'],
  ]);
  expect(keys).toEqual([keys[0], keys[0], expect.stringMatching(/^deps-Linux-[0-9a-f]{12}$/)]);
  expect(keys[2]).not.toBe(keys[0]);
});

it('are shared by two projects of a namespace, in the workspace and outside it', async () => {
  const { client } = house;
  const cache = { type: 'S3', location: 'bucket', cacheNamespace: 'team' } as const;
  for (const name of ['giver', 'taker'])
    await client.project(name, { image: IMAGE, cache, buildspec: buildspec('deps-1', true) });
  await client.run('giver');
  const build = await client.run('taker');
  expect([build.cacheUse?.result, await client.output(build.id)]).toEqual(['hit', ['by 1 of giver', 'by 1 of giver']]);
});
