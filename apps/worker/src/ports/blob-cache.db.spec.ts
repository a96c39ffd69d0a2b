// The cache store on real Postgres and a disk: what is saved says how it is packed, who sees it, and what becomes of it when something
// goes wrong in the middle.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import type { ProjectId } from '#core/ids.js';
import type { PackedTar } from '#engine/ports.js';
import { CacheEntriesStore, spaceOf } from '#store/cache-entries.store.js';
import { Database } from '#store/database.js';
import { ProjectsStore } from '#store/projects.store.js';
import { evictCaches } from '#store/retention/evict-caches.js';
import { RetentionStore } from '#store/retention/retention.store.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { mountSmallDisk } from '#testing/small-disk.js';
import { BlobCache, type BlobCacheOptions } from './blob-cache.js';

const { signal } = new AbortController();
const MB = 1024 ** 2;
const disk = mountSmallDisk(8 * MB);
let test: TestDatabase;
let db: Database;
let root: string;
let blobs: DiskBlobs;
let entries: CacheEntriesStore;
let id: ProjectId;
let cache: BlobCache;
beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 4 });
  root = await mkdtemp(join(tmpdir(), 'blob-cache-'));
  entries = new CacheEntriesStore(db);
});
beforeEach(async () => {
  await db.query('TRUNCATE project, doomed_blob CASCADE');
  await rm(root, { recursive: true, force: true });
  blobs = new DiskBlobs({ root });
  id = (await new ProjectsStore(db).create('demo', newProjectSettings())).id;
  cache = newCache();
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
  disk?.unmount();
  if (root !== undefined) await rm(root, { recursive: true, force: true });
});

function newCache(over: Partial<BlobCacheOptions> = {}): BlobCache {
  const plain = { scope: null, since: new Date(), quotaBytes: 0, evict: async () => undefined };
  return new BlobCache({ blobs, entries, project: { id, cache: { type: 'S3' } }, ...plain, ...over });
}
const bytesOf = (text: string): Readable => Readable.from([Buffer.from(text)]);
const packed = (bytes: Readable, how: Partial<PackedTar> = {}): PackedTar => ({
  ...{ codec: 'zstd', workspaceOnly: true, bytes },
  ...how,
});
const save = (of: BlobCache, key: string, bytes: Readable | string, how?: Partial<PackedTar>) =>
  of.save({
    ...{ key, version: 'v', replace: key === '', sourceFolder: 'src1/src', signal },
    packed: packed(typeof bytes === 'string' ? bytesOf(bytes) : bytes, how),
  });
const restore = (of: BlobCache, key = '', ...fallbackPrefixes: string[]) =>
  of.restore({ key, fallbackPrefixes, version: 'v', signal });
/** What a build finds, as text. */
async function found(of: BlobCache, key = '', ...prefixes: string[]): Promise<string | null> {
  const entry = await restore(of, key, ...prefixes);
  return entry === null ? null : (await buffer(entry.packed.bytes)).toString();
}
async function stored(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list('caches/')) keys.push(key);
  return keys;
}
/** All objects that no entry names. */
const orphans = async (): Promise<string[]> =>
  new RetentionStore(db, {
    buildsDays: 0,
    buildsCount: 0,
    logsDays: 0,
    artifactsDays: 0,
    artifactsCount: 0,
  }).withoutRow(await stored());
function breakingOff(error: Error): Readable {
  return Readable.from(
    (async function* () {
      yield Buffer.from('half');
      throw error;
    })(),
  );
}

describe('an entry', () => {
  it.each([
    ['gzip', false],
    ['gzip', true],
    ['zstd', false],
    ['zstd', true],
  ] as const)('comes back as it was packed: %s, of the workspace alone: %s', async (codec, workspaceOnly) => {
    await save(cache, '', codec, { codec, workspaceOnly });
    const entry = (await restore(cache))!;
    expect(entry).toMatchObject({ exact: true, from: 'own', sizeBytes: 4, sourceFolder: 'src1/src' });
    expect(entry.packed).toMatchObject({ codec, workspaceOnly });
    expect((await buffer(entry.packed.bytes)).toString()).toBe(codec);
  });

  it('of earlier versions is read', async () => {
    await save(cache, '', 'old', { codec: 'gzip', workspaceOnly: false });
    expect((await stored())[0]).toMatch(/^[^.]*\.tar\.gz$/);
  });

  it('is told how often it was of use', async () => {
    await save(cache, 'k', 'x');
    for (const key of ['k', 'other']) await found(cache, key, 'k');
    expect(await entries.find({ space: id, scopes: [''] }, 'k', 'v')).toMatchObject({ hits: 2 });
  });

  it('under a key never changes, and what would take its place is not even read', async () => {
    expect(await save(cache, 'k', 'first')).toEqual({ sizeBytes: 5, saved: 'saved' });
    const unread = bytesOf('second');
    expect(await save(cache, 'k', unread)).toEqual({ sizeBytes: 0, saved: 'exists' });
    expect(unread.destroyed).toBe(true);
    expect(await found(cache, 'k')).toBe('first');
  });
});

