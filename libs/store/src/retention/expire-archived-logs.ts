// Retention of logs that were archived, by age for each project: their partitions are gone long ago.
import { logDays, olderThan } from '#core/retention.js';
import type { Database } from '../database.js';
import { DOOMED_GRACE_MS, doom } from '../doomed-blobs.store.js';
import { inBatches, NOTHING, type Taken } from './pace.js';
import type { Policies } from './policies.js';
import { projectPages } from './walk-projects.js';

/** Builds whose logs expire in one transaction. */
const BATCH = 200;
const OF_ONE_PROJECT = 50;

/** One round. Out: builds, and bytes of the objects that are given up. */
export async function expireArchivedLogs(
  db: Database,
  policies: Policies,
  now: Date,
  signal: AbortSignal,
): Promise<Taken> {
  const total = { ...NOTHING };
  for await (const names of projectPages(db, 'log_archived')) {
    signal.throwIfAborted();
    const taken = await inBatches(signal, async () => expireOf(db, await dueBuilds(db, names, policies, now)));
    total.items += taken.items;
    total.bytes += taken.bytes;
  }
  return total;
}

async function dueBuilds(db: Database, names: string[], policies: Policies, now: Date): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `SELECT due.id FROM unnest($1::text[], $2::timestamptz[]) AS p(name, before)
     CROSS JOIN LATERAL (
       SELECT b.id FROM build b WHERE b.project_name = p.name AND b.log_archived AND b.queued_at < p.before
       ORDER BY b.queued_at LIMIT ${OF_ONE_PROJECT}
     ) due
     LIMIT ${BATCH}`,
    [names, names.map((name) => olderThan(logDays(policies.of(name)), now)?.toISOString() ?? null)],
  );
  return rows.map((row) => row.id);
}

/** From the commit on readers are told that the log has expired; those that are reading it get DOOMED_GRACE_MS. */
async function expireOf(db: Database, ids: string[]): Promise<Taken> {
  if (ids.length === 0) return NOTHING;
  return db.transaction(async (tx) => {
    const builds = await tx.query<{ id: string }>(
      `UPDATE build SET log_expired_at = now(), log_archived = false, version = version + 1
       WHERE id = ANY($1::uuid[]) AND log_archived RETURNING id`,
      [ids],
    );
    const { rows } = await tx.query<{ location: string; bytes: string }>(
      'DELETE FROM log_archive WHERE build_id = ANY($1::uuid[]) RETURNING location, size_bytes AS bytes',
      [builds.rows.map(({ id }) => id)],
    );
    await doom(
      tx,
      rows.map(({ location }) => location),
      DOOMED_GRACE_MS,
    );
    return { items: builds.rows.length, bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0) };
  });
}
