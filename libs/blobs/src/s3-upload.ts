// Room: blobs. One object's way to S3: a single request when it is small, a multipart upload that leaves nothing when it is not.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Fault } from '#core/errors.js';
import { md5Of } from './s3-client.js';
import { statusOf } from './s3-errors.js';
import { MAX_PARTS, partsOf, type WholeHash } from './s3-parts.js';

/** Parts on their way at once: with the one that is being filled, three parts lie in memory. */
const PARTS_AT_ONCE = 2;
/** How long an upload that failed may take to clear its parts away. */
const ABORT_MS = 30_000;

export interface UploadTarget {
  client: S3Client;
  bucket: string;
  key: string;
}

/**
 * Uploads the stream. In: `signal` is obeyed until the last request, which makes the object visible, is on its way.
 * Errors: the stream's own, the signal's reason, the SDK's. The object is whole or not there; parts of a failed upload are removed.
 */
export async function upload(
  target: UploadTarget,
  data: AsyncIterable<Buffer | string>,
  signal: AbortSignal | undefined,
  sizeOf?: (n: number) => number,
): Promise<WholeHash> {
  const parts = partsOf(data, sizeOf);
  const first = await parts.next();
  const second = first.done === true ? first : await parts.next();
  signal?.throwIfAborted();
  if (second.done === true) {
    const body = first.done === true ? Buffer.alloc(0) : first.value;
    await putWhole(target, body);
    return second.value;
  }
  return uploadParts(target, prepended([first.value as Buffer, second.value], parts), signal);
}

async function putWhole({ client, bucket, key }: UploadTarget, body: Buffer): Promise<void> {
  await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ContentMD5: md5Of(body),
      ContentType: 'application/octet-stream',
    }),
  );
}

/** The parts read ahead, then the rest; out: what the rest ends with. */
async function* prepended(head: Buffer[], rest: AsyncGenerator<Buffer, WholeHash>): AsyncGenerator<Buffer, WholeHash> {
  for (let buffer = head.shift(); buffer !== undefined; buffer = head.shift()) yield buffer;
  return yield* rest;
}

async function uploadParts(
  target: UploadTarget,
  parts: AsyncGenerator<Buffer, WholeHash>,
  signal: AbortSignal | undefined,
): Promise<WholeHash> {
  const { client, bucket, key } = target;
  const place = { Bucket: bucket, Key: key };
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ ...place, ContentType: 'application/octet-stream' }),
  );
  const upload = { ...place, UploadId };
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const done: CompletedPart[] = [];
  const under = new Set<Promise<void>>();
  const send = async (PartNumber: number, body: Buffer): Promise<void> => {
    const command = new UploadPartCommand({ ...upload, PartNumber, Body: body, ContentMD5: md5Of(body) });
    const { ETag } = await client.send(command, { abortSignal: stop });
    done.push({ PartNumber, ETag });
  };
  try {
    let whole: WholeHash;
    for (let n = 1; ; n += 1) {
      const part = await untilFirst(parts.next(), under);
      stop.throwIfAborted();
      if (part.done === true) {
        whole = part.value;
        break;
      }
      if (n > MAX_PARTS) throw new Fault('STORAGE_FULL', `${key} is larger than ${MAX_PARTS} parts can hold`);
      const sending = send(n, part.value).finally(() => under.delete(sending));
      under.add(sending);
      while (under.size >= PARTS_AT_ONCE) await Promise.race(under);
    }
    await Promise.all(under);
    stop.throwIfAborted();
    done.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
    await complete(target, UploadId, done, whole.sizeBytes);
    return whole;
  } catch (thrown) {
    failed.abort(thrown);
    await Promise.allSettled(under);
    await abort(client, upload);
    throw thrown;
  }
}

/** The next part, or at once the error of a part under way: a source that waits must not hide it. */
async function untilFirst<T>(next: Promise<T>, under: ReadonlySet<Promise<void>>): Promise<T> {
  const never = new Promise<never>(() => undefined);
  next.catch(() => undefined); // when a part failed first, nobody asks what became of the source
  return Promise.race([next, ...[...under].map((part) => part.then(() => never))]);
}

/** A first answer may have been lost on its way: then the upload is gone, and the object is there. */
async function complete(
  { client, bucket, key }: UploadTarget,
  UploadId: string | undefined,
  Parts: CompletedPart[],
  sizeBytes: number,
): Promise<void> {
  const place = { Bucket: bucket, Key: key };
  try {
    await client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }));
  } catch (thrown) {
    if (statusOf(thrown) !== 404 || (thrown as Error).name !== 'NoSuchUpload') throw thrown;
    const head = await client.send(new HeadObjectCommand(place)).catch(() => null); // the first error is the one to tell
    if (head?.ContentLength !== sizeBytes) throw thrown;
  }
}

/** What cannot be removed now is found by removeAbandoned, and by the bucket's own rule for incomplete uploads. */
async function abort(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
): Promise<void> {
  await client
    .send(new AbortMultipartUploadCommand(upload), { abortSignal: AbortSignal.timeout(ABORT_MS) })
    .catch(() => undefined);
}
