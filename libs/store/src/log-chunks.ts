// Rows of log_chunk: how a chunk goes in and comes out. The statements always name the day, so that Postgres opens one partition.
import { decodeChunkHeader } from '#core/chunk-codec.js';
import { Fault, Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { LogChunk, LogSeal, SourcePoint, StoredLog } from '#core/log-line.js';
import { unpackBody } from './chunk-body.js';
import { buildNotFound } from './end-build.js';
import type { Database } from './database.js';

/** Where the log of one attempt lies. */
export interface LogPlace {
  buildId: BuildId;
  attempt: number;
  /** `2026-11-22`. */
  day: string;
}

/** A build's log as its row tells it. */
export interface LogState extends LogPlace {
  /** True while the attempt may still write. */
  open: boolean;
  /** Null while it is not sealed. */
  seal: LogSeal | null;
  /** When retention took the log. */
  expiredAt: Date | null;
}

interface LogStateRow {
  attempt: number;
  day: string;
  /** Another attempt followed, or will. */
  followed: boolean;
  lines: string | null;
  bytes: string | null;
  sha256: string | null;
  cut: boolean;
  expired: Date | null;
  [column: string]: unknown;
}

/**
 * In: `attempt` absent for the latest that was claimed; 0 names the time before the first, when nothing is logged.
 * Errors: Refusal BUILD_NOT_FOUND, ATTEMPT_NOT_FOUND.
 */
export async function readLogState(db: Database, buildId: BuildId, attempt?: number): Promise<LogState> {
  const { rows } = await db.query<LogStateRow>(
    `SELECT b.attempt, b.log_day::text AS day, a.attempt IS NOT NULL AS followed,
       CASE WHEN a.attempt IS NULL THEN b.log_line_count ELSE a.log_line_count END AS lines,
       CASE WHEN a.attempt IS NULL THEN b.log_byte_count ELSE a.log_byte_count END AS bytes,
       CASE WHEN a.attempt IS NULL THEN b.log_sha256 ELSE a.log_sha256 END AS sha256,
       CASE WHEN a.attempt IS NULL THEN b.log_cut ELSE a.log_cut END AS cut,
       b.log_expired_at AS expired
     FROM build b LEFT JOIN build_attempt a ON a.build_id = b.id AND a.attempt = coalesce($2::int, b.attempt)
     WHERE b.id = $1`,
    [buildId, attempt ?? null],
  );
  const row = rows[0];
  if (row === undefined) throw buildNotFound(buildId);
  const { day, expired: expiredAt } = row;
  const of = attempt ?? row.attempt;
  if (of < 0 || of > row.attempt) throw attemptNotFound(buildId, of, row.attempt);
  const latest = of === row.attempt;
  if (!latest && !row.followed) return { buildId, attempt: of, day, open: false, seal: null, expiredAt };
  const seal = sealOf(row);
  return { buildId, attempt: of, day, open: latest && !row.followed && seal === null, seal, expiredAt };
}

function sealOf({ lines, bytes, sha256, cut }: LogStateRow): LogSeal | null {
  if (sha256 === null) return null;
  return { lineCount: Number(lines), byteCount: Number(bytes), sha256, ...(cut ? { cut: true } : {}) };
}

function attemptNotFound(id: BuildId, attempt: number, latest: number): Refusal {
  const there = latest === 0 ? 'no worker has taken it yet' : `its attempts are 1 to ${latest}`;
  return new Refusal('ATTEMPT_NOT_FOUND', `build ${id} has no attempt ${attempt}: ${there}`, {
    details: { id, attempt, latest },
  });
}

interface ChunkRow {
  first_seq: string;
  line_count: number;
  first_byte: string;
  byte_count: number;
  header: Buffer;
  body_codec: number;
  body: Buffer;
  [column: string]: unknown;
}

const COLUMNS = 'first_seq, line_count, first_byte, byte_count, header, body_codec, body';
const OF_PLACE = 'build_id = $1 AND attempt = $2 AND day = $3::date';

/** Errors: Fault BLOB_CORRUPT. */
export async function toChunk(row: ChunkRow): Promise<LogChunk> {
  try {
    const bytes = await unpackBody({ codec: row.body_codec, body: row.body }, row.byte_count);
    return {
      firstSeq: Number(row.first_seq),
      lineCount: row.line_count,
      firstByte: Number(row.first_byte),
      bytes,
      ...decodeChunkHeader(row.header),
    };
  } catch (cause) {
    throw new Fault('BLOB_CORRUPT', `the stored log chunk from line ${row.first_seq} cannot be read`, { cause });
  }
}

/** Chunks from the one that holds line `fromSeq` on, in order, at most `limit`; none when that line is not stored yet. */
export async function chunksFromSeq(
  db: Database,
  place: LogPlace,
  fromSeq: number,
  limit: number,
): Promise<LogChunk[]> {
  const { rows } = await db.query<ChunkRow>(
    `SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE}
       AND first_seq >= coalesce((SELECT max(first_seq) FROM log_chunk WHERE ${OF_PLACE} AND first_seq <= $4), 0)
       AND first_seq + line_count > $4
     ORDER BY first_seq LIMIT $5`,
    [place.buildId, place.attempt, place.day, fromSeq, limit],
  );
  return Promise.all(rows.map(toChunk));
}

/** The chunk that holds byte `at` of the raw log, or the first one behind it; null at the end. */
export async function chunkAtByte(db: Database, place: LogPlace, at: number): Promise<LogChunk | null> {
  const { rows } = await db.query<ChunkRow>(
    `SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE}
       AND first_byte >= coalesce((SELECT max(first_byte) FROM log_chunk WHERE ${OF_PLACE} AND first_byte <= $4), 0)
       AND first_byte + byte_count > $4
     ORDER BY first_byte LIMIT 1`,
    [place.buildId, place.attempt, place.day, at],
  );
  return rows[0] === undefined ? null : toChunk(rows[0]);
}

/** The chunk that begins with line `firstSeq`, or null. */
export async function chunkWithFirstSeq(db: Database, place: LogPlace, firstSeq: number): Promise<LogChunk | null> {
  const { rows } = await db.query<ChunkRow>(`SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE} AND first_seq = $4`, [
    place.buildId,
    place.attempt,
    place.day,
    firstSeq,
  ]);
  return rows[0] === undefined ? null : toChunk(rows[0]);
}

/** Where the stored log ends: the number its next line gets, and its length in bytes. */
export async function storedEnd(db: Database, place: LogPlace): Promise<{ lineCount: number; byteCount: number }> {
  const { rows } = await db.query<{ lines: string; bytes: string }>(
    `SELECT first_seq + line_count AS lines, first_byte + byte_count AS bytes FROM log_chunk WHERE ${OF_PLACE}
     ORDER BY first_seq DESC LIMIT 1`,
    [place.buildId, place.attempt, place.day],
  );
  return { lineCount: Number(rows[0]?.lines ?? 0), byteCount: Number(rows[0]?.bytes ?? 0) };
}

/** What a worker that goes on with this log has to know of its end. */
export async function endToGoOnFrom(db: Database, place: LogPlace): Promise<StoredLog> {
  const { rows } = await db.query<ChunkRow & { source: SourcePoint | null }>(
    `SELECT ${COLUMNS}, source FROM log_chunk WHERE ${OF_PLACE} ORDER BY first_seq DESC LIMIT 1`,
    [place.buildId, place.attempt, place.day],
  );
  const row = rows[0];
  if (row === undefined) return { seq: 0, byte: 0, open: null, source: null };
  const chunk = await toChunk(row);
  return {
    seq: chunk.firstSeq + chunk.lineCount,
    byte: chunk.firstByte + chunk.bytes.length,
    open: chunk.openLines.at(-1) === chunk.lineCount - 1 ? chunk.runs.at(-1)!.stream : null,
    source: row.source,
  };
}

/** Bytes [start, end], both inclusive, of the raw log as far as it is stored; one chunk in memory at a time. */
export async function* rawBytes(db: Database, place: LogPlace, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at <= end;) {
    const chunk = await chunkAtByte(db, place, at);
    if (chunk === null || chunk.firstByte > end) return;
    yield chunk.bytes.subarray(Math.max(0, at - chunk.firstByte), end + 1 - chunk.firstByte);
    at = chunk.firstByte + chunk.bytes.length;
  }
}
