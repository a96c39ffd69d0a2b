// Room: blobs. What every kind of storage must do; each implementation's spec runs it (house style 9).
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import type { Blobs } from './blobs.js';

export interface BlobsUnderTest {
  blobs: Blobs;
  /** Everything that is stored anywhere, finished or not; to see that failures leave nothing. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

/** Registers the suite. `start` gives fresh, empty storage for each test. */
export function describeBlobs(name: string, start: () => Promise<BlobsUnderTest>): void {
  describe(`${name} as Blobs`, () => {
    let test: BlobsUnderTest;
    let blobs: Blobs;
    beforeEach(async () => {
      test = await start();
      blobs = test.blobs;
    });
    afterEach(() => test.close());

    const put = (key: string, text: string) => blobs.put(key, Readable.from([Buffer.from(text)]));
    const text = async (key: string, range?: { start: number; end: number }) =>
      (await buffer(await blobs.get(key, range))).toString();
    const keys = async (prefix: string) => {
      const found: string[] = [];
      for await (const { key } of blobs.list(prefix)) found.push(key);
      return found;
    };

    it('gives back what was put, with size and hashes', async () => {
      const data = Buffer.concat([Buffer.alloc(300_000, 'a'), Buffer.from([0, 255, 13, 10])]);
      const chunks = [data.subarray(0, 1), data.subarray(1, 200_000), data.subarray(200_000)];
      const info = await blobs.put('builds/a b/log=1.bin', Readable.from(chunks));
      const hash = (algorithm: string) => createHash(algorithm).update(data).digest('hex');
      expect(info).toEqual({
        key: 'builds/a b/log=1.bin',
        sizeBytes: data.length,
        sha256: hash('sha256'),
        md5: hash('md5'),
      });
      expect((await buffer(await blobs.get('builds/a b/log=1.bin'))).equals(data)).toBe(true);
      expect(await blobs.stat('builds/a b/log=1.bin')).toEqual({ sizeBytes: data.length });
    });

    it('stores an empty object', async () => {
      expect((await blobs.put('empty', Readable.from([]))).sizeBytes).toBe(0);
      expect(await text('empty')).toBe('');
    });

    it('replaces an object whole', async () => {
      await put('k', 'a longer first text');
      await put('k', 'second');
      expect(await text('k')).toBe('second');
    });

    it.each([
      { range: { start: 0, end: 0 }, out: '0', why: 'the first byte' },
      { range: { start: 3, end: 6 }, out: '3456', why: 'both ends count' },
      { range: { start: 8, end: 99 }, out: '89', why: 'an end behind the object means its end' },
    ])('reads a range: $why', async ({ range, out }) => {
      await put('digits', '0123456789');
      expect(await text('digits', range)).toBe(out);
    });

    it.each([
      { range: { start: 10, end: 12 }, why: 'starts behind the end' },
      { range: { start: 5, end: 4 }, why: 'ends before it starts' },
    ])('refuses a range that $why', async ({ range }) => {
      await put('digits', '0123456789');
      await expect(blobs.get('digits', range)).rejects.toMatchObject({ code: 'RANGE_NOT_SATISFIABLE' });
    });

    it('says that there is no such object', async () => {
      await expect(blobs.get('none/here')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await blobs.stat('none/here')).toBeNull();
      await put('folder/object', 'x');
      await expect(blobs.get('folder')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await blobs.stat('folder')).toBeNull();
    });

    it('lists under a prefix in the order of keys', async () => {
      for (const key of ['p/b/2', 'p/b.x', 'p/a', 'p/b/10', 'q/other', 'pp/other', 'p/B']) await put(key, key);
      expect(await keys('p/')).toEqual(['p/B', 'p/a', 'p/b.x', 'p/b/10', 'p/b/2']);
      expect(await keys('')).toHaveLength(7);
      expect(await keys('none/')).toEqual([]);
    });

    it('deletes one object, and none is fine', async () => {
      await put('d/1', 'x');
      await put('d/2', 'x');
      await blobs.delete('d/1');
      await blobs.delete('d/1');
      expect(await keys('d/')).toEqual(['d/2']);
    });

    it('deletes everything under a prefix and nothing beside it', async () => {
      for (const key of ['a/b/1', 'a/b/c/2', 'a/bb/3', 'a/b.4']) await put(key, 'x');
      await blobs.deletePrefix('a/b/');
      await blobs.deletePrefix('a/none/');
      expect(await keys('')).toEqual(['a/b.4', 'a/bb/3']);
    });

    it('leaves nothing behind when the source fails, and keeps the object of before', async () => {
      await put('kept', 'old');
      const before = await test.leftovers();
      const failing = Readable.from(
        (async function* () {
          yield Buffer.from('half');
          throw new Error('the source broke');
        })(),
      );
      await expect(blobs.put('kept', failing)).rejects.toThrow('the source broke');
      expect(await text('kept')).toBe('old');
      expect(await test.leftovers()).toEqual(before);
    });

    it.each(['before it starts', 'while data is awaited'])(
      'stops by the signal %s and leaves nothing behind',
      async (when) => {
        const stop = new AbortController();
        const reason = new Error('stopped by the test');
        const data = new Readable({ read: () => undefined });
        data.push('half');
        if (when === 'before it starts') stop.abort(reason);
        const stored = blobs.put('never', data, stop.signal);
        setTimeout(() => stop.abort(reason), 20);
        await expect(stored).rejects.toBe(reason);
        expect(await blobs.stat('never')).toBeNull();
        expect(await test.leftovers()).toEqual([]);
        expect(data.destroyed).toBe(true);
      },
    );

    it('lets the last of two writers win whole', async () => {
      await Promise.all([put('race', 'a'.repeat(100_000)), put('race', 'b'.repeat(100_000))]);
      expect(['a'.repeat(100_000), 'b'.repeat(100_000)]).toContain(await text('race'));
    });

    it.each([
      { key: '', why: 'empty' },
      { key: '/etc/passwd', why: 'absolute' },
      { key: 'a//b', why: 'empty part' },
      { key: '../x', why: 'climbs' },
      { key: 'a/../../x', why: 'climbs later' },
      { key: 'a/./b', why: 'dot part' },
      { key: 'a\u0000b', why: 'NUL' },
      { key: 'a\\b', why: 'backslash' },
      { key: 'ä', why: 'not in the alphabet' },
      { key: 'x'.repeat(256), why: 'part too long for a file name' },
      { key: 'a/', why: 'a prefix, not a key' },
    ])('throws for a bad key: $why', async ({ key }) => {
      await expect(put(key, 'x')).rejects.toThrow('not a blob key');
      await expect(blobs.get(key)).rejects.toThrow('not a blob key');
      await expect(blobs.stat(key)).rejects.toThrow('not a blob key');
      await expect(blobs.delete(key)).rejects.toThrow('not a blob key');
    });

    it('looks after itself: a check that passes, nothing abandoned', async () => {
      await expect(blobs.check()).resolves.toBeUndefined();
      expect(await blobs.removeAbandoned(60_000)).toBe(0);
    });

    it('does not delete everything by an empty prefix', async () => {
      await expect(blobs.deletePrefix('')).rejects.toThrow('a prefix is needed');
    });
  });
}
