// Writes a sealed log into the blob store and reads it back: what does not agree with its seal is never archived.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Fault } from '#core/errors.js';
import type { LogChunk, LogSeal } from '#core/log-line.js';
import { openChunk, type StoredChunk } from '../stored-chunk.js';
import type { ArchiveBlobs, ArchivedLog } from './archive-blobs.js';
import { frameOf, IndexBuilder } from './archive-format.js';
import { ArchiveReader } from './archive-reader.js';

/**
 * Stores a log under a key that nobody has used. In: its chunks, all of them, in order; its seal.
 * Errors: Fault BLOB_CORRUPT when the chunks are not what the seal says, and nothing is stored then; those of `put`; those of the chunks.
 */
export async function writeArchive(
  blobs: Pick<ArchiveBlobs, 'put'>,
  location: string,
  log: { seal: LogSeal; chunks: AsyncIterable<StoredChunk> },
  signal: AbortSignal,
): Promise<ArchivedLog> {
  const index = new IndexBuilder();
  let indexBytes = 0;
  async function* object(): AsyncGenerator<Buffer> {
    const check = new SealCheck(location, log.seal);
    for await (const chunk of log.chunks) {
      check.add(await openChunk(chunk));
      const frame = frameOf(chunk);
      index.add(chunk, frame.length);
      yield frame;
    }
    check.end();
    const end = index.end();
    indexBytes = end.length;
    yield end;
  }
  const data = Readable.from(object(), { objectMode: false, highWaterMark: 1 });
  const { sizeBytes } = await blobs.put(location, data, signal);
  return { location, sizeBytes, indexBytes };
}

/** Reads the object whole and holds it against the seal. Errors: Fault BLOB_CORRUPT when they differ; those of `get`; the signal's reason. */
export async function verifyArchive(
  blobs: Pick<ArchiveBlobs, 'get'>,
  log: ArchivedLog,
  seal: LogSeal,
  signal: AbortSignal,
): Promise<void> {
  const check = new SealCheck(log.location, seal);
  for await (const chunk of new ArchiveReader(blobs).everyChunk(log)) {
    signal.throwIfAborted();
    check.add(chunk);
  }
  check.end();
}

/** Count of lines, bytes and SHA-256 of chunks that follow each other, against what the seal says. */
class SealCheck {
  private readonly hash = createHash('sha256');
  private lineCount = 0;
  private byteCount = 0;

  constructor(
    private readonly location: string,
    private readonly seal: LogSeal,
  ) {}

  add(chunk: LogChunk): void {
    const { firstSeq, lineCount, firstByte, bytes } = chunk;
    if (firstSeq !== this.lineCount || firstByte !== this.byteCount)
      throw this.differs(`line ${this.lineCount} at byte ${this.byteCount}`, `line ${firstSeq} at byte ${firstByte}`);
    const described = chunk.runs.reduce((sum, { count }) => sum + count, 0);
    if (described !== lineCount) throw this.differs(`runs over ${lineCount} lines from ${firstSeq} on`, `${described}`);
    this.lineCount += lineCount;
    this.byteCount += bytes.length;
    this.hash.update(bytes);
  }

  end(): void {
    const { lineCount, byteCount, sha256 } = this.seal;
    const got = this.hash.digest('hex');
    if (this.lineCount === lineCount && this.byteCount === byteCount && got === sha256) return;
    throw this.differs(
      `${lineCount} lines, ${byteCount} bytes, ${sha256}`,
      `${this.lineCount} lines, ${this.byteCount} bytes, ${got}`,
    );
  }

  private differs(expected: string, got: string): Fault {
    const { location } = this;
    return new Fault(
      'BLOB_CORRUPT',
      `the log for ${location} is not what its seal says: expected ${expected}, got ${got}`,
      {
        details: { location },
      },
    );
  }
}
