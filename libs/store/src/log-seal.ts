// The seal of a build's log: what its worker says at the end, or what is stored when no worker is left to say it.
import { createHash } from 'node:crypto';
import type { Lease } from '#core/build.js';
import { Fault } from '#core/errors.js';
import { asBuildId, type BuildId } from '#core/ids.js';
import type { LogSeal } from '#core/log-line.js';
import type { Database, Queryable } from './database.js';
import { HOLDS_LEASE, leaseLost, leaseValues } from './leased-writes.js';
import { BUILD_CHANNEL } from './listen.js';
import { rawBytes, readLogState, storedEnd } from './log-chunks.js';

/** Logs that one sweep seals at most; the next goes on. */
const SEAL_BATCH = 50;

/**
 * Seals the log of a running build.
 * Errors: Fault LEASE_LOST; Fault INTERNAL when count, bytes or the chain of chunks differ from what is stored.
 */
export async function sealLog(db: Database, lease: Lease, seal: LogSeal): Promise<void> {
  await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ day: string }>(
      `SELECT log_day::text AS day FROM build WHERE ${HOLDS_LEASE} FOR UPDATE`,
      leaseValues(lease),
    );
    const row = rows[0];
    if (row === undefined) throw leaseLost(lease);
    await expectStored(tx, lease, row.day, seal);
    await writeSeal(tx, lease, seal);
  });
}

async function expectStored(tx: Queryable, lease: Lease, day: string, seal: LogSeal): Promise<void> {
  const { rows } = await tx.query<Record<'lines' | 'bytes' | 'last_line' | 'last_byte', string>>(
    `SELECT coalesce(sum(line_count), 0) AS lines, coalesce(sum(byte_count), 0) AS bytes,
       coalesce(max(first_seq + line_count), 0) AS last_line, coalesce(max(first_byte + byte_count), 0) AS last_byte
     FROM log_chunk WHERE build_id = $1 AND attempt = $2 AND day = $3::date`,
    [lease.buildId, lease.attempt, day],
  );
  const { lines, bytes, last_line, last_byte } = rows[0] ?? { lines: 0, bytes: 0, last_line: 0, last_byte: 0 };
  const whole =
    [lines, last_line].every((count) => Number(count) === seal.lineCount) &&
    [bytes, last_byte].every((count) => Number(count) === seal.byteCount);
  if (whole) return;
  const expected = `${seal.lineCount} lines, ${seal.byteCount} bytes`;
  const got = `${lines} lines up to ${last_line}, ${bytes} bytes up to ${last_byte}`;
  throw new Fault(
    'INTERNAL',
    `the log of build ${lease.buildId} is not whole: expected ${expected}, stored are ${got}`,
  );
}

/**
 * Seals logs of ended attempts that have no seal, with what is stored. Idempotent. A log that cannot be read does not keep the others
 * from theirs; its error is thrown after them.
 */
export async function sealAbandonedLogs(db: Database): Promise<void> {
  const { rows } = await db.query<{ id: string; attempt: number }>(
    `(SELECT id, attempt FROM build WHERE status <> 'IN_PROGRESS' AND log_sha256 IS NULL ORDER BY ended_at DESC LIMIT ${SEAL_BATCH})
     UNION
     (SELECT build_id, attempt FROM build_attempt WHERE log_sha256 IS NULL ORDER BY ended_at DESC LIMIT ${SEAL_BATCH})`,
  );
  const failures: Error[] = [];
  for (const row of rows) {
    try {
      await sealWithWhatIsStored(db, asBuildId(row.id), row.attempt);
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  if (failures[0] !== undefined) throw failures[0];
}

/** Marked as cut: nobody can say that it is whole. The attempt has ended, so nothing is added to its log any more (log-append.ts says why). */
async function sealWithWhatIsStored(db: Database, buildId: BuildId, attempt: number): Promise<void> {
  const place = await readLogState(db, buildId, attempt);
  const end = await storedEnd(db, place);
  const hash = createHash('sha256');
  for await (const bytes of rawBytes(db, place, 0, end.byteCount - 1)) hash.update(bytes);
  await db.transaction((tx) => writeSeal(tx, place, { ...end, sha256: hash.digest('hex'), cut: true }));
}

/** The build's row tells of its latest attempt, also while it waits for the next; an attempt that was followed by another has a row too. */
async function writeSeal(
  tx: Queryable,
  { buildId, attempt }: { buildId: BuildId; attempt: number },
  seal: LogSeal,
): Promise<void> {
  const values = [buildId, attempt, seal.lineCount, seal.byteCount, seal.sha256, seal.cut ?? false];
  const columns = 'log_line_count = $3, log_byte_count = $4, log_sha256 = $5, log_cut = $6';
  await tx.query(`UPDATE build SET ${columns}, version = version + 1 WHERE id = $1 AND attempt = $2`, values);
  await tx.query(`UPDATE build_attempt SET ${columns} WHERE build_id = $1 AND attempt = $2`, values);
  await tx.query(`SELECT pg_notify('${BUILD_CHANNEL}', $1)`, [`${buildId} log`]);
}
