// Room: blobs. The contract on disk, and what only a disk can get wrong.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describeBlobs } from './blobs.contract.js';
import { DiskBlobs } from './disk-blobs.js';

describeBlobs('DiskBlobs', async () => {
  const root = await mkdtemp(join(tmpdir(), 'blobs-'));
  return {
    blobs: new DiskBlobs({ root }),
    leftovers: async () => {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    },
    close: () => rm(root, { recursive: true }),
  };
});

describe('DiskBlobs', () => {
  let root: string;
  let blobs: DiskBlobs;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'blobs-'));
    blobs = new DiskBlobs({ root: join(root, 'store') });
    await mkdir(join(root, 'store', 'objects'), { recursive: true });
    await mkdir(join(root, 'outside'));
    await writeFile(join(root, 'outside', 'secret'), 'secret');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('follows no symlink out of its root', async () => {
    await symlink(join(root, 'outside'), join(root, 'store', 'objects', 'way'));
    await symlink(join(root, 'outside', 'secret'), join(root, 'store', 'objects', 'file'));
    await expect(blobs.get('way/secret')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(blobs.get('file')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await blobs.stat('way/secret')).toBeNull();
    await expect(blobs.put('way/new', Readable.from(['x']))).rejects.toThrow('cannot hold objects');
    await blobs.delete('way/secret');
    await blobs.deletePrefix('way/');
    for await (const { key } of blobs.list('')) throw new Error(`listed ${key}`);
    expect(await readdir(join(root, 'outside'))).toEqual(['secret']);
    await blobs.put('file', Readable.from(['mine']));
    expect(await readFile(join(root, 'outside', 'secret'), 'utf8')).toBe('secret');
  });

  it('leaves no empty folders behind a delete', async () => {
    await blobs.put('a/b/c', Readable.from(['x']));
    await blobs.delete('a/b/c');
    expect(await readdir(join(root, 'store', 'objects'))).toEqual([]);
  });

  it('turns a full disk into a fault that may be retried', async () => {
    const full = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
    const data = new Readable({ read: () => undefined });
    setTimeout(() => data.destroy(full), 5);
    await expect(blobs.put('k', data)).rejects.toMatchObject({ code: 'STORAGE_FULL', retryable: true });
    expect(await readdir(join(root, 'store', 'tmp'))).toEqual([]);
  });

  it('hears of a source that breaks before it is read', async () => {
    const full = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
    const data = new Readable({ read: () => undefined });
    const put = blobs.put('k', data);
    data.destroy(full); // while the folder is made
    await expect(put).rejects.toMatchObject({ code: 'STORAGE_FULL', retryable: true });
    expect(await readdir(join(root, 'store', 'tmp'))).toEqual([]);
  });

  it('removes what dead writers left, and only that', async () => {
    await mkdir(join(root, 'store', 'tmp'));
    for (const name of ['old', 'new']) await writeFile(join(root, 'store', 'tmp', name), 'x');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(root, 'store', 'tmp', 'old'), longAgo, longAgo);
    expect(await blobs.removeAbandoned(60_000)).toBe(1);
    expect(await readdir(join(root, 'store', 'tmp'))).toEqual(['new']);
  });
});
