// Cache entries on real Postgres: who finds what, what changes and what never does, and what a purge stops.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ProjectId } from '#core/ids.js';
import type { ProjectCache } from '#core/project.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { CacheEntriesStore, type NewCacheEntry, scopesOf, spaceOf } from './cache-entries.store.js';
import { Database } from './database.js';
import { ProjectsStore } from './projects.store.js';

const OWN: ProjectCache = { type: 'S3' };
const SHARED: ProjectCache = { type: 'S3', location: 'bucket/prefix', cacheNamespace: 'team' };
let test: TestDatabase;
let db: Database;
let caches: CacheEntriesStore;
let id: ProjectId;
let other: ProjectId;
let written: number;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 8 });
  caches = new CacheEntriesStore(db);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, doomed_blob CASCADE');
  const projects = new ProjectsStore(db);
  id = (await projects.create('demo', newProjectSettings())).id;
  other = (await projects.create('other', newProjectSettings())).id;
  written = 0;
});

function entry(over: Partial<NewCacheEntry> = {}): NewCacheEntry {
  const projectId = over.projectId ?? id;
  const location = `caches/${projectId}/${(written += 1)}`;
  const fixed = { projectId, space: projectId, scope: '', key: '', version: 'v', sha256: 'x', sourceFolder: null };
  return { ...fixed, sizeBytes: 3e9, location, ...over };
}
const add = (over: Partial<NewCacheEntry> = {}) => caches.add(entry(over), new Date());
const of = (projectId: ProjectId, scope: string | null = null) => ({ space: projectId, scopes: scopesOf(scope) });
async function doomed(): Promise<string[]> {
  const { rows } = await db.query<{ location: string }>(
    'SELECT location FROM doomed_blob WHERE due_at > now() ORDER BY location',
  );
  return rows.map((row) => row.location);
}

describe('what is found', () => {
  it('is the exact key, else the newest by prefix; of another list of paths or project nothing', async () => {
    for (const key of ['npm-a_b', 'npm-c', 'maven']) await add({ key });
    expect(await caches.find(of(id), 'npm-a_b', 'v')).toMatchObject({ key: 'npm-a_b', sizeBytes: 3e9, hits: 0 });
    expect((await caches.findByPrefix(of(id), 'npm-', 'v'))?.key).toBe('npm-c');
    expect(await caches.findByPrefix(of(id), 'npm_', 'v')).toBeNull(); // `_` is no pattern
    expect(await caches.findByPrefix(of(id), 'npm-', 'other')).toBeNull();
    expect(await caches.find(of(other), 'npm-c', 'v')).toBeNull();
  });

  it('is shared by a namespace with its location, for keys alone', async () => {
    expect(spaceOf(id, SHARED, true)).toBe(spaceOf(other, SHARED, true));
    expect(spaceOf(id, SHARED, true)).not.toBe(spaceOf(id, { ...SHARED, location: 'bucket' }, true));
    expect(spaceOf(id, SHARED, true)).not.toBe(spaceOf(id, { ...SHARED, cacheNamespace: 'teams' }, true));
    expect([spaceOf(id, SHARED, false), spaceOf(id, OWN, true)]).toEqual([id, id]);
    // a project's id as a namespace leads nowhere near its entries
    expect(spaceOf(other, { type: 'S3', cacheNamespace: id }, true)).not.toBe(id);
  });

  it('is one’s own first, then what trusted builds saved, never what others of no trust did', async () => {
    await add({ key: 'npm-1' });
    await add({ key: 'npm-1', scope: 'pull-request/17' });
    await add({ key: 'npm-2', scope: 'pull-request/18' });
    const find = async (scope: string | null, key: string) => (await caches.find(of(id, scope), key, 'v'))?.scope;
    expect([await find('pull-request/17', 'npm-1'), await find('pull-request/18', 'npm-1')]).toEqual([
      'pull-request/17',
      '',
    ]);
    expect([await find(null, 'npm-1'), await find(null, 'npm-2')]).toEqual(['', undefined]);
    const prefix = async (scope: string | null) => (await caches.findByPrefix(of(id, scope), 'npm-', 'v'))?.key;
    expect([await prefix(null), await prefix('pull-request/18'), await prefix('pull-request/19')]).toEqual([
      'npm-1',
      'npm-2',
      'npm-1',
    ]);
  });
});

