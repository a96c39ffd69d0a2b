// The cache store on real Postgres and a disk: what is saved says how it is packed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import type { PackedTar } from '#engine/ports.js';
import { CacheEntriesStore } from '#store/cache-entries.store.js';
import { Database } from '#store/database.js';
import { ProjectsStore } from '#store/projects.store.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { BlobCache } from './blob-cache.js';

const { signal } = new AbortController();
let test: TestDatabase;
let db: Database;
let root: string;
let cache: BlobCache;
beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 4 });
  root = await mkdtemp(join(tmpdir(), 'blob-cache-'));
  const { id } = await new ProjectsStore(db).create('demo', newProjectSettings());
  cache = new BlobCache(new DiskBlobs({ root }), new CacheEntriesStore(db), id);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
  if (root !== undefined) await rm(root, { recursive: true, force: true });
});

const save = (packed: PackedTar, replace = true) => cache.save({ key: '', version: 'v', replace, packed, signal });
const restore = () => cache.restore({ key: '', fallbackPrefixes: [], version: 'v', signal });

it.each([
  ['gzip', false],
  ['gzip', true],
  ['zstd', false],
  ['zstd', true],
] as const)('gives an entry back as it was packed: %s, of the workspace alone: %s', async (codec, workspaceOnly) => {
  await save({ codec, workspaceOnly, bytes: Readable.from([Buffer.from(codec)]) });
  const { packed, sizeBytes } = (await restore())!;
  expect(packed).toMatchObject({ codec, workspaceOnly });
  expect((await buffer(packed.bytes)).toString()).toBe(codec);
  expect(sizeBytes).toBe(4);
});

it('reads the entries of earlier versions', async () => {
  await save({ codec: 'gzip', workspaceOnly: false, bytes: Readable.from([Buffer.from('old')]) });
  const { rows } = await db.query<{ location: string }>('SELECT location FROM cache_entry');
  expect(rows[0]!.location).toMatch(/^[^.]*\.tar\.gz$/);
});

it('keeps the entry before when the bytes break off, and leaves an entry alone that is not to be replaced', async () => {
  const before = await buffer((await restore())!.packed.bytes);
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('half');
      throw new Error('tar ended with exit status 2');
    })(),
  );
  await expect(save({ codec: 'zstd', workspaceOnly: true, bytes: broken })).rejects.toThrow('tar ended');
  const unread = Readable.from([Buffer.from('other')]);
  expect(await save({ codec: 'zstd', workspaceOnly: true, bytes: unread }, false)).toEqual({ sizeBytes: 0 });
  expect(unread.destroyed).toBe(true);
  expect(await buffer((await restore())!.packed.bytes)).toEqual(before);
});
