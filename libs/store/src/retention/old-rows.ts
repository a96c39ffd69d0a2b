// Rows that are of no more use to anybody: uploads, workers that are gone, tokens that are no longer valid.
import type { Database } from '../database.js';
import { DOOMED_GRACE_MS } from '../doomed-blobs.store.js';
import { NOTHING, type Taken } from './pace.js';

/** A worker that was not heard of for so long is forgotten; its builds have long been settled. */
const WORKER_DAYS = 1;
/** A token that was revoked or ran out stays readable for so long. */
const TOKEN_DAYS = 30;

/**
 * Uploads that were neither made nor fetched for `days`, and that no project and no build in progress names. 0: kept for ever.
 * Projects and builds are read only when there are such uploads.
 */
export async function expireUploads(db: Database, days: number): Promise<Taken> {
  if (days === 0) return NOTHING;
  const { rows } = await db.query<{ items: number; bytes: string }>(
    `WITH old AS MATERIALIZED (
       SELECT id FROM source_upload WHERE last_used_at < now() - $1 * interval '1 day'
     ), settings AS (
       SELECT settings FROM project WHERE EXISTS (SELECT 1 FROM old)
       UNION ALL SELECT settings FROM build WHERE status = 'IN_PROGRESS' AND EXISTS (SELECT 1 FROM old)
     ), named AS MATERIALIZED (
       SELECT settings->'source'->>'location' AS location FROM settings
       UNION SELECT source->>'location' FROM settings, jsonb_array_elements(settings->'secondarySources') source
     ), gone AS (
       DELETE FROM source_upload u USING old
       WHERE u.id = old.id AND u.last_used_at < now() - $1 * interval '1 day'
         AND NOT EXISTS (SELECT 1 FROM named WHERE named.location = 'upload:' || u.id)
       RETURNING u.location, u.size_bytes
     ), doomed AS (
       INSERT INTO doomed_blob (location, due_at) SELECT location, now() + $2 * interval '1 millisecond' FROM gone
       ON CONFLICT (location) DO NOTHING
     )
     SELECT count(*)::int AS items, coalesce(sum(size_bytes), 0) AS bytes FROM gone`,
    [days, DOOMED_GRACE_MS],
  );
  return { items: rows[0]?.items ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
}

export async function forgetWorkers(db: Database): Promise<Taken> {
  const { rowCount } = await db.query(`DELETE FROM worker WHERE seen_at < now() - interval '${WORKER_DAYS} day'`);
  return { items: rowCount ?? 0, bytes: 0 };
}

export async function forgetTokens(db: Database): Promise<Taken> {
  const { rowCount } = await db.query(
    `DELETE FROM api_token WHERE least(revoked_at, expires_at) < now() - interval '${TOKEN_DAYS} days'`,
  );
  return { items: rowCount ?? 0, bytes: 0 };
}
