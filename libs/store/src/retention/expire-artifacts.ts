// Retention of artifacts by age and by count for each project; their rows stay and say that they expired. The newest success keeps its own.
import { olderThan } from '#core/retention.js';
import type { Database } from '../database.js';
import { artifactPlaces } from '../delete-builds.js';
import { DOOMED_GRACE_MS, doom } from '../doomed-blobs.store.js';
import { IS_NEWEST_SUCCESS } from './newest-success.js';
import { inBatches, NOTHING, type Taken } from './pace.js';
import type { Policies } from './policies.js';
import { projectPages } from './walk-projects.js';

/** Builds whose artifacts expire in one transaction. */
const ARTIFACT_BATCH = 200;
const OF_ONE_PROJECT = 50;

/** One round. Out: artifacts, and their bytes. */
export async function expireArtifacts(
  db: Database,
  policies: Policies,
  now: Date,
  signal: AbortSignal,
): Promise<Taken> {
  const total = { ...NOTHING };
  for await (const names of projectPages(db, 'artifacts_kept')) {
    signal.throwIfAborted();
    const taken = await inBatches(signal, async () => expireOf(db, await dueBuilds(db, names, policies, now)));
    total.items += taken.items;
    total.bytes += taken.bytes;
  }
  return total;
}

/** Builds whose artifacts are due; the count counts builds that have some. */
async function dueBuilds(db: Database, names: string[], policies: Policies, now: Date): Promise<string[]> {
  const of = names.map((name) => policies.of(name));
  const { rows } = await db.query<{ id: string }>(
    `SELECT due.id FROM unnest($1::text[], $2::timestamptz[], $3::int[]) AS p(name, before, keep)
     CROSS JOIN LATERAL (
       SELECT greatest(p.before, (
         SELECT counted.queued_at FROM build counted WHERE p.keep > 0 AND counted.project_name = p.name AND counted.artifacts_kept
         ORDER BY counted.queued_at DESC OFFSET greatest(p.keep - 1, 0) LIMIT 1
       )) AS before
     ) edge
     CROSS JOIN LATERAL (
       SELECT b.id FROM build b
       WHERE b.project_name = p.name AND b.artifacts_kept AND b.queued_at < edge.before AND b.status <> 'IN_PROGRESS'
         AND NOT ${IS_NEWEST_SUCCESS}
       ORDER BY b.queued_at LIMIT ${OF_ONE_PROJECT}
     ) due
     LIMIT ${ARTIFACT_BATCH}`,
    [
      names,
      of.map((policy) => olderThan(policy.artifactsDays, now)?.toISOString() ?? null),
      of.map((policy) => policy.artifactsCount),
    ],
  );
  return rows.map((row) => row.id);
}

/** From the commit on no download begins; those that have begun get DOOMED_GRACE_MS. */
async function expireOf(db: Database, ids: string[]): Promise<Taken> {
  if (ids.length === 0) return NOTHING;
  return db.transaction(async (tx) => {
    const builds = await tx.query<{ id: string }>(
      `UPDATE build SET artifacts_kept = false, version = version + 1
       WHERE id = ANY($1::uuid[]) AND artifacts_kept AND status <> 'IN_PROGRESS' RETURNING id`,
      [ids],
    );
    const expired = builds.rows.map((row) => row.id);
    await doom(tx, await artifactPlaces(tx, expired), DOOMED_GRACE_MS);
    const { rows } = await tx.query<{ items: number; bytes: string }>(
      `WITH expired AS (
         UPDATE build_artifact SET expired_at = now() WHERE build_id = ANY($1::uuid[]) AND expired_at IS NULL RETURNING size_bytes
       ) SELECT count(*)::int AS items, coalesce(sum(size_bytes), 0) AS bytes FROM expired`,
      [expired],
    );
    // a build without a row of an artifact still was one: the batch is not empty
    return { items: Math.max(rows[0]?.items ?? 0, expired.length), bytes: Number(rows[0]?.bytes ?? 0) };
  });
}
