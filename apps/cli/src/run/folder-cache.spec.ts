import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock } from '#core/clock.js';
import { FolderCache } from './folder-cache.js';

const { signal } = new AbortController();
let dir: string;
let nowMs = 0;
let cache: FolderCache;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kilnyard-cache-'));
  cache = new FolderCache(join(dir, 'cache'), { now: () => new Date((nowMs += 1)) } as Clock);
});
afterEach(() => rm(dir, { recursive: true }));

function save(key: string, content: string | Error, version = 'v') {
  const bytes = new Readable({
    read() {
      if (content instanceof Error) return void this.destroy(content);
      this.push(content);
      this.push(null);
    },
  });
  const packed = { codec: 'zstd' as const, workspaceOnly: true, bytes };
  return cache.save({ key, version, replace: key === '', sourceFolder: 'src1/src', packed, signal });
}

async function restore(key: string, fallbackPrefixes: string[] = [], version = 'v') {
  const found = await cache.restore({ key, fallbackPrefixes, version, signal });
  return found === null ? null : { ...found, packed: await text(found.packed.bytes) };
}

describe('a cache in a folder', () => {
  it('gives back what was saved, and nothing of another key or of other paths', async () => {
    expect(await restore('a')).toBeNull();
    expect(await save('a', 'bytes')).toEqual({ sizeBytes: 5, saved: 'saved' });
    expect(await restore('a')).toEqual({
      ...{ key: 'a', exact: true, from: 'own', sizeBytes: 5, sourceFolder: 'src1/src', packed: 'bytes' },
    });
    expect(await restore('b')).toBeNull();
    expect(await restore('a', [], 'w')).toBeNull();
  });

  it('never changes an entry with a key', async () => {
    await save('a', 'first');
    expect(await save('a', 'second')).toEqual({ sizeBytes: 0, saved: 'exists' });
    expect(await restore('a')).toMatchObject({ packed: 'first' });
  });

  it('replaces the one without, and keeps no bytes of the old one', async () => {
    await save('', 'first');
    await save('', 'second');
    expect(await restore('')).toMatchObject({ packed: 'second' });
    expect(await readdir(join(dir, 'cache'))).toHaveLength(2);
  });

  it('falls back to the newest of the first prefix that fits', async () => {
    await save('npm-2', 'older');
    await save('npm-1', 'newer');
    await save('n', 'newest');
    expect(await restore('npm-3', ['none', 'npm-', 'n'])).toMatchObject({
      key: 'npm-1',
      exact: false,
      packed: 'newer',
    });
  });

  it('keeps nothing of a save that failed', async () => {
    await expect(save('a', new Error('broken tar'))).rejects.toThrow('broken tar');
    expect(await readdir(join(dir, 'cache'))).toEqual([]);
  });

  it('takes no entry whose bytes are not all there, nor a file of somebody else', async () => {
    await save('a', 'bytes');
    const names = await readdir(join(dir, 'cache'));
    await truncate(
      join(
        dir,
        'cache',
        names.find((name) => name.endsWith('.tar'))!,
      ),
      3,
    );
    await writeFile(join(dir, 'cache', 'package.json'), '{"key": "a"}');
    expect(await restore('a')).toBeNull();
  });
});