describe('what is saved', () => {
  it('under a key is saved once, however many try at once', async () => {
    const ends = await Promise.all(Array.from({ length: 6 }, () => add({ key: 'k' })));
    expect(ends.sort()).toEqual(['exists', 'exists', 'exists', 'exists', 'exists', 'saved']);
    expect(await add({ key: 'k', scope: 'fork' })).toBe('saved'); // its own
  });

  it('without a key takes the place of what was there, whose bytes are given up, however many come at once', async () => {
    const entries = Array.from({ length: 6 }, () => entry());
    await Promise.all(entries.map((one) => caches.replace(one, new Date())));
    const left = (await caches.find(of(id), '', 'v'))!.location;
    const gone = entries.map(({ location }) => location).filter((location) => location !== left);
    expect(await doomed()).toEqual(gone.sort());
  });

  it('counts its hits, and is forgotten only with the bytes that were seen to be gone', async () => {
    await caches.replace(entry(), new Date());
    const seen = (await caches.find(of(id), '', 'v'))!;
    for (let hit = 0; hit < 2; hit += 1) await caches.touch(seen.id);
    expect(await caches.find(of(id), '', 'v')).toMatchObject({ hits: 2 });
    await caches.replace(entry(), new Date());
    await caches.forget(seen);
    const now = await caches.find(of(id), '', 'v');
    expect(now).toMatchObject({ hits: 0 });
    await caches.forget(now!);
    expect(await caches.find(of(id), '', 'v')).toBeNull();
  });

  it('goes with its project alone', async () => {
    await add({ projectId: other, key: 'k' });
    await add({ key: 'k' });
    await new ProjectsStore(db).delete('demo');
    expect([await caches.find(of(id), 'k', 'v'), (await caches.find(of(other), 'k', 'v'))?.key]).toEqual([null, 'k']);
    expect(await add({ key: 'late' })).toBe('purged');
  });
});

describe('a purge', () => {
  it('takes all that the project has and shares, and leaves the rest', async () => {
    const space = spaceOf(id, SHARED, true);
    await add({ key: 'a' });
    await add({ key: 'a', scope: 'fork' });
    await add({ projectId: other, space, key: 'b' });
    await add({ projectId: other, key: 'c' });
    expect(await caches.purge(id, SHARED)).toEqual({ entries: 3, bytes: 9e9 });
    expect(await doomed()).toHaveLength(3);
    expect((await caches.find(of(other), 'c', 'v'))?.key).toBe('c');
  });

  it('keeps builds that ran before it from saving what they may have restored', async () => {
    const before = new Date();
    await caches.purge(id, OWN);
    expect([await caches.add(entry({ key: 'k' }), before), await caches.replace(entry(), before)]).toEqual([
      'purged',
      'purged',
    ]);
    const { rows } = await db.query<{ now: Date }>(`SELECT now() + interval '1 millisecond' AS now`);
    expect(await caches.add(entry({ key: 'k' }), rows[0]!.now)).toBe('saved');
  });

  it('of one entry takes that of this project', async () => {
    await add({ key: 'a' });
    const { id: entryId } = (await caches.find(of(id), 'a', 'v'))!;
    expect([
      await caches.delete(other, entryId),
      await caches.delete(id, entryId),
      await caches.delete(id, entryId),
    ]).toEqual([false, true, false]);
    expect(await doomed()).toHaveLength(1);
  });
});

it('lists newest first, page by page', async () => {
  for (const key of ['a', 'b', 'c']) await add({ key });
  await add({ projectId: other, key: 'd' });
  const first = await caches.list(id, { limit: 2 });
  const second = await caches.list(id, { limit: 2, cursor: first.nextCursor! });
  expect([...first.items, ...second.items].map(({ key }) => key).sort()).toEqual(['a', 'b', 'c']);
  expect([first.items.length, second.nextCursor]).toEqual([2, null]);
  await expect(caches.list(id, { limit: 2, cursor: 'x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});
