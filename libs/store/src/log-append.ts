// One chunk into the store, in one round trip. Called by LogsStore.append.
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeChunkHeader } from '#core/chunk-codec.js';
import type { Lease } from '#core/build.js';
import { Fault, messageOf } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import type { Database } from './database.js';
import { atDatabaseEdge } from './database-errors.js';
import { HOLDS_LEASE, leaseLost, leaseValues } from './leased-writes.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';
import { chunkWithFirstSeq, deflateBody, readLogState } from './log-chunks.js';

/** How long an append tries again while the database does not answer. */
export const LOG_APPEND_RETRY_MS = 60_000;
const FIRST_BACKOFF_MS = 50;
const LAST_BACKOFF_MS = 2_000;
/** An answer that takes longer counts as a broken connection. */
const ANSWER_TIMEOUT_MS = 15_000;

/*
 * FOR SHARE is what makes the guard true until the commit. Without it an append that read a live lease could commit after settleLost
 * had ended the build and sealed its log, and the seal would be wrong. With it either the append comes first, and settleLost (which
 * locks the row for update) waits and counts it; or settleLost comes first, and the append, waiting on the row, reads it again, finds
 * it ended, and stores nothing. It costs no second round trip, only a lock mark on a row that is in memory anyway.
 */
const APPEND = {
  name: 'log-append',
  text: `
WITH owner AS MATERIALIZED (
  SELECT id, log_day FROM build WHERE ${HOLDS_LEASE} FOR SHARE
), stored AS (
  INSERT INTO log_chunk (build_id, attempt, day, first_seq, line_count, first_byte, byte_count, header, body, source)
  SELECT id, $2, log_day, $4, $5, $6, $7, $8, $9, $10::jsonb FROM owner
  ON CONFLICT (build_id, attempt, first_seq, day) DO NOTHING
  RETURNING build_id
), told AS MATERIALIZED (
  SELECT pg_notify('${BUILD_CHANNEL}', build_id || ' log') FROM stored
)
SELECT (SELECT count(*)::int FROM owner) AS owned, (SELECT count(*)::int FROM told) AS stored`,
  query_timeout: ANSWER_TIMEOUT_MS,
};

/**
 * Stores a chunk durably and tells those who wait. The same chunk again, after a failure that left open whether it got in, is fine.
 * Errors: Fault LEASE_LOST; Fault LOG_APPEND_FAILED when the database did not answer for `retryMs`; Fault INTERNAL when another
 * chunk lies in its place (two writers under one lease: a bug).
 */
export async function appendChunk(
  db: Database,
  lease: Lease,
  chunk: LogChunk,
  retryMs = LOG_APPEND_RETRY_MS,
): Promise<void> {
  if (chunk.lineCount === 0) return;
  const values = [
    ...leaseValues(lease),
    chunk.firstSeq,
    chunk.lineCount,
    chunk.firstByte,
    chunk.bytes.length,
    encodeChunkHeader(chunk),
    await deflateBody(chunk.bytes),
    chunk.source === undefined ? null : storedJson(chunk.source),
  ];
  const giveUpAt = performance.now() + retryMs;
  for (let pauseMs = FIRST_BACKOFF_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_BACKOFF_MS)) {
    try {
      await appendOnce(db, lease, chunk, values);
      return;
    } catch (error) {
      if (!(error instanceof Fault && error.retryable)) throw error;
      if (performance.now() + pauseMs > giveUpAt) {
        throw new Fault(
          'LOG_APPEND_FAILED',
          `lines from ${chunk.firstSeq} on could not be stored: ${messageOf(error)}`,
          {
            cause: error,
            details: { buildId: lease.buildId, firstSeq: chunk.firstSeq },
          },
        );
      }
    }
    await sleep(pauseMs);
  }
}

async function appendOnce(db: Database, lease: Lease, chunk: LogChunk, values: unknown[]): Promise<void> {
  const { rows } = await atDatabaseEdge(() => db.pool.query<{ owned: number; stored: number }>({ ...APPEND, values }));
  const row = rows[0];
  if (row?.owned !== 1) throw leaseLost(lease);
  if (row.stored !== 1) await expectSame(db, lease, chunk);
}

async function expectSame(db: Database, lease: Lease, chunk: LogChunk): Promise<void> {
  const place = await readLogState(db, lease.buildId, lease.attempt);
  const there = await chunkWithFirstSeq(db, place, chunk.firstSeq);
  if (
    there?.lineCount === chunk.lineCount &&
    there.firstByte === chunk.firstByte &&
    there.bytes.equals(chunk.bytes) &&
    encodeChunkHeader(there).equals(encodeChunkHeader(chunk))
  ) {
    return;
  }
  throw new Fault('INTERNAL', `build ${lease.buildId}: another log chunk is stored from line ${chunk.firstSeq} on`, {
    details: { buildId: lease.buildId, attempt: lease.attempt, firstSeq: chunk.firstSeq },
  });
}
