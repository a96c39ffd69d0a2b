// Moves the logs of one ended build into the blob store: written, read back, pointed to. Their chunks go later (archive-logs.ts), so that a
// death at any point leaves a log that is read whole where its row says; at worst an object that no row knows, which blob-sweep.ts finds.
import { randomBytes } from 'node:crypto';
import { logArchiveKey } from '#core/blob-places.js';
import { asBuildId, type BuildId } from '#core/ids.js';
import type { LogSeal } from '#core/log-line.js';
import type { ArchiveBlobs, ArchivedLog } from '../archive/archive-blobs.js';
import { verifyArchive, writeArchive } from '../archive/archive-writer.js';
import type { Database, Queryable } from '../database.js';
import { DOOMED_GRACE_MS, doom } from '../doomed-blobs.store.js';
import { type LogPlace, storedFromSeq } from '../log-chunks.js';
import type { StoredChunk } from '../stored-chunk.js';
import { pause } from './pace.js';

/** A build whose logs are to be archived. */
export interface Archivable {
  id: string;
  /** The latest. */
  attempt: number;
  /** UTC day, `2026-11-22`: the partition in which its logs lie. */
  day: string;
}

/** Chunks of one read, at first and at most; it grows while they are small. */
const FIRST_READ = 4;
const LAST_READ = 256;
const SMALL_READ_BYTES = 512 * 1024;

/**
 * Out: bytes of the objects that were written; null when the build was deleted, or its logs have expired or were archived by another meanwhile.
 * Errors: Fault BLOB_CORRUPT when what is stored is not what its seal says; STORAGE_FULL, STORAGE_UNAVAILABLE; the signal's reason. What was
 * written is doomed then.
 */
export async function archiveBuild(
  db: Database,
  blobs: ArchiveBlobs,
  build: Archivable,
  signal: AbortSignal,
): Promise<number | null> {
  const keys: string[] = [];
  const logs = new Map<number, ArchivedLog>();
  try {
    for (const { attempt, seal } of await sealsOf(db, build)) {
      const place = { buildId: asBuildId(build.id), attempt, day: build.day };
      const key = logArchiveKey(build.id, attempt, randomBytes(6).toString('hex'));
      keys.push(key);
      const log = await writeArchive(blobs, key, { seal, chunks: storedChunks(db, place, signal) }, signal);
      await verifyArchive(blobs, log, seal, signal);
      logs.set(attempt, log);
    }
    if (await pointTo(db, build, logs)) return [...logs.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  } catch (error) {
    // after a while, and looked for again then: an answer that was lost may have been a yes
    await doom(db, keys, DOOMED_GRACE_MS, true).catch(() => undefined); // the listing of orphans finds them too
    throw error;
  }
  await doom(db, keys, 0);
  return null;
}

/** Seals of the attempts that have left a line. */
async function sealsOf(db: Database, { id, attempt }: Archivable): Promise<{ attempt: number; seal: LogSeal }[]> {
  const { rows } = await db.query<{ attempt: number; lines: string; bytes: string; sha256: string }>(
    `SELECT attempt, log_line_count AS lines, log_byte_count AS bytes, log_sha256 AS sha256 FROM build_attempt
       WHERE build_id = $1 AND attempt <> $2 AND log_line_count > 0
     UNION ALL SELECT attempt, log_line_count, log_byte_count, log_sha256 FROM build
       WHERE id = $1 AND attempt = $2 AND log_line_count > 0
     ORDER BY attempt`,
    [id, attempt],
  );
  return rows.map((row) => ({
    attempt: row.attempt,
    seal: { lineCount: Number(row.lines), byteCount: Number(row.bytes), sha256: row.sha256 },
  }));
}

/** All chunks of a log as they lie in the database, with pauses between the reads. */
async function* storedChunks(db: Database, place: LogPlace, signal: AbortSignal): AsyncGenerator<StoredChunk> {
  let limit = FIRST_READ;
  for (let seq = 0; ;) {
    const began = performance.now();
    const chunks = await storedFromSeq(db, place, seq, limit);
    const tookMs = performance.now() - began;
    yield* chunks;
    const last = chunks.at(-1);
    if (last === undefined || chunks.length < limit) return;
    seq = last.firstSeq + last.lineCount;
    const bytes = chunks.reduce((sum, { body }) => sum + body.length, 0);
    if (bytes < SMALL_READ_BYTES) limit = Math.min(limit * 4, LAST_READ);
    else limit = FIRST_READ;
    await pause(tookMs, signal);
  }
}

/** From the commit on every reader reads from there. Out: false when the build is no longer as it was. */
async function pointTo(db: Database, build: Archivable, logs: ReadonlyMap<number, ArchivedLog>): Promise<boolean> {
  return db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      `UPDATE build SET log_archived = true, version = version + 1
       WHERE id = $1 AND attempt = $2 AND status <> 'IN_PROGRESS' AND log_expired_at IS NULL AND NOT log_archived`,
      [build.id, build.attempt],
    );
    if (rowCount !== 1) return false;
    for (const [attempt, log] of logs) await insertRow(tx, asBuildId(build.id), attempt, log);
    return true;
  });
}

async function insertRow(tx: Queryable, id: BuildId, attempt: number, log: ArchivedLog): Promise<void> {
  await tx.query(
    'INSERT INTO log_archive (build_id, attempt, location, size_bytes, index_bytes) VALUES ($1, $2, $3, $4, $5)',
    [id, attempt, log.location, log.sizeBytes, log.indexBytes],
  );
}
