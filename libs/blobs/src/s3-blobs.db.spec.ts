// Room: blobs. The contract on a real S3 server, and what only S3 can get wrong. `npm test` starts the server (scripts/test-s3.mjs).
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ListMultipartUploadsCommand, type S3Client } from '@aws-sdk/client-s3';
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { testS3Place } from '#testing/s3-place.js';
import { describeBlobs } from './blobs.contract.js';
import { S3Blobs } from './s3-blobs.js';
import { newS3Client, type S3Place } from './s3-client.js';

jest.setTimeout(60_000);

const MiB = 2 ** 20;
/** S3's smallest part, so that a few MiB make a multipart upload. */
const smallParts = (): number => 5 * MiB;

async function unfinished(client: S3Client, place: S3Place): Promise<string[]> {
  const page = await client.send(new ListMultipartUploadsCommand({ Bucket: place.bucket, Prefix: place.prefix }));
  return (page.Uploads ?? []).map(({ Key }) => `unfinished ${Key ?? ''}`);
}

describeBlobs('S3Blobs', async () => {
  const place = testS3Place();
  const blobs = new S3Blobs({ place });
  const client = newS3Client(place);
  return {
    blobs,
    leftovers: async () => {
      const found = await unfinished(client, place);
      for await (const { key } of blobs.list('')) found.push(key);
      return found;
    },
    close: async () => {
      blobs.close();
      client.destroy();
    },
  };
});

