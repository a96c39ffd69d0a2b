// Deletes ended builds with all that is theirs: rows, log, and what lies in the blob store. Called by BuildsStore and retention.
import { Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { Database, Queryable } from './database.js';
import { DOOMED_GRACE_MS, doom } from './doomed-blobs.store.js';
import { buildNotFound } from './end-build.js';
import { logPartitions, partitionName, dayFromText } from './log-partitions.js';

interface Doomed {
  id: string;
  day: string;
  artifacts: boolean;
  archived: boolean;
}

const DOOMED_COLUMNS = 'id, log_day::text AS day, artifacts_kept AS artifacts, log_archived AS archived';

/**
 * Deletes those of these builds that have ended and that nobody else holds locked, in one transaction; phases, events and artifacts' rows
 * go along, the bytes of artifacts and archived logs are doomed. Out: how many.
 */
export async function deleteBuilds(db: Database, ids: string[]): Promise<number> {
  const days = new Set((await logPartitions(db)).map((partition) => partition.name));
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<Doomed>(
      `SELECT ${DOOMED_COLUMNS} FROM build
       WHERE id = ANY($1::uuid[]) AND status <> 'IN_PROGRESS' ORDER BY id FOR UPDATE SKIP LOCKED`,
      [ids],
    );
    await deleteLogs(
      tx,
      rows.filter(({ day }) => days.has(partitionName(dayFromText(day)))),
    );
    await doom(tx, await placesOf(tx, rows), DOOMED_GRACE_MS);
    await tx.query('DELETE FROM build WHERE id = ANY($1::uuid[])', [rows.map(({ id }) => id)]);
    return rows.length;
  });
}

/** What of these builds lies in the blob store. */
async function placesOf(tx: Queryable, builds: Doomed[]): Promise<string[]> {
  const idsOf = (which: Doomed[]): string[] => which.map(({ id }) => id);
  return [
    ...(await artifactPlaces(tx, idsOf(builds.filter(({ artifacts }) => artifacts)))),
    ...(await archivePlaces(tx, idsOf(builds.filter(({ archived }) => archived)))),
  ];
}

async function archivePlaces(tx: Queryable, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<{ location: string }>(
    'SELECT location FROM log_archive WHERE build_id = ANY($1::uuid[])',
    [ids],
  );
  return rows.map((row) => row.location);
}

/** Where the artifacts of these builds lie that are still there, of all attempts: keys, and prefixes of folders. */
export async function artifactPlaces(tx: Queryable, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<{ place: string }>(
    `SELECT CASE packaging WHEN 'ZIP' THEN location ELSE location || '/' END AS place
     FROM build_artifact WHERE build_id = ANY($1::uuid[]) AND expired_at IS NULL`,
    [ids],
  );
  return rows.map((row) => row.place);
}

/** Day by day, so that each statement opens one partition. */
async function deleteLogs(tx: Queryable, builds: Doomed[]): Promise<void> {
  for (const day of new Set(builds.map((build) => build.day))) {
    const ofDay = builds.filter((build) => build.day === day).map(({ id }) => id);
    await tx.query('DELETE FROM log_chunk WHERE day = $1::date AND build_id = ANY($2::uuid[])', [day, ofDay]);
  }
}

/**
 * Deletes one build, waiting for whoever holds it. Out: what of it is doomed in the blob store, for the caller to delete at once.
 * Errors: Refusal BUILD_NOT_FOUND, BUILD_IN_PROGRESS.
 */
export async function deleteBuild(db: Database, id: BuildId): Promise<string[]> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<Doomed & { status: string }>(
      `SELECT ${DOOMED_COLUMNS}, status FROM build WHERE id = $1 FOR UPDATE`,
      [id],
    );
    const row = rows[0];
    if (row === undefined) throw buildNotFound(id);
    if (row.status === 'IN_PROGRESS') {
      throw new Refusal('BUILD_IN_PROGRESS', `build ${id} is in progress; stop it first`, { details: { id } });
    }
    const doomed = [...(await artifactPlaces(tx, [id])), ...(await archivePlaces(tx, [id]))];
    await deleteLogs(tx, [row]);
    await doom(tx, doomed, 0);
    await tx.query('DELETE FROM build WHERE id = $1', [id]);
    return doomed;
  });
}
