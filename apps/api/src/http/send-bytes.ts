// Sends stored bytes as a download: whole or one range of them, never as something that a browser would run.
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '#core/errors.js';
import { readRange, type ByteRange } from './byte-range.js';
import { contentDisposition } from './content-disposition.js';

export interface Download {
  sizeBytes: number;
  /** Strong validator; absent while the bytes still grow. */
  etag?: string;
  fileName: string;
  contentType: string;
  /** `inline` only for plain text. */
  disposition: 'attachment' | 'inline';
  open(range: ByteRange): Promise<Readable> | Readable;
}

/** What a download may do in a browser: nothing. */
export const SANDBOX = "default-src 'none'; sandbox";

/**
 * Answers with 200, 206 or 304; a stream that breaks ends the connection, so a short body never looks whole.
 * Errors: Refusal RANGE_NOT_SATISFIABLE (with Content-Range set on the reply).
 */
export async function sendBytes(request: FastifyRequest, reply: FastifyReply, download: Download): Promise<void> {
  const { sizeBytes, etag } = download;
  void reply
    .header('accept-ranges', 'bytes')
    .header('content-type', download.contentType)
    .header('content-disposition', contentDisposition(download.disposition, download.fileName))
    .header('content-security-policy', SANDBOX)
    .header('cache-control', 'private, no-cache');
  if (etag !== undefined) void reply.header('etag', `"${etag}"`);
  if (etag !== undefined && request.headers['if-none-match'] === `"${etag}"`) return void reply.code(304).send();
  const range = rangeOf(request, reply, download);
  if (range === null) void reply.code(200).header('content-length', sizeBytes);
  else {
    void reply.code(206);
    void reply.header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
    void reply.header('content-length', range.end - range.start + 1);
  }
  if (sizeBytes === 0 || request.method === 'HEAD') return void reply.send('');
  await reply.send(await download.open(range ?? { start: 0, end: sizeBytes - 1 }));
}

function rangeOf(request: FastifyRequest, reply: FastifyReply, download: Download): ByteRange | null {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== `"${download.etag ?? ''}"`) return null;
  try {
    return readRange(request.headers.range, download.sizeBytes);
  } catch (thrown) {
    if (thrown instanceof Refusal) void reply.header('content-range', `bytes */${download.sizeBytes}`);
    throw thrown;
  }
}
