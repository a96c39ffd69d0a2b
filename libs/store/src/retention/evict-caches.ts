// Cache entries over their quotas: least recently used first, of each project and then of all; and those that nobody has used for long.
import type { Database } from '../database.js';
import { DOOMED_GRACE_MS } from '../doomed-blobs.store.js';
import type { Taken } from './pace.js';

export interface CacheBudgets {
  /** Of one project; 0: none. */
  projectBytes: number;
  /** Of all together; 0: none. */
  bytes: number;
  /** Unused for so long; 0: for ever. */
  days: number;
}

/**
 * One round. What builds of no trust saved goes before anything that trusted ones did, so that none can push its base's cache out. An
 * entry that is used between the look and the deletion stays: its row is only deleted as it was seen. The bytes of one that goes stay for
 * DOOMED_GRACE_MS, for a restore that has begun.
 */
export async function evictCaches(db: Database, { projectBytes, bytes, days }: CacheBudgets): Promise<Taken> {
  const { rows } = await db.query<{ items: number; bytes: string }>(
    `WITH of_projects AS (
       SELECT *, sum(size_bytes) OVER (PARTITION BY project_id ORDER BY scope <> '', last_used_at DESC, id) AS up_to_here FROM cache_entry
     ), within AS (
       SELECT *, ($1::bigint > 0 AND up_to_here > $1)
         OR ($3::int > 0 AND last_used_at < now() - $3 * interval '1 day') AS over FROM of_projects
     ), of_all AS (
       SELECT *, sum(size_bytes) FILTER (WHERE NOT over) OVER (ORDER BY scope <> '', last_used_at DESC, id) AS kept_up_to_here FROM within
     ), gone AS (
       DELETE FROM cache_entry c USING of_all o
       WHERE c.id = o.id AND c.last_used_at = o.last_used_at AND (o.over OR ($2::bigint > 0 AND o.kept_up_to_here > $2))
       RETURNING c.location, c.size_bytes
     ), doomed AS (
       INSERT INTO doomed_blob (location, due_at) SELECT location, now() + $4 * interval '1 millisecond' FROM gone
       ON CONFLICT (location) DO NOTHING
     )
     SELECT count(*)::int AS items, coalesce(sum(size_bytes), 0) AS bytes FROM gone`,
    [projectBytes, bytes, days, DOOMED_GRACE_MS],
  );
  return { items: rows[0]?.items ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
}
