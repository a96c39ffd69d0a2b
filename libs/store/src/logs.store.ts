// Logs: chunks in, lines and bytes out. What lies in a chunk is libs/core/src/chunk-codec.ts' business.
import { createHash, type Hash } from 'node:crypto';
import type { Lease } from '#core/build.js';
import { linesOf } from '#core/chunk-codec.js';
import type { BuildId } from '#core/ids.js';
import type { LogChunk, LogLine, LogSeal, StoredLog } from '#core/log-line.js';
import type { Database } from './database.js';
import { appendChunk } from './log-append.js';
import { chunksFromSeq, endToGoOnFrom, rawBytes, readLogState, storedEnd } from './log-chunks.js';
import { ensureLogPartitions } from './log-partitions.js';
import { sealLog } from './log-seal.js';

/** Chunks that `read` fetches at once. */
const READ_BATCH = 4;
/** Text after which `read` stops short of its limit, so that long lines cannot fill the memory; the reader asks on. */
export const READ_MAX_BYTES = 4 * 1024 * 1024;

export class LogsStore {
  /** `appendRetryMs`: how long an append tries again while the database does not answer; default LOG_APPEND_RETRY_MS. */
  constructor(
    private readonly db: Database,
    private readonly options: { appendRetryMs?: number } = {},
  ) {}

  /**
   * Stores one chunk; resolves when it is durable. Chunks of a lease come in order, one at a time.
   * Errors: Fault LEASE_LOST, LOG_APPEND_FAILED, INTERNAL (another chunk in its place).
   */
  append(lease: Lease, chunk: LogChunk): Promise<void> {
    return appendChunk(this.db, lease, chunk, this.options.appendRetryMs);
  }

  /**
   * Where the log of a lease's attempt ends, for a worker that has just adopted it, and a SHA-256 that has read all of it.
   * Errors: Refusal BUILD_NOT_FOUND; Fault BLOB_CORRUPT.
   */
  async stored(lease: Lease): Promise<{ stored: StoredLog; hash: Hash }> {
    const log = await readLogState(this.db, lease.buildId, lease.attempt);
    const stored = await endToGoOnFrom(this.db, log);
    const hash = createHash('sha256');
    for await (const bytes of rawBytes(this.db, log, 0, stored.byte - 1)) hash.update(bytes);
    return { stored, hash };
  }

  /** The log is whole; no chunk follows. Errors: Fault LEASE_LOST; Fault INTERNAL when it differs from what is stored. */
  seal(lease: Lease, seal: LogSeal): Promise<void> {
    return sealLog(this.db, lease, seal);
  }

  /**
   * Lines from `fromSeq` on, at most `limit` and about READ_MAX_BYTES of text.
   * In: `attempt` absent for the latest. Out: `nextSeq` to ask on with; `complete` when no line of that attempt will ever follow (its log
   * is sealed, or it was followed by another).
   * Errors: Refusal BUILD_NOT_FOUND, ATTEMPT_NOT_FOUND.
   */
  async read(request: {
    buildId: BuildId;
    attempt?: number;
    fromSeq: number;
    limit: number;
  }): Promise<{ lines: LogLine[]; nextSeq: number; complete: boolean }> {
    // The seal is read before the lines: what it covers is stored by then.
    const log = await readLogState(this.db, request.buildId, request.attempt);
    const lines: LogLine[] = [];
    let nextSeq = request.fromSeq;
    let atEnd = false;
    for (let bytes = 0; !atEnd && lines.length < request.limit && bytes < READ_MAX_BYTES;) {
      const chunks = await chunksFromSeq(this.db, log, nextSeq, READ_BATCH);
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
    return { lines, nextSeq, complete };
  }

  /**
   * Bytes [start, end], both inclusive, of the raw log as far as it is stored, chunk by chunk with one in memory at a time.
   * Errors: Refusal BUILD_NOT_FOUND, at the first pull.
   */
  async *readRaw(request: { buildId: BuildId; attempt?: number; start: number; end: number }): AsyncGenerator<Buffer> {
    const log = await readLogState(this.db, request.buildId, request.attempt);
    yield* rawBytes(this.db, log, request.start, request.end);
  }

  /** How much is stored, and the seal once there is one. Errors: Refusal BUILD_NOT_FOUND. */
  async size(
    buildId: BuildId,
    attempt?: number,
  ): Promise<{ lineCount: number; byteCount: number; seal: LogSeal | null; attempt: number }> {
    const log = await readLogState(this.db, buildId, attempt);
    const end = log.seal ?? (await storedEnd(this.db, log));
    return { lineCount: end.lineCount, byteCount: end.byteCount, seal: log.seal, attempt: log.attempt };
  }

  /** Makes the partitions of these UTC days where they are missing; idempotent, safe from several processes at once. */
  async ensurePartitions(days: Date[]): Promise<void> {
    await ensureLogPartitions(this.db, days);
  }
}