describe('scopes', () => {
  it('let a build that is not trusted read its base and write only its own', async () => {
    const fork = newCache({ scope: 'pull-request/17' });
    const second = newCache({ scope: 'pull-request/18' });
    await save(cache, 'k', 'of the base');
    await save(cache, '', 'base, no key');
    expect([await found(fork, 'k'), await found(fork)]).toEqual(['of the base', 'base, no key']);
    expect((await restore(fork, 'other', 'k'))?.from).toBe('base');
    // poison
    expect(await save(fork, 'k', 'poison')).toEqual({ sizeBytes: 6, saved: 'saved' });
    await save(fork, '', 'poison, no key');
    await save(fork, 'k-newer', 'poison by prefix');
    for (const one of [cache, second]) {
      expect([await found(one, 'k'), await found(one), await found(one, 'x', 'k-')]).toEqual([
        'of the base',
        'base, no key',
        null,
      ]);
    }
    expect([await found(fork, 'k'), await found(fork), await found(fork, 'x', 'k-')]).toEqual([
      'poison',
      'poison, no key',
      'poison by prefix',
    ]);
  });

  it.each(['', '/', '../', '%', '_', 'k/./'])('cannot be left by a key like %j', async (key) => {
    const fork = newCache({ scope: `fork${key}` });
    await save(fork, `${key}k`, 'poison');
    expect([await found(cache, `${key}k`), await found(cache, 'x', key, `${key}k`, 'fork')]).toEqual([null, null]);
  });

  it('hold within a shared namespace', async () => {
    const shared = { type: 'S3', location: 'bucket', cacheNamespace: 'team' } as const;
    const other = (await new ProjectsStore(db).create('other', newProjectSettings())).id;
    const [mine, theirs] = [id, other].map((one) => newCache({ project: { id: one, cache: shared } })) as [
      BlobCache,
      BlobCache,
    ];
    await save(newCache({ project: { id, cache: shared }, scope: 'fork' }), 'k', 'poison');
    expect(await found(theirs, 'k')).toBeNull();
    await save(mine, 'k', 'shared');
    await save(mine, '', 'own');
    expect([await found(theirs, 'k'), await found(theirs)]).toEqual(['shared', null]);
    expect(await found(newCache({ project: { id: other, cache: { ...shared, location: 'x' } } }), 'k')).toBeNull();
  });
});

