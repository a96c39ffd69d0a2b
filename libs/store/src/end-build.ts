// Ends builds that no worker will end: stopped while they wait, waited too long, or lost with their worker. Called by BuildsStore.
import { Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import { isFinal, type PhaseContext } from '#core/phase.js';
import type { PhaseEvent } from '#core/transitions.js';
import { applyEvent, standing, STANDING_COLUMNS, type StandingRow } from './apply-event.js';
import type { Database, Queryable } from './database.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';

/** Builds that one call of a sweep verb ends at most; the next call goes on. */
export const SWEEP_BATCH = 500;

export function buildNotFound(id: BuildId): Refusal {
  return new Refusal('BUILD_NOT_FOUND', `there is no build ${id}`, { details: { id } });
}

/**
 * Asks for a stop. A waiting build ends STOPPED at once; a running one is marked and its worker notified; an ended one stays.
 * Errors: Refusal BUILD_NOT_FOUND.
 */
export async function requestStop(db: Database, id: BuildId, by: string): Promise<void> {
  await db.transaction(async (tx) => {
    const { rows } = await tx.query<StandingRow>(`SELECT ${STANDING_COLUMNS} FROM build WHERE id = $1 FOR UPDATE`, [
      id,
    ]);
    const row = rows[0];
    if (row === undefined) throw buildNotFound(id);
    const build = standing(row);
    if (isFinal(build.state.status)) return;
    await markStop(tx, id, build.attempt, by);
    if (build.state.phase !== 'QUEUED') return;
    await applyEvent(tx, { ...build, version: build.version + 1 }, 'STOP', { contexts: [], at: null, data: { by } });
  });
}

async function markStop(tx: Queryable, id: BuildId, attempt: number, by: string): Promise<void> {
  await tx.query(
    `UPDATE build SET stop_requested_at = coalesce(stop_requested_at, clock_timestamp()), version = version + 1 WHERE id = $1`,
    [id],
  );
  await tx.query(
    `INSERT INTO build_event (build_id, attempt, type, data) VALUES ($1, $2, 'STOP_REQUESTED', $3::jsonb)`,
    [id, attempt, storedJson({ by })],
  );
  await tx.query(`SELECT pg_notify('${BUILD_CHANNEL}', $1)`, [`${id} stop`]);
}

/** Ends builds that have waited past their queue deadline. Out: their ids. */
export async function expireQueued(db: Database, now: Date): Promise<BuildId[]> {
  const due = `status = 'IN_PROGRESS' AND current_phase = 'QUEUED' AND queue_deadline > '-infinity' AND queue_deadline <= $1`;
  return endEach(db, { due, order: 'queue_deadline', now }, () => ({
    event: 'TIME_OUT',
    contexts: [
      {
        statusCode: 'BUILD_QUEUE_TIMED_OUT',
        message: 'The build waited in the queue for longer than its queued timeout.',
      },
    ],
  }));
}

/**
 * Ends attempts whose lease ran out: FAULT, or STOPPED where a stop was asked for; the build goes back to the queue where it gets
 * another one. Out: the builds' ids.
 * Builds whose commands may run by themselves in their container get `hostLostMs` more: a worker of their host may come and go on.
 * A lease has run out when both `now` and the database's clock say so, so that a process whose clock is ahead kills nothing.
 */
export async function endLost(db: Database, now: Date, hostLostMs: number): Promise<BuildId[]> {
  const grace = `CASE WHEN host IS NULL OR NOT handed_over THEN 0 ELSE ${Math.floor(hostLostMs)} END`;
  const due = `status = 'IN_PROGRESS' AND current_phase <> 'QUEUED'
    AND lease_until < least($1::timestamptz, now()) - ${grace} * interval '1 millisecond'`;
  return endEach(db, { due, order: 'lease_until', now }, (stopRequested) =>
    stopRequested
      ? { event: 'STOP', contexts: [] }
      : {
          event: 'FAULT',
          contexts: [
            {
              statusCode: 'INTERNAL_SERVICE_ERROR',
              message: 'The worker that ran this build was lost.',
              faultCode: 'WORKER_LOST',
            },
          ],
        },
  );
}

/** Each build in a transaction of its own; one that somebody else holds locked is left for the next time. */
async function endEach(
  db: Database,
  { due, order, now }: { due: string; order: string; now: Date },
  how: (stopRequested: boolean) => { event: PhaseEvent; contexts: PhaseContext[] },
): Promise<BuildId[]> {
  const { rows } = await db.query<{ id: BuildId }>(
    `SELECT id FROM build WHERE ${due} ORDER BY ${order} LIMIT ${SWEEP_BATCH}`,
    [now.toISOString()],
  );
  const ended: BuildId[] = [];
  for (const { id } of rows) {
    const done = await db.transaction(async (tx) => {
      const locked = await tx.query<StandingRow & { stop: boolean }>(
        `SELECT ${STANDING_COLUMNS}, stop_requested_at IS NOT NULL AS stop FROM build WHERE ${due} AND id = $2 FOR UPDATE SKIP LOCKED`,
        [now.toISOString(), id],
      );
      const row = locked.rows[0];
      if (row === undefined) return false;
      await applyEvent(tx, standing(row), how(row.stop).event, { contexts: how(row.stop).contexts, at: null });
      return true;
    });
    if (done) ended.push(id);
  }
  return ended;
}
