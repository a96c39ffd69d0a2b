// Logs: chunks in, lines and bytes out. What lies in a chunk is libs/core/src/chunk-codec.ts' business.
import { createHash, type Hash } from 'node:crypto';
import type { Lease } from '#core/build.js';
import { linesOf } from '#core/chunk-codec.js';
import { Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { LogChunk, LogLine, LogSeal, StoredLog } from '#core/log-line.js';
import type { Database } from './database.js';
import { appendChunks, packChunk, type PackedChunk } from './log-append.js';
import type { ArchiveBlobs } from './archive/archive-blobs.js';
import { endToGoOnFrom, type LogPlace, type LogState, rawBytes, readLogState, storedEnd } from './log-chunks.js';
import { ensureLogPartitions } from './log-partitions.js';
import { LogReader } from './log-reader.js';
import { sealLog } from './log-seal.js';

/** Chunks that `read` fetches at once. */
const READ_BATCH = 4;
/** Text after which `read` stops short of its limit, so that long lines cannot fill the memory; the reader asks on. */
export const READ_MAX_BYTES = 4 * 1024 * 1024;

export class LogsStore {
  private readonly reader: LogReader;

  /**
   * `appendRetryMs`: how long an append tries again while the database does not answer; default LOG_APPEND_RETRY_MS. `archive`: where
   * archived logs lie; without it they cannot be read here.
   */
  constructor(
    private readonly db: Database,
    private readonly options: { appendRetryMs?: number; archive?: Pick<ArchiveBlobs, 'get'> } = {},
  ) {
    this.reader = new LogReader(db, options.archive ?? null);
  }

  /** Begins to pack a chunk that will be appended, so that this goes on beside the appends before it. */
  pack(chunk: LogChunk): PackedChunk {
    return packChunk(chunk);
  }

  /**
   * Stores one chunk; resolves when it is durable. Chunks of a lease come in order, one call at a time.
   * Errors: Fault LEASE_LOST, LOG_APPEND_FAILED, INTERNAL (another chunk in its place).
   */
  append(lease: Lease, chunk: LogChunk): Promise<void> {
    return this.appendPacked(lease, [packChunk(chunk)]);
  }

  /** The same for several that follow each other, in one round trip. */
  appendPacked(lease: Lease, chunks: readonly PackedChunk[]): Promise<void> {
    return appendChunks(this.db, lease, chunks, this.options.appendRetryMs);
  }

  /**
   * Where the log of a lease's attempt ends, for a worker that has just adopted it, and a SHA-256 that has read all of it. `sealed`:
   * its worker died between the seal and the status.
   * Errors: Refusal BUILD_NOT_FOUND; Fault BLOB_CORRUPT.
   */
  async stored(lease: Lease): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }> {
    const log = await readLogState(this.db, lease.buildId, lease.attempt);
    const stored = await endToGoOnFrom(this.db, log);
    const hash = createHash('sha256');
    for await (const bytes of rawBytes(this.db, log, 0, stored.byte - 1)) hash.update(bytes);
    return { stored, hash, sealed: log.seal !== null };
  }

  /** The log is whole; no chunk follows. Errors: Fault LEASE_LOST; Fault INTERNAL when it differs from what is stored. */
  seal(lease: Lease, seal: LogSeal): Promise<void> {
    return sealLog(this.db, lease, seal);
  }

  /**
   * Lines from `fromSeq` on, at most `limit` and about READ_MAX_BYTES of text.
   * In: `attempt` absent for the latest. Out: `nextSeq` to ask on with; `complete` when no line of that attempt will ever follow (its log
   * is sealed, or it was followed by another).
   * Errors: Refusal BUILD_NOT_FOUND, ATTEMPT_NOT_FOUND, LOG_EXPIRED.
   */
  async read(request: {
    buildId: BuildId;
    attempt?: number;
    fromSeq: number;
    limit: number;
  }): Promise<{ lines: LogLine[]; nextSeq: number; complete: boolean }> {
    // The seal is read before the lines: what it covers is stored by then.
    const log = await this.kept(request.buildId, request.attempt);
    const lines: LogLine[] = [];
    let nextSeq = request.fromSeq;
    let atEnd = false;
    for (let bytes = 0; !atEnd && lines.length < request.limit && bytes < READ_MAX_BYTES;) {
      const chunks = await this.reader.chunksFromSeq(log, nextSeq, READ_BATCH);
      for (const chunk of chunks) {
        const found = linesOf(chunk, nextSeq, request.limit - lines.length);
        lines.push(...found);
        bytes += chunk.bytes.length;
        nextSeq = Math.max(nextSeq, (found.at(-1)?.seq ?? -1) + 1);
        if (lines.length >= request.limit) break;
      }
      atEnd = chunks.length < READ_BATCH && lines.length < request.limit;
    }
    const complete = !log.open && (log.seal === null ? atEnd : nextSeq >= log.seal.lineCount);
    // without a seal nothing tells a log that ends here from one that retention took while it was read
    if (complete && log.seal === null) await this.kept(request.buildId, request.attempt);
    return { lines, nextSeq, complete };
  }

  /** Where the log of an attempt lies, which stays the same. Errors: Refusal BUILD_NOT_FOUND, ATTEMPT_NOT_FOUND, LOG_EXPIRED. */
  async place(buildId: BuildId, attempt: number): Promise<LogPlace> {
    const { day } = await this.kept(buildId, attempt);
    return { buildId, attempt, day };
  }

  /**
   * Whole chunks from the one that holds line `fromSeq` on, in order, at most `limit`: one statement, and a look into the blob store where
   * the log was archived. None when nothing is stored from
   * there on, be it that the build was deleted or retention took its log; `size` tells of that.
   */
  chunks(place: LogPlace, fromSeq: number, limit: number): Promise<LogChunk[]> {
    return this.reader.chunksFromSeq(place, fromSeq, limit);
  }

  /**
   * Bytes [start, end], both inclusive, of the raw log as far as it is stored, chunk by chunk with one in memory at a time.
   * Errors: Refusal BUILD_NOT_FOUND, LOG_EXPIRED, at the first pull; LOG_EXPIRED also in the middle, never a log cut short in silence.
   */
  async *readRaw(request: { buildId: BuildId; attempt?: number; start: number; end: number }): AsyncGenerator<Buffer> {
    const log = await this.kept(request.buildId, request.attempt);
    let at = request.start;
    for await (const bytes of this.reader.rawBytes(log, request.start, request.end)) {
      at += bytes.length;
      yield bytes;
    }
    if (at <= request.end) await this.kept(request.buildId, request.attempt);
  }

  /** How much is stored, and the seal once there is one. Errors: Refusal BUILD_NOT_FOUND, LOG_EXPIRED. */
  async size(
    buildId: BuildId,
    attempt?: number,
  ): Promise<{ lineCount: number; byteCount: number; seal: LogSeal | null; attempt: number }> {
    const log = await this.kept(buildId, attempt);
    const end = log.seal ?? (await storedEnd(this.db, log));
    return { lineCount: end.lineCount, byteCount: end.byteCount, seal: log.seal, attempt: log.attempt };
  }

  private async kept(buildId: BuildId, attempt?: number): Promise<LogState> {
    const log = await readLogState(this.db, buildId, attempt);
    if (log.expiredAt === null) return log;
    throw logExpired(log.expiredAt);
  }

  /** Makes the partitions of these UTC days where they are missing; idempotent, safe from several processes at once. */
  async ensurePartitions(days: Date[]): Promise<void> {
    await ensureLogPartitions(this.db, days);
  }
}

/** What a reader is told of a log that retention has taken. */
export function logExpired(at: Date): Refusal {
  const expiredAt = at.toISOString();
  return new Refusal(
    'LOG_EXPIRED',
    `the log of this build was kept until ${expiredAt}, as its project's retention says`,
    {
      details: { expiredAt },
    },
  );
}
