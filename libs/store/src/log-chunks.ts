// Rows of log_chunk: how a chunk goes in and comes out. The statements always name the day, so that Postgres opens one partition.
import { Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { LogChunk, LogSeal, SourcePoint, StoredLog } from '#core/log-line.js';
import type { ArchivedLog } from './archive/archive-blobs.js';
import { buildNotFound } from './end-build.js';
import type { Database } from './database.js';
import { openChunk, type StoredChunk } from './stored-chunk.js';

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

/** From the one that holds line $4 on, at most $5; none when that line is not stored yet. */
const FROM_SEQ = `SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE}
    AND first_seq >= coalesce((SELECT max(first_seq) FROM log_chunk WHERE ${OF_PLACE} AND first_seq <= $4), 0)
    AND first_seq + line_count > $4
  ORDER BY first_seq LIMIT $5`;
/** From the one that holds byte $4 of the raw log on, or the first one behind it, at most $5. */
const FROM_BYTE = `SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE}
    AND first_byte >= coalesce((SELECT max(first_byte) FROM log_chunk WHERE ${OF_PLACE} AND first_byte <= $4), 0)
    AND first_byte + byte_count > $4
  ORDER BY first_byte LIMIT $5`;

function toStored(row: ChunkRow): StoredChunk {
  return {
    firstSeq: Number(row.first_seq),
    lineCount: row.line_count,
    firstByte: Number(row.first_byte),
    byteCount: row.byte_count,
    header: row.header,
    codec: row.body_codec,
    body: row.body,
  };
}

/** Chunks as they lie in their rows, from the one that holds line `fromSeq` on, in order, at most `limit`. */
export async function storedFromSeq(
  db: Database,
  place: LogPlace,
  fromSeq: number,
  limit: number,
): Promise<StoredChunk[]> {
  const { rows } = await db.query<ChunkRow>(FROM_SEQ, [place.buildId, place.attempt, place.day, fromSeq, limit]);
  return rows.map(toStored);
}

/** What a look for chunks finds: where the log lies in the blob store, or chunks of the database. */
export type Found = { archived: ArchivedLog; chunks: null } | { archived: null; chunks: StoredChunk[] };

/**
 * One statement, so one moment: a log that is being archived is found whole in one place or the other. `from` names a line, or a byte of the
 * raw log; chunks come in order, from the one that holds it on, at most `limit`.
 */
export async function lookFrom(
  db: Database,
  place: LogPlace,
  from: { seq: number } | { byte: number },
  limit: number,
): Promise<Found> {
  const [chunks, at] = 'seq' in from ? [FROM_SEQ, from.seq] : [FROM_BYTE, from.byte];
  const { rows } = await db.query<ArchiveColumns & { [Column in keyof ChunkRow]: ChunkRow[Column] | null }>(
    `SELECT a.location, a.size_bytes, a.index_bytes, c.* FROM (SELECT 1) one
     LEFT JOIN log_archive a ON a.build_id = $1 AND a.attempt = $2
     LEFT JOIN LATERAL (${chunks}) c ON a.location IS NULL
     ORDER BY c.first_seq`,
    [place.buildId, place.attempt, place.day, at, limit],
  );
  const archived = rows[0] === undefined ? null : toArchived(rows[0]);
  if (archived !== null) return { archived, chunks: null };
  return {
    archived: null,
    chunks: rows.filter((row): row is ArchiveColumns & ChunkRow => row.first_seq !== null).map(toStored),
  };
}

interface ArchiveColumns {
  location: string | null;
  size_bytes: string | null;
  index_bytes: number | null;
  [column: string]: unknown;
}

function toArchived({ location, size_bytes, index_bytes }: ArchiveColumns): ArchivedLog | null {
  if (location === null) return null;
  return { location, sizeBytes: Number(size_bytes), indexBytes: Number(index_bytes) };
}

/** The chunk that begins with line `firstSeq`, or null. */
export async function chunkWithFirstSeq(db: Database, place: LogPlace, firstSeq: number): Promise<LogChunk | null> {
  const { rows } = await db.query<ChunkRow>(`SELECT ${COLUMNS} FROM log_chunk WHERE ${OF_PLACE} AND first_seq = $4`, [
    place.buildId,
    place.attempt,
    place.day,
    firstSeq,
  ]);
  return rows[0] === undefined ? null : openChunk(toStored(rows[0]));
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
  const chunk = await openChunk(toStored(row));
  return {
    seq: chunk.firstSeq + chunk.lineCount,
    byte: chunk.firstByte + chunk.bytes.length,
    open: chunk.openLines.at(-1) === chunk.lineCount - 1 ? chunk.runs.at(-1)!.stream : null,
    source: row.source,
  };
}

/**
 * Bytes [start, end], both inclusive, of the raw log as far as it is stored in the database; one chunk in memory at a time.
 * For logs that nobody has archived: those that are not sealed, or are still written. LogReader reads all.
 */
export async function* rawBytes(db: Database, place: LogPlace, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at <= end;) {
    const { rows } = await db.query<ChunkRow>(FROM_BYTE, [place.buildId, place.attempt, place.day, at, 1]);
    const chunk = rows[0] === undefined ? null : await openChunk(toStored(rows[0]));
    if (chunk === null || chunk.firstByte > end) return;
    yield chunk.bytes.subarray(Math.max(0, at - chunk.firstByte), end + 1 - chunk.firstByte);
    at = chunk.firstByte + chunk.bytes.length;
  }
}
