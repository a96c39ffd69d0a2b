// Takes an archive from the wire to the blob store: never whole in memory, never beyond its limit, refused by its first bytes.
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Blobs } from '#blobs/blobs.js';
import { uploadKey } from '#core/blob-places.js';
import type { UploadsStore } from '#store/uploads.store.js';
import { HttpRefusal } from '../http/http-refusal.js';
import { refusalOf } from '../http/findings.js';
import { MAGIC_BYTES, archiveFormat, type ArchiveFormat } from './archive-format.js';

export interface ReceivedUpload {
  id: string;
  format: ArchiveFormat;
  sizeBytes: number;
  sha256: string;
}

/**
 * In: the body; the largest size in bytes; the declared size, where there is one.
 * Errors: HttpRefusal BODY_TOO_LARGE; Refusal INVALID_INPUT when it is neither zip nor gzip; Fault STORAGE_FULL. Nothing is left behind.
 */
export async function receiveUpload(
  stores: { blobs: Blobs; uploads: UploadsStore },
  request: { body: Readable; maxBytes: number; declaredBytes: number | null; signal: AbortSignal },
): Promise<ReceivedUpload> {
  const { body, maxBytes, declaredBytes, signal } = request;
  if (declaredBytes !== null && declaredBytes > maxBytes) throw tooLarge(maxBytes, `${declaredBytes} bytes`);
  const id = randomUUID();
  const location = uploadKey(id);
  const seen: { format: ArchiveFormat | null } = { format: null };
  const archive = Readable.from(gated(body, maxBytes, seen), { objectMode: false });
  const { sizeBytes, sha256 } = await stores.blobs.put(location, archive, signal);
  const { format } = seen;
  if (format === null) throw new Error('the gate let an archive of no format through');
  await stores.uploads.add({ id, format, sizeBytes, sha256, location });
  return { id, format, sizeBytes, sha256 };
}

/** Counts bytes and looks at the first of them; pulled, so that an error waits for whoever pulls. */
async function* gated(
  body: Readable,
  maxBytes: number,
  seen: { format: ArchiveFormat | null },
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let head = Buffer.alloc(0);
  // Not destroyed when we stop early: that would cut the connection before the sender has read why.
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes, 'more');
    if (seen.format !== null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < MAGIC_BYTES) continue;
    seen.format = archiveFormat(head);
    if (seen.format === null) break;
    yield head;
  }
  if (seen.format === null) throw noArchive(head);
}

function tooLarge(maxBytes: number, got: string): HttpRefusal {
  return new HttpRefusal(
    'BODY_TOO_LARGE',
    `expected at most ${maxBytes} bytes (KILNYARD_MAX_UPLOAD_BYTES), got ${got}`,
  );
}

function noArchive(head: Buffer): Error {
  const got =
    head.length === 0 ? 'an empty body' : `bytes that start with ${head.subarray(0, MAGIC_BYTES).toString('hex')}`;
  return refusalOf([{ field: 'body', expected: 'a zip or a gzipped tar', got }]);
}
