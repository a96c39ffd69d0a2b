// Takes an archive from the wire to the blob store: never whole in memory, never beyond its limit, refused by its first bytes.
import { randomUUID } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import type { Blobs } from '#blobs/blobs.js';
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
  const location = `uploads/${id}`;
  const gate = new ArchiveGate(maxBytes);
  body.once('error', (error) => gate.destroy(error));
  const { sizeBytes, sha256 } = await stores.blobs.put(location, body.pipe(gate), signal);
  const { format } = gate;
  if (format === null) throw new Error('the gate let an archive of no format through');
  await stores.uploads.add({ id, format, sizeBytes, sha256, location });
  return { id, format, sizeBytes, sha256 };
}

/** Counts bytes and looks at the first of them. */
class ArchiveGate extends Transform {
  format: ArchiveFormat | null = null;
  private seen = 0;
  private head = Buffer.alloc(0);

  constructor(private readonly maxBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _: string, done: (error?: Error | null, chunk?: Buffer) => void): void {
    this.seen += chunk.length;
    if (this.seen > this.maxBytes) return done(tooLarge(this.maxBytes, 'more'));
    if (this.format !== null) return done(null, chunk);
    this.head = Buffer.concat([this.head, chunk]);
    if (this.head.length < MAGIC_BYTES) return done();
    this.format = archiveFormat(this.head);
    done(this.format === null ? noArchive(this.head) : null, this.head);
  }

  override _flush(done: (error?: Error | null) => void): void {
    done(this.format === null ? noArchive(this.head) : null);
  }
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