describe('S3Blobs', () => {
  let place: S3Place;
  let blobs: S3Blobs;
  let client: S3Client;
  beforeEach(() => {
    place = testS3Place();
    blobs = new S3Blobs({ place, partBytes: smallParts, pageKeys: 10 });
    client = newS3Client(place);
  });
  afterEach(() => {
    blobs.close();
    client.destroy();
  });

  const keys = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of blobs.list(prefix)) found.push(key);
    return found;
  };

  it.each([
    { bytes: 5 * MiB - 1, why: 'just below one part' },
    { bytes: 5 * MiB, why: 'exactly one part' },
    { bytes: 5 * MiB + 1, why: 'one byte more' },
    { bytes: 17 * MiB, why: 'several parts' },
  ])('stores and gives back $why', async ({ bytes }) => {
    const data = randomBytes(bytes);
    const pieces = [data.subarray(0, 3), data.subarray(3, 4 * MiB), data.subarray(4 * MiB)];
    const info = await blobs.put('large', Readable.from(pieces));
    expect(info).toEqual({
      key: 'large',
      sizeBytes: bytes,
      sha256: createHash('sha256').update(data).digest('hex'),
      md5: createHash('md5').update(data).digest('hex'),
    });
    expect((await buffer(await blobs.get('large'))).equals(data)).toBe(true);
    const range = { start: bytes - 10, end: bytes - 3 };
    expect((await buffer(await blobs.get('large', range))).equals(data.subarray(bytes - 10, bytes - 2))).toBe(true);
    expect(await unfinished(client, place)).toEqual([]);
  });

  it.each(['the source fails', 'the signal stops it'])('leaves no parts when %s after some', async (when) => {
    const stop = new AbortController();
    const failure = new Error('on purpose');
    const data = Readable.from(
      (async function* () {
        for (let n = 0; n < 3; n += 1) yield randomBytes(5 * MiB);
        if (when === 'the source fails') throw failure;
        stop.abort(failure);
        yield randomBytes(5 * MiB);
      })(),
    );
    await expect(blobs.put('never', data, stop.signal)).rejects.toBe(failure);
    expect(await unfinished(client, place)).toEqual([]);
    expect(await keys('')).toEqual([]);
  });

  it('removes uploads that a dead process left, and only old ones', async () => {
    const data = new Readable({ read: () => undefined });
    data.push(randomBytes(10 * MiB));
    const stop = new AbortController();
    const stored = blobs.put('abandoned', data, stop.signal);
    stored.catch(() => undefined);
    while ((await unfinished(client, place)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await blobs.removeAbandoned(3_600_000)).toBe(0);
    expect(await blobs.removeAbandoned(-60_000)).toBe(1);
    expect(await unfinished(client, place)).toEqual([]);
    stop.abort(new Error('done'));
    await expect(stored).rejects.toThrow('done');
  });

  it('lists and deletes more objects than one page holds', async () => {
    const names = Array.from({ length: 25 }, (_, n) => `many/${String(n).padStart(4, '0')}`);
    await Promise.all(names.map((key) => blobs.put(key, Readable.from(['x']))));
    await blobs.put('other', Readable.from(['x']));
    expect(await keys('many/')).toEqual(names);
    await blobs.deletePrefix('many/');
    expect(await keys('')).toEqual(['other']);
  });

  it.each<[string, (place: S3Place) => S3Place, Record<string, unknown>]>([
    ['a bucket that is not there', (p) => ({ ...p, bucket: 'no-such-bucket' }), { retryable: false }],
    [
      'a wrong secret',
      (p) => ({ ...p, credentials: { accessKeyId: p.credentials!.accessKeyId, secretAccessKey: 'wrong' } }),
      { retryable: false },
    ],
    [
      'an unknown key id',
      (p) => ({ ...p, credentials: { accessKeyId: 'nobody:here', secretAccessKey: 'x' } }),
      { retryable: false },
    ],
  ])('says what is wrong with %s', async (_, spoil, facts) => {
    const spoilt = new S3Blobs({ place: spoil(place) });
    const expected = { code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('KILNYARD_S3_'), ...facts };
    await expect(spoilt.check()).rejects.toMatchObject(expected);
    await expect(spoilt.put('k', Readable.from(['x']))).rejects.toMatchObject(expected);
    spoilt.close();
  });

  describe('behind a connection that breaks', () => {
    let cutter: Cutter;
    let behind: S3Blobs;
    beforeEach(async () => {
      cutter = await Cutter.start(new URL(place.endpoint!));
      behind = new S3Blobs({ place: { ...place, endpoint: cutter.url }, partBytes: smallParts });
    });
    afterEach(async () => {
      behind.close();
      await cutter.close();
    });

    it('goes on with a download where it was', async () => {
      const data = randomBytes(12 * MiB);
      await blobs.put('large', Readable.from([data]));
      cutter.cutAfter = [2 * MiB, 5 * MiB];
      expect((await buffer(await behind.get('large'))).equals(data)).toBe(true);
      cutter.cutAfter = [MiB];
      const part = await buffer(await behind.get('large', { start: 100, end: 8 * MiB }));
      expect(part.equals(data.subarray(100, 8 * MiB + 1))).toBe(true);
      expect(cutter.cuts).toBe(3);
    });

    it('does not mix two versions of an object', async () => {
      await blobs.put('large', Readable.from([randomBytes(12 * MiB)]));
      cutter.cutAfter = [2 * MiB];
      const stream = await behind.get('large');
      await blobs.put('large', Readable.from([randomBytes(12 * MiB)]));
      await expect(buffer(stream)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    });

    it('is a fault that may be retried when nobody answers', async () => {
      await cutter.close();
      await expect(behind.check()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true });
    });
  });
});

/** A way to the server that cuts a connection once so many bytes of answers have passed it. */
class Cutter {
  /** One for each of the next connections' answers, in order; none: no cut. */
  cutAfter: number[] = [];
  cuts = 0;
  private readonly open = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static start(to: URL): Promise<Cutter> {
    const server = createServer();
    const cutter = new Cutter(server);
    server.on('connection', (near) => cutter.join(near, connect(Number(to.port), to.hostname)));
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(cutter)));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, far: Socket): void {
    let passed = 0;
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.open.add(socket);
      socket.on('error', end).on('close', () => {
        this.open.delete(socket);
        end();
      });
    }
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      passed += bytes.length;
      near.write(bytes);
      if (this.cutAfter[0] === undefined || passed < this.cutAfter[0]) return;
      this.cutAfter.shift();
      this.cuts += 1;
      end();
    });
  }
}
