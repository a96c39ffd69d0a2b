// Which of the objects in the blob store nobody knows of: their process died between the bytes and the row.
import type { Database } from '../database.js';

/**
 * Those of these keys that have no row: artifacts without a row of theirs whose build is not in progress, caches without an entry, archived
 * logs that no log lies in, uploads without a row. A row may still be on its way, so whoever deletes them asks twice, with time between.
 * In: keys as the blob store lists them; one of another form is nobody's business here and never returned.
 */
export async function withoutRow(db: Database, keys: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>(
    `WITH listed AS (
       SELECT key, split_part(key, '/', 1) AS room, split_part(key, '/', 2) AS owner FROM unnest($1::text[]) AS key
       WHERE key ~ '^(artifacts|caches|logs|uploads)/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/|$)'
     )
     SELECT key FROM listed
     WHERE CASE listed.room
       WHEN 'uploads' THEN NOT EXISTS (SELECT 1 FROM source_upload u WHERE u.id = listed.owner::uuid)
       WHEN 'caches' THEN NOT EXISTS (SELECT 1 FROM cache_entry c WHERE c.project_id = listed.owner::uuid AND c.location = listed.key)
       WHEN 'logs' THEN NOT EXISTS (SELECT 1 FROM log_archive l WHERE l.build_id = listed.owner::uuid AND l.location = listed.key)
       ELSE NOT EXISTS (SELECT 1 FROM build b WHERE b.id = listed.owner::uuid AND b.status = 'IN_PROGRESS')
         AND NOT EXISTS (
           SELECT 1 FROM build_artifact a
           WHERE a.build_id = listed.owner::uuid AND a.expired_at IS NULL AND (a.location = listed.key OR starts_with(listed.key, a.location || '/')))
       END
     ORDER BY key`,
    [keys],
  );
  return rows.map((row) => row.key);
}
