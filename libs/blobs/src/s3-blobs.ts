// Room: blobs. Objects in a bucket of an S3-compatible server, for workers on more than one host (docs/decisions/0018).
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { addAbortSignal, Readable } from 'node:stream';
import { Refusal } from '#core/errors.js';
import { checkKey, checkPrefix } from './blob-key.js';
import { Blobs, type BlobInfo } from './blobs.js';
import { newS3Client, type S3Place } from './s3-client.js';
import { download } from './s3-download.js';
import { isMissing, statusOf, storageFault } from './s3-errors.js';
import { upload } from './s3-upload.js';

/** S3's own limit for one page of a list and for one DeleteObjects. */
const PAGE_KEYS = 1_000;
/** A check must answer before whoever probes /health loses patience. */
const CHECK_MS = 10_000;

export class S3Blobs extends Blobs {
  private readonly client: S3Client;

  /** In: the bucket, which must exist. For tests: `partBytes` of the n-th part of a large upload, `pageKeys` in one page of a list. */
  constructor(private readonly options: { place: S3Place; partBytes?: (n: number) => number; pageKeys?: number }) {
    super();
    this.client = newS3Client(options.place);
  }

  async put(key: string, data: NodeJS.ReadableStream, signal?: AbortSignal): Promise<BlobInfo & { md5: string }> {
    checkKey(key);
    let source: Watched | null = null;
    try {
      signal?.throwIfAborted();
      source = watched(data, signal);
      const target = { client: this.client, bucket: this.options.place.bucket, key: this.fullKey(key) };
      return { key, ...(await upload(target, source.bytes, signal, this.options.partBytes)) };
    } catch (thrown) {
      (data as Readable).destroy();
      if (signal?.aborted) throw signal.reason;
      throw source?.failed() === true ? thrown : storageFault(thrown, this.options.place, `storing ${key}`);
    }
  }

  async get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream> {
    checkKey(key);
    if (range !== undefined && range.end < range.start) throw await this.outside(key, range);
    try {
      return await download({
        client: this.client,
        bucket: this.options.place.bucket,
        key: this.fullKey(key),
        ...(range === undefined ? {} : { range }),
        asFault: (thrown) => storageFault(thrown, this.options.place, `reading ${key}`),
      });
    } catch (thrown) {
      if (isMissing(thrown)) throw noObject(key);
      if (range !== undefined && statusOf(thrown) === 416) throw await this.outside(key, range);
      throw storageFault(thrown, this.options.place, `reading ${key}`);
    }
  }

  async stat(key: string): Promise<{ sizeBytes: number } | null> {
    checkKey(key);
    try {
      const head = await this.client.send(new HeadObjectCommand(this.at(key)));
      return { sizeBytes: head.ContentLength ?? 0 };
    } catch (thrown) {
      if (isMissing(thrown)) return null;
      throw storageFault(thrown, this.options.place, `looking at ${key}`);
    }
  }

  async *list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    checkPrefix(prefix);
    for await (const page of this.pages(prefix)) yield* page;
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.told(`deleting ${key}`, () => this.client.send(new DeleteObjectCommand(this.at(key))));
  }

  async deletePrefix(prefix: string): Promise<void> {
    checkPrefix(prefix);
    if (prefix === '') throw new Error('a prefix is needed: deleting everything is never meant');
    for await (const page of this.pages(prefix)) {
      const Objects = page.map(({ key }) => ({ Key: this.fullKey(key) }));
      if (Objects.length > 0) await this.deleteAll(Objects, prefix);
    }
  }

  async check(): Promise<void> {
    await this.told('looking at it', () =>
      this.client.send(new ListObjectsV2Command({ ...this.inBucket(), Prefix: this.fullKey(''), MaxKeys: 1 }), {
        abortSignal: AbortSignal.timeout(CHECK_MS),
      }),
    );
  }

  async removeAbandoned(olderThanMs: number): Promise<number> {
    let removed = 0;
    let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (;;) {
      const page = await this.told('looking for abandoned uploads', () =>
        this.client.send(new ListMultipartUploadsCommand({ ...this.inBucket(), Prefix: this.fullKey(''), ...markers })),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Initiated === undefined || Date.now() - Initiated.getTime() < olderThanMs) continue;
        await this.told('removing an abandoned upload', () =>
          this.client.send(new AbortMultipartUploadCommand({ ...this.inBucket(), Key, UploadId })),
        );
        removed += 1;
      }
      if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return removed;
      markers = { KeyMarker: page.NextKeyMarker };
      if (page.NextUploadIdMarker !== undefined) markers.UploadIdMarker = page.NextUploadIdMarker;
    }
  }

  close(): void {
    this.client.destroy();
  }

  private async *pages(prefix: string): AsyncGenerator<{ key: string; sizeBytes: number }[]> {
    const own = this.fullKey('').length;
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        ...this.inBucket(),
        Prefix: this.fullKey(prefix),
        MaxKeys: this.options.pageKeys ?? PAGE_KEYS,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.told(`listing ${prefix}`, () => this.client.send(command));
      yield (page.Contents ?? []).map(({ Key, Size }) => ({ key: (Key ?? '').slice(own), sizeBytes: Size ?? 0 }));
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  private async deleteAll(Objects: { Key: string }[], prefix: string): Promise<void> {
    const { Errors } = await this.told(`deleting ${prefix}`, () =>
      this.client.send(new DeleteObjectsCommand({ ...this.inBucket(), Delete: { Objects, Quiet: true } })),
    );
    const left = (Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey');
    if (left.length === 0) return;
    const error = Object.assign(new Error(`${left.length} objects stay, such as ${left[0]?.Key ?? ''}`), {
      name: left[0]?.Code ?? 'Error',
    });
    throw storageFault(error, this.options.place, `deleting ${prefix}`);
  }

  private async outside(key: string, range: { start: number; end: number }): Promise<Refusal> {
    const found = await this.stat(key);
    if (found === null) return noObject(key);
    const message = `range ${range.start}-${range.end} does not lie in ${key}, which has ${found.sizeBytes} bytes`;
    return new Refusal('RANGE_NOT_SATISFIABLE', message, { details: found });
  }

  private async told<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw storageFault(thrown, this.options.place, doing);
    }
  }

  private inBucket(): { Bucket: string } {
    return { Bucket: this.options.place.bucket };
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { ...this.inBucket(), Key: this.fullKey(key) };
  }

  private fullKey(key: string): string {
    return this.options.place.prefix + key;
  }
}

function noObject(key: string): Refusal {
  return new Refusal('NOT_FOUND', `there is no stored object ${key}`);
}

interface Watched {
  bytes: AsyncIterable<Buffer | string>;
  failed: () => boolean;
}

/** The source's bytes, and whether it was the source that failed: its error is the caller's, not the storage's. */
function watched(data: NodeJS.ReadableStream, signal: AbortSignal | undefined): Watched {
  let broken = false;
  const stream = signal !== undefined && data instanceof Readable ? addAbortSignal(signal, data) : data;
  async function* bytes(): AsyncGenerator<Buffer | string> {
    const iterator = stream[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next().catch((error: unknown) => {
          broken = true;
          throw error;
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { bytes: bytes(), failed: () => broken };
}