describe('when something goes wrong', () => {
  it('the bytes break off: what was there before stays, and nothing else', async () => {
    await save(cache, '', 'before');
    await expect(save(cache, '', breakingOff(new Error('tar ended with exit status 2')))).rejects.toThrow('tar ended');
    expect([await found(cache), (await stored()).length]).toEqual(['before', 1]);
  });

  it('two builds save one key at the same time: one of them does', async () => {
    const [slow, quick] = [new PassThrough(), new PassThrough()];
    const both = [save(newCache(), 'k', slow), save(newCache(), 'k', quick)];
    slow.write('slow');
    quick.end('quick');
    expect(await both[1]).toEqual({ sizeBytes: 5, saved: 'saved' });
    slow.end();
    expect(await both[0]).toEqual({ sizeBytes: 0, saved: 'exists' });
    expect([await found(cache, 'k'), (await stored()).length]).toEqual(['quick', 1]);
  });

  it('a worker dies in the middle of a save: nobody sees half of it, the next saves, and what lies about goes', async () => {
    const dying = new PassThrough();
    const never = save(newCache(), 'k', dying);
    never.catch(() => undefined); // ended below
    dying.write(Buffer.alloc(MB, 1));
    expect(await found(cache, 'k', 'k')).toBeNull();
    expect(await save(newCache(), 'k', 'whole')).toMatchObject({ saved: 'saved' });
    expect(await found(cache, 'k')).toBe('whole');
    dying.destroy(new Error('gone'));
    await expect(never).rejects.toThrow('gone');
    expect(await stored()).toHaveLength(1);
  });

  it('a worker dies between the bytes and the row: the bytes are found to be nobody’s', async () => {
    const cut = Object.create(entries, {
      add: { value: () => Promise.reject(new Error('killed')) },
    }) as CacheEntriesStore;
    await expect(save(newCache({ entries: cut }), 'k', 'lost')).rejects.toThrow('killed');
    expect(await found(cache, 'k', 'k')).toBeNull();
    expect(await orphans()).toEqual(await stored());
    expect(await save(cache, 'k', 'whole')).toMatchObject({ saved: 'saved' });
    expect(await orphans()).toHaveLength(1);
  });

  it.each([
    ['gone', async (key: string) => blobs.delete(key)],
    ['cut short', async (key: string) => void (await blobs.put(key, bytesOf('ne')))],
  ])('its bytes are %s: it is no entry any more, and the next that fits is taken', async (_, harm) => {
    await save(cache, 'k-old', 'old');
    await save(cache, 'k-new', 'new');
    const { location } = (await entries.find({ space: id, scopes: [''] }, 'k-new', 'v'))!;
    await harm(location);
    expect(await found(cache, 'k-new', 'k-')).toBe('old');
    expect(await save(cache, 'k-new', 'again')).toMatchObject({ saved: 'saved' });
  });

  it('the cache is purged while the build runs: it saves nothing', async () => {
    await entries.purge(id, { type: 'S3' });
    const before = newCache({ since: new Date(Date.now() - 60_000) });
    expect(await save(before, 'k', 'old')).toEqual({ sizeBytes: 0, saved: 'purged' });
    expect(await stored()).toEqual([]);
  });

  (disk === null ? it.skip : it)(
    'the disk is full: what is there is kept, and it saves again when there is room',
    async () => {
      const full = newCache({ blobs: new DiskBlobs({ root: join(disk!.path, 'blobs') }) });
      await save(full, 'small', 'before');
      await disk!.fill(MB);
      const large = (): Readable => Readable.from([Buffer.alloc(MB), Buffer.alloc(2 * MB)]);
      await expect(save(full, 'large', large())).rejects.toMatchObject({ code: 'STORAGE_FULL' });
      expect([await found(full, 'small'), await restore(full, 'large')]).toEqual(['before', null]);
      await disk!.empty();
      expect(await save(full, 'large', large())).toMatchObject({ saved: 'saved', sizeBytes: 3 * MB });
    },
  );
});

describe('quotas', () => {
  const budgets = { projectBytes: 10, bytes: 0, days: 0 };
  it('hold when something was saved, least recently used first', async () => {
    const within = newCache({ quotaBytes: 10, evict: () => evictCaches(db, budgets) });
    for (const key of ['a', 'b']) await save(within, key, '12345');
    await db.query(`UPDATE cache_entry SET last_used_at = now() - interval '1 hour' WHERE key = 'a'`);
    await db.query(`UPDATE cache_entry SET last_used_at = now() - interval '2 hours' WHERE key = 'b'`);
    await save(within, 'c', '12345');
    expect([await found(within, 'a'), await found(within, 'b'), await found(within, 'c')]).toEqual([
      '12345',
      null,
      '12345',
    ]);
  });

  it('are no way for a build of no trust to push out what its base has saved', async () => {
    const options = { quotaBytes: 10, evict: () => evictCaches(db, budgets) };
    await save(newCache(options), 'base', '123456');
    await db.query(`UPDATE cache_entry SET last_used_at = now() - interval '9 days'`);
    const fork = newCache({ ...options, scope: 'fork' });
    for (const key of ['f1', 'f2']) await save(fork, key, '1234');
    expect([await found(fork, 'base'), await found(fork, 'f1'), await found(fork, 'f2')]).toEqual([
      '123456',
      null,
      '1234',
    ]);
  });

  it('refuse an entry that alone is over them, and take nothing for it', async () => {
    const within = newCache({ quotaBytes: 10, evict: () => evictCaches(db, budgets) });
    await save(within, 'a', '12345');
    await expect(save(within, 'b', '12345678901')).rejects.toThrow('10 bytes');
    expect([await found(within, 'a'), (await stored()).length]).toEqual(['12345', 1]);
  });
});

it('keeps the spaces of keys and of none apart', () => {
  const shared = { type: 'S3', cacheNamespace: 'team' } as const;
  expect(spaceOf(id, shared, false)).toBe(id);
  expect(spaceOf(id, shared, true)).toMatch(/^shared-[0-9a-f]{64}$/);
});
