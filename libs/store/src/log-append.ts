// Chunks into the store, several in one round trip. Called by LogsStore.append.
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeChunkHeader } from '#core/chunk-codec.js';
import type { Lease } from '#core/build.js';
import { Fault, messageOf } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import type pg from 'pg';
import type { Database } from './database.js';
import { atDatabaseEdge, isMissingPartition } from './database-errors.js';
import { HOLDS_LEASE, leaseLost, leaseValues } from './leased-writes.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';
import { type PackedBody, packBody } from './chunk-body.js';
import { chunkWithFirstSeq, readLogState } from './log-chunks.js';
import { type Parameter, UnbufferedQuery } from './unbuffered-query.js';
import { dayFromText, ensureLogPartitions } from './log-partitions.js';

/** How long an append tries again while the database does not answer. */
export const LOG_APPEND_RETRY_MS = 60_000;
const FIRST_BACKOFF_MS = 50;
const LAST_BACKOFF_MS = 2_000;
/** An answer that takes longer counts as a broken connection. */
const ANSWER_TIMEOUT_MS = 15_000;

/** A chunk whose bytes are packed, or about to be. */
export interface PackedChunk {
  chunk: LogChunk;
  packed: Promise<PackedBody>;
}

/** Begins to pack a chunk; an error comes out of its append. */
export function packChunk(chunk: LogChunk): PackedChunk {
  const packed = packBody(chunk.bytes);
  packed.catch(() => undefined); // met again by the append, if there ever is one
  return { chunk, packed };
}

/** Columns of a row that are the chunk's own, with the types in which their parameters come. */
const CHUNK_COLUMNS = [
  ['first_seq', 'bigint'],
  ['line_count', 'integer'],
  ['first_byte', 'bigint'],
  ['byte_count', 'integer'],
  ['header', 'bytea'],
  ['body_codec', 'smallint'],
  ['body', 'bytea'],
  ['source', 'jsonb'],
] as const;
const COLUMN_NAMES = CHUNK_COLUMNS.map(([name]) => name).join(', ');
const LEASE_VALUES = 3;

/*
 * FOR KEY SHARE is what makes the guard true until the commit. Without it an append that read a live lease could commit after settleLost
 * had ended the build and sealed its log, and the seal would be wrong. With it either the append comes first, and settleLost (which
 * locks the row for update) waits and counts it; or settleLost comes first, and the append, waiting on the row, reads it again, finds
 * it ended, and stores nothing. It costs no second round trip, only a lock mark on a row that is in memory anyway.
 * Several chunks go in by one statement, so all or none of those that do not lie there yet. Its text depends on their number alone, so that it is parsed once.
 */
function appendOf(count: number): { name: string; text: string; timeoutMs: number } {
  const rows = Array.from({ length: count }, (_, row) => {
    const first = LEASE_VALUES + 1 + row * CHUNK_COLUMNS.length;
    return `(${CHUNK_COLUMNS.map(([, type], column) => `$${first + column}::${type}`).join(', ')})`;
  });
  return {
    name: `log-append-${count}`,
    text: `
WITH owner AS MATERIALIZED (
  SELECT id, log_day FROM build WHERE ${HOLDS_LEASE} FOR KEY SHARE
), stored AS (
  INSERT INTO log_chunk (build_id, attempt, day, ${COLUMN_NAMES})
  SELECT id, $2, log_day, ${COLUMN_NAMES} FROM owner CROSS JOIN (VALUES ${rows.join(', ')}) AS chunk (${COLUMN_NAMES})
  ON CONFLICT (build_id, attempt, first_seq, day) DO NOTHING
  RETURNING first_seq
), told AS MATERIALIZED (
  SELECT pg_notify('${BUILD_CHANNEL}', id || ' log') FROM owner WHERE EXISTS (SELECT 1 FROM stored)
)
SELECT (SELECT count(*)::int FROM owner) AS owned, (SELECT count(*)::int FROM stored) AS stored,
  (SELECT count(*)::int FROM told) AS told`,
    timeoutMs: ANSWER_TIMEOUT_MS,
  };
}

/**
 * Stores chunks that follow each other durably, and tells those who wait. The same chunks again, after a failure that left open whether
 * they got in, are fine.
 * Errors: Fault LEASE_LOST; Fault LOG_APPEND_FAILED when the database did not answer for `retryMs`; Fault INTERNAL when another
 * chunk lies in the place of one (two writers under one lease: a bug).
 */
export async function appendChunks(
  db: Database,
  lease: Lease,
  given: readonly PackedChunk[],
  retryMs = LOG_APPEND_RETRY_MS,
): Promise<void> {
  const filled = given.filter(({ chunk }) => chunk.lineCount > 0);
  if (filled.length === 0) return;
  const chunks = filled.map(({ chunk }) => chunk);
  const values: Parameter[] = [
    ...leaseValues(lease),
    ...(await Promise.all(filled.map(({ chunk, packed }) => packed.then((body) => chunkValues(chunk, body))))).flat(),
  ];
  const giveUpAt = performance.now() + retryMs;
  for (let pauseMs = FIRST_BACKOFF_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_BACKOFF_MS)) {
    try {
      await appendOnce(db, lease, chunks, values);
      return;
    } catch (error) {
      if (isMissingPartition(error)) {
        // nobody made it ahead: no worker ran on the day on which the build was queued
        await ensureLogPartitions(db, [dayFromText((await readLogState(db, lease.buildId)).day)]);
        continue;
      }
      if (!(error instanceof Fault && error.retryable)) throw error;
      if (performance.now() + pauseMs > giveUpAt) {
        throw new Fault(
          'LOG_APPEND_FAILED',
          `lines from ${chunks[0]!.firstSeq} on could not be stored: ${messageOf(error)}`,
          {
            cause: error,
            details: { buildId: lease.buildId, firstSeq: chunks[0]!.firstSeq },
          },
        );
      }
    }
    await sleep(pauseMs);
  }
}

/** In the order of CHUNK_COLUMNS. */
function chunkValues(chunk: LogChunk, { codec, body }: PackedBody): Parameter[] {
  return [
    chunk.firstSeq,
    chunk.lineCount,
    chunk.firstByte,
    chunk.bytes.length,
    encodeChunkHeader(chunk),
    codec,
    body,
    chunk.source === undefined ? null : storedJson(chunk.source),
  ];
}

async function appendOnce(db: Database, lease: Lease, chunks: readonly LogChunk[], values: Parameter[]): Promise<void> {
  const query = new UnbufferedQuery({ ...appendOf(chunks.length), values });
  const { rows } = (await atDatabaseEdge(() => db.pool.query(query as unknown as pg.QueryConfig))) as pg.QueryResult<{
    owned: number;
    stored: number;
  }>;
  const row = rows[0];
  if (row?.owned !== 1) throw leaseLost(lease);
  if (row.stored !== chunks.length) for (const chunk of chunks) await expectSame(db, lease, chunk);
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
