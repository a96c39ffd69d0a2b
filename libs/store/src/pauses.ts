// Builds that codebuild-breakpoint holds: written by their worker, ended on the wish of others. Called by BuildsStore and leased-writes.ts.
// The row keeps the last pause of the build, which is over when it says so; each step is an event of the build, with who asked for it.
import type { Build, Pause, ResumedBy } from '#core/build.js';
import { Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import type { Database } from './database.js';
import { buildNotFound } from './end-build.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';

/** The column `pause`. */
interface StoredPause {
  attempt: number;
  number: number;
  /** ISO-8601. */
  since: string;
  until: string;
  /** Who wants it ended. */
  askedBy?: string;
  /** Absent while it holds the build. */
  endedBy?: ResumedBy;
}

/** True of a row whose build is held now. */
const HELD = `status = 'IN_PROGRESS' AND current_phase <> 'QUEUED' AND pause IS NOT NULL AND NOT pause ? 'endedBy'
  AND (pause->>'attempt')::int = attempt`;

/** The number of the pause that somebody wants ended, or null. */
export const ASKED_TO_END = `CASE WHEN ${HELD} AND pause ? 'askedBy' THEN (pause->>'number')::int END`;

/** Whose row it is: a condition that is true while the lease holds, with its values, $1 to $3. */
interface HeldRow {
  guard: string;
  values: readonly unknown[];
}

/**
 * Writes down that a pause began: row, event and notification in one statement. One that is not later than the last of this attempt is
 * left out: whoever goes on with a build reads its pauses again. Out: false when the lease has passed on.
 */
export async function writePaused(db: Database, { guard, values }: HeldRow, pause: Pause): Promise<boolean> {
  const { number, since, until } = pause;
  const { rows } = await db.query<{ held: boolean }>(
    `WITH held AS (SELECT id AS held_id FROM build WHERE ${guard} FOR NO KEY UPDATE),
     changed AS (
       UPDATE build SET pause = $4::jsonb || jsonb_build_object('attempt', attempt), version = version + 1 FROM held
       WHERE id = held_id AND NOT coalesce((pause->>'attempt')::int = attempt AND (pause->>'number')::int >= $5, false)
       RETURNING id, attempt),
     noted AS (INSERT INTO build_event (build_id, attempt, type, data) SELECT id, attempt, 'PAUSED', $4::jsonb FROM changed),
     told AS (SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM changed)
     SELECT EXISTS (SELECT 1 FROM held) AS held, (SELECT count(*) FROM told) AS told`,
    [...values, storedJson({ number, since: since.toISOString(), until: until.toISOString() }), number],
  );
  return rows[0]?.held === true;
}

/** Writes down that the pause is over, if it is the last and holds the build. Out: false when the lease has passed on. */
export async function writeResumed(
  db: Database,
  { guard, values }: HeldRow,
  number: number,
  by: ResumedBy,
): Promise<boolean> {
  const { rows } = await db.query<{ held: boolean }>(
    `WITH held AS (SELECT id AS held_id FROM build WHERE ${guard} FOR NO KEY UPDATE),
     changed AS (
       UPDATE build SET pause = pause || jsonb_build_object('endedBy', $5::text), version = version + 1 FROM held
       WHERE id = held_id AND ${HELD} AND (pause->>'number')::int = $4
       RETURNING id, attempt),
     noted AS (
       INSERT INTO build_event (build_id, attempt, type, data)
       SELECT id, attempt, 'RESUMED', jsonb_build_object('number', $4::int, 'by', $5::text) FROM changed),
     told AS (SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM changed)
     SELECT EXISTS (SELECT 1 FROM held) AS held, (SELECT count(*) FROM told) AS told`,
    [...values, number, by],
  );
  return rows[0]?.held === true;
}

/** Keeps the wish to end a pause; asked again, the first one stands. Errors: Refusal BUILD_NOT_FOUND, BUILD_NOT_PAUSED. */
export async function requestResume(db: Database, id: BuildId, by: string): Promise<void> {
  await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ attempt: number; held: boolean; asked: boolean; number: number | null }>(
      `SELECT attempt, ${HELD} AS held, coalesce(pause ? 'askedBy', false) AS asked, (pause->>'number')::int AS number
       FROM build WHERE id = $1 FOR NO KEY UPDATE`,
      [id],
    );
    const row = rows[0];
    if (row === undefined) throw buildNotFound(id);
    if (!row.held) {
      throw new Refusal('BUILD_NOT_PAUSED', `build ${id} is not paused: no codebuild-breakpoint holds it`, {
        details: { id },
      });
    }
    if (row.asked) return;
    await tx.query(`UPDATE build SET pause = pause || $2::jsonb, version = version + 1 WHERE id = $1`, [
      id,
      storedJson({ askedBy: by }),
    ]);
    await tx.query(
      `INSERT INTO build_event (build_id, attempt, type, data) VALUES ($1, $2, 'RESUME_REQUESTED', $3::jsonb)`,
      [id, row.attempt, storedJson({ by, number: row.number })],
    );
    await tx.query(`SELECT pg_notify('${BUILD_CHANNEL}', $1)`, [`${id} status`]);
  });
}

/** What holds the build of a row now. */
export function pausedOf(row: {
  pause: unknown;
  attempt: number;
  status: string;
  currentPhase: string;
}): Build['paused'] {
  const pause = row.pause as StoredPause | null;
  if (pause === null || pause.endedBy !== undefined || pause.attempt !== row.attempt) return null;
  if (row.status !== 'IN_PROGRESS' || row.currentPhase === 'QUEUED') return null;
  const { number, since, until, askedBy } = pause;
  return { number, since: new Date(since), until: new Date(until), resumeRequested: askedBy !== undefined };
}
