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

/** A build of `project`; what of its cache it tells. */
async function use(
  project: string,
  variables: Record<string, string> = {},
): Promise<{
  result: string;
  restoredKey: string | null;
  restoredFrom: string | null;
  saved: string | null;
  key: string;
}> {
  const environmentVariablesOverride = Object.entries(variables).map(([name, value]) => ({ name, value }));
  const build = await house.client.run(project, { environmentVariablesOverride });
  expect(build.buildStatus).toBe('SUCCEEDED');
  const { result, restoredKey, restoredFrom, saved, key } = build.cacheUse!;
  return { result, restoredKey, restoredFrom, saved, key };
}
const hit = (key: string, restoredFrom = 'own') => ({ key, result: 'hit', restoredKey: key, restoredFrom });
const miss = (key: string) => ({ key, result: 'miss', restoredKey: null, restoredFrom: null });
const fallback = (key: string, restoredKey: string) => ({ key, result: 'fallback', restoredKey, restoredFrom: 'own' });

/** One that writes its LOCK into the cached folder, for the next to find. */
const KEYED = specOf(
  { build: ['cat store/lock 2>/dev/null || echo nothing', 'mkdir -p store && echo "$LOCK" > store/lock'] },
  { cache: { key: 'npm-${LOCK}', 'fallback-keys': ['npm-${LOCK%-*}-', 'npm-'], paths: ['store/**/*'] } },
);
const LOCAL = { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] } as const;

it('is found by its key, by the first prefix that fits, and never changes', async () => {
  const { client } = house;
  await client.project('keyed', { cache: LOCAL, buildspec: KEYED });
  expect(await use('keyed', { LOCK: 'a-1' })).toEqual({ ...miss('npm-a-1'), saved: 'saved' });
  expect(await use('keyed', { LOCK: 'a-1' })).toEqual({ ...hit('npm-a-1'), saved: 'exists' });
  expect(await use('keyed', { LOCK: 'b-1' })).toEqual({ ...fallback('npm-b-1', 'npm-a-1'), saved: 'saved' });
  expect(await use('keyed', { LOCK: 'a-2' })).toEqual({ ...fallback('npm-a-2', 'npm-a-1'), saved: 'saved' });
  const again = await client.run('keyed', { environmentVariablesOverride: [{ name: 'LOCK', value: 'a-1' }] });
  expect(await client.output(again.id)).toEqual(['a-1']);
  expect((await client.raw(again.id)).toString()).toContain('Cache not saved: there is an entry with key npm-a-1');
});

it('is only saved, or only restored, when the buildspec says so', async () => {
  const { client } = house;
  const spec = (action: string): string =>
    specOf({ build: ['mkdir -p store && echo x > store/x'] }, { cache: { key: 'k', action, paths: ['store/**/*'] } });
  await client.project('half', { cache: LOCAL, buildspec: spec('restore') });
  expect(await use('half')).toEqual({ ...miss('k'), saved: null });
  const build = await client.run('half', { buildspecOverride: spec('save') });
  expect(build.cacheUse).toMatchObject({ result: 'skipped', saved: 'saved' });
  expect(await use('half')).toEqual({ ...hit('k'), saved: null });
});

it('of a build that is not trusted is read by itself alone, and it reads that of its base', async () => {
  const { client, database } = house;
  // what starts builds of other people's code will set it
  await database.query(`
    CREATE FUNCTION of_a_fork() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.retry_of IS NOT NULL THEN RETURN NEW; END IF;
      NEW.cache_scope := (SELECT value->>'value' FROM jsonb_array_elements(NEW.overrides->'environmentVariablesOverride') AS value
        WHERE value->>'name' = 'SCOPE' AND value->>'value' <> '');
      RETURN NEW; END $$`);
  await database.query('CREATE TRIGGER of_a_fork BEFORE INSERT ON build FOR EACH ROW EXECUTE FUNCTION of_a_fork()');
  try {
    await client.project('forked', { cache: LOCAL, buildspec: KEYED });
    const fork = { SCOPE: 'pull-request/17' };
    expect(await use('forked', { LOCK: 'a-1' })).toEqual({ ...miss('npm-a-1'), saved: 'saved' });
    expect(await use('forked', { ...fork, LOCK: 'a-1' })).toEqual({ ...hit('npm-a-1', 'base'), saved: 'exists' });
    expect(await use('forked', { ...fork, LOCK: 'c-1' })).toMatchObject({ restoredFrom: 'base', saved: 'saved' });
    expect(await use('forked', { ...fork, LOCK: 'c-1' })).toEqual({ ...hit('npm-c-1'), saved: 'exists' });
    expect(await use('forked', { LOCK: 'c-1' })).toEqual({ ...fallback('npm-c-1', 'npm-a-1'), saved: 'saved' });
    expect(await use('forked', { SCOPE: 'pull-request/18', LOCK: 'c-1' })).toMatchObject({ restoredFrom: 'base' });
    const build = await client.run('forked', {
      environmentVariablesOverride: Object.entries({ ...fork, LOCK: 'd-1' }).map(([name, value]) => ({ name, value })),
    });
    const retried = await client.ended((await client.json<{ id: string }>('POST', `/v1/builds/${build.id}/retry`)).id);
    expect([build.cacheScope, retried.cacheScope]).toEqual([fork.SCOPE, fork.SCOPE]);
  } finally {
    await database.query('DROP TRIGGER of_a_fork ON build; DROP FUNCTION of_a_fork');
  }
});

it('is shared by projects of one namespace, each beside its own source', async () => {
  const { client } = house;
  const cache = { type: 'S3', location: 'bucket/prefix', cacheNamespace: 'team' } as const;
  for (const name of ['first', 'second']) await client.project(name, { cache, buildspec: KEYED });
  expect(await use('first', { LOCK: 'a-1' })).toMatchObject({ result: 'miss', saved: 'saved' });
  const build = await client.run('second', { environmentVariablesOverride: [{ name: 'LOCK', value: 'a-1' }] });
  expect([build.cacheUse?.result, await client.output(build.id)]).toEqual(['hit', ['a-1']]);
});

it('is gone after a purge', async () => {
  const { client } = house;
  await client.project('purged', { cache: LOCAL, buildspec: KEYED });
  await use('purged', { LOCK: 'a-1' });
  expect(await client.json('DELETE', '/v1/projects/purged/cache')).toMatchObject({ entries: 1 });
  expect(await use('purged', { LOCK: 'a-1' })).toEqual({ ...miss('npm-a-1'), saved: 'saved' });
});

it.each([
  ['no-paths', { type: 'LOCAL', modes: ['LOCAL_SOURCE_CACHE', 'LOCAL_DOCKER_LAYER_CACHE'] }, 'k', 'Skip cache'],
  ['layers', { type: 'LOCAL', modes: ['LOCAL_DOCKER_LAYER_CACHE'] }, 'k', 'LOCAL_DOCKER_LAYER_CACHE has no effect'],
  ['no-key', LOCAL, '$NONE', 'its key could not be worked out: it is empty'],
])('is not used, says so, and the build goes on: %s', async (name, cache, key, said) => {
  const { client } = house;
  const buildspec = specOf({ build: ['echo on'] }, { cache: { key, paths: ['store/**/*'] } });
  const build = await client.build(name, { cache, buildspec });
  expect([build.buildStatus, build.cacheUse]).toEqual(['SUCCEEDED', null]);
  expect((await client.raw(build.id)).toString()).toContain(said);
});
