// Room: blobs. One object's way from S3: a stream that asks again, from where it was, when the connection breaks under it.
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';

/** How often a download is taken up again without having got a byte further. */
const MAX_FRUITLESS = 3;

export interface DownloadRequest {
  client: S3Client;
  bucket: string;
  key: string;
  range?: { start: number; end: number };
  /** What a reader is told when the download cannot go on. */
  asFault: (thrown: unknown) => Error;
}

/**
 * Opens an object. Out: its bytes, as they are asked for. A slow reader may take as long as it likes: a connection that idles away is
 * replaced, and the object must be the same one (its ETag) as at the start. Destroying the stream ends the request.
 * Errors: the SDK's for the first request; later ones through `asFault`, on the stream.
 */
export async function download(request: DownloadRequest): Promise<Readable> {
  const ended = new AbortController();
  const first = await ask(request, request.range?.start ?? 0, undefined, ended.signal);
  const stream = Readable.from(bytesOf(request, first, ended.signal), { objectMode: false });
  stream.once('close', () => {
    ended.abort();
    (first.Body as Readable).destroy(); // also where nobody began to read
  });
  return stream;
}

function ask(
  { client, bucket, key, range }: DownloadRequest,
  from: number,
  etag: string | undefined,
  abortSignal: AbortSignal,
): Promise<GetObjectCommandOutput> {
  const wanted = range !== undefined || from > 0 ? { Range: `bytes=${from}-${range?.end ?? ''}` } : {};
  const same = etag === undefined ? {} : { IfMatch: etag };
  return client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...wanted, ...same }), { abortSignal });
}

async function* bytesOf(
  request: DownloadRequest,
  first: GetObjectCommandOutput,
  ended: AbortSignal,
): AsyncGenerator<Buffer> {
  const start = request.range?.start ?? 0;
  const end = start + (first.ContentLength ?? 0);
  let at = start;
  let body = first.Body as Readable;
  for (let fruitless = 0; ;) {
    const before = at;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        at += chunk.length;
        yield chunk;
      }
      if (at >= end) return;
      throw new Error(`the connection ended ${end - at} bytes early`);
    } catch (thrown) {
      if (ended.aborted) return;
      fruitless = at > before ? 0 : fruitless + 1;
      if (fruitless > MAX_FRUITLESS) throw request.asFault(thrown);
      try {
        body = (await ask(request, at, first.ETag, ended)).Body as Readable;
      } catch (again) {
        if (ended.aborted) return;
        throw request.asFault(again);
      }
    }
  }
}
