// A project's cache over HTTP: what is in it, and how it goes.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ProjectId } from '#core/ids.js';
import { CacheEntriesStore } from '#store/cache-entries.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { newApiUnderTest, type ApiUnderTest } from '../testing/api-under-test.js';

let api: ApiUnderTest;
let entries: CacheEntriesStore;
let projectId: ProjectId;
beforeAll(async () => {
  api = await newApiUnderTest();
  entries = new CacheEntriesStore(api.database);
  await api.startBuild();
  projectId = (await new ProjectsStore(api.database).get('demo')).id;
});
afterAll(() => api.close());

const add = (key: string, scope = '') =>
  entries.add(
    {
      ...{ projectId, space: projectId, scope, key, version: 'v', sizeBytes: 10, sha256: 'x', sourceFolder: null },
      location: `caches/${projectId}/${key}${scope}`,
    },
    new Date(),
  );

interface Entry {
  id: string;
  key: string;
  scope: string | null;
  shared: boolean;
  sizeBytes: number;
  hits: number;
}
async function list(query = ''): Promise<{ items: Entry[]; nextCursor: string | null }> {
  const answer = await api.ask('GET', `/v1/projects/demo/cache${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { items: Entry[]; nextCursor: string | null };
}

it('is listed with what each entry is for, page by page', async () => {
  await add('npm-1');
  await add('npm-1', 'pull-request/17');
  const reach = { space: projectId, scopes: [''] };
  await entries.touch((await entries.find(reach, 'npm-1', 'v'))!.id);
  const { items } = await list();
  expect(items.map(({ key, scope, hits }) => [key, scope, hits]).sort()).toEqual([
    ['npm-1', null, 1],
    ['npm-1', 'pull-request/17', 0],
  ]);
  expect(items[0]).toMatchObject({ shared: false, sizeBytes: 10 });
  const first = await list('?limit=1');
  const second = await list(`?limit=1&cursor=${first.nextCursor}`);
  expect([first.items[0]!.id, second.items[0]!.id].sort()).toEqual(items.map(({ id }) => id).sort());
});

it('loses one entry, and then all', async () => {
  const { items } = await list();
  const [{ id }] = items as [Entry, Entry];
  expect((await api.ask('DELETE', `/v1/projects/demo/cache/${id}`)).status).toBe(204);
  expect((await api.ask('DELETE', `/v1/projects/demo/cache/${id}`)).status).toBe(204);
  expect((await list()).items).toHaveLength(1);
  const purged = await api.ask('DELETE', '/v1/projects/demo/cache');
  expect([purged.status, await purged.json()]).toEqual([200, { entries: 1, sizeBytes: 10 }]);
  expect((await list()).items).toEqual([]);
});

it('is refused for what is not there, and to those who may not ask', async () => {
  expect((await api.ask('GET', '/v1/projects/none/cache')).status).toBe(404);
  expect((await api.ask('DELETE', '/v1/projects/none/cache')).status).toBe(404);
  expect((await api.ask('DELETE', '/v1/projects/demo/cache/..%2fx')).status).toBe(400);
  const nobody = { authorization: 'Bearer kiln_nobody' };
  expect((await api.ask('DELETE', '/v1/projects/demo/cache', undefined, nobody)).status).toBe(401);
});
