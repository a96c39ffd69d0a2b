// Ends batches before their time: asked for, or past their deadline; and mends what a process left half done. All idempotent. Builds are
// asked to stop after the commit, each in a transaction of its own, so that no lock of a build is waited for under a batch's.
import type { BatchEnding } from '#core/batch.js';
import { Refusal } from '#core/errors.js';
import type { BatchId, BuildId } from '#core/ids.js';
import { isFinal, type BuildStatus } from '#core/phase.js';
import type { Database } from '../database.js';
import { requestStop, SWEEP_BATCH } from '../end-build.js';
import { beginEnding, finishIfDone, lockBatch, tellBatch } from './locked-batch.js';
import { settleTask } from './settle-task.js';

/** How a stop is signed that no person asked for. */
const BY_TIMEOUT = 'batch timeout';
const BY_UPKEEP = 'batch';

export function batchNotFound(id: BatchId): Refusal {
  return new Refusal('BATCH_NOT_FOUND', `there is no batch ${id}`, { details: { id } });
}

/**
 * Nothing of the batch begins any more, and its builds are asked to stop; it ends STOPPED with the last of them. A batch that has ended
 * stays as it is. Errors: Refusal BATCH_NOT_FOUND.
 */
export async function stopBatch(db: Database, id: BatchId, by: string): Promise<void> {
  if (await endEarly(db, id, 'STOP', by)) await stopBuilds(db, id, by);
}

/** Out: false when it has ended already. */
async function endEarly(db: Database, id: BatchId, ending: BatchEnding, by: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const batch = await lockBatch(tx, id);
    if (batch === null) throw batchNotFound(id);
    if (isFinal(batch.status)) return false;
    await beginEnding(tx, batch, ending);
    await tellBatch(tx, batch, ending, { by });
    await finishIfDone(tx, batch);
    return true;
  });
}

/** Those that have not been asked yet, and those that wait for their end since. */
async function stopBuilds(db: Database, id: BatchId, by: string): Promise<void> {
  const { rows } = await db.query<{ id: BuildId }>(
    `SELECT id FROM build WHERE batch_id = $1 AND status = 'IN_PROGRESS' AND (stop_requested_at IS NULL OR current_phase = 'QUEUED')
     ORDER BY current_phase <> 'QUEUED', number`,
    [id],
  );
  for (const build of rows) await requestStop(db, build.id, by);
}

/** Out: the batches that are past their deadline and were ended for it. */
export async function expireBatches(db: Database, now: Date): Promise<BatchId[]> {
  const { rows } = await db.query<{ id: BatchId }>(
    `SELECT id FROM build_batch WHERE status = 'IN_PROGRESS' AND ending IS NULL AND deadline <= least($1::timestamptz, now())
     ORDER BY deadline LIMIT ${SWEEP_BATCH}`,
    [now.toISOString()],
  );
  const expired: BatchId[] = [];
  for (const { id } of rows) {
    if (!(await endEarly(db, id, 'TIME_OUT', BY_TIMEOUT))) continue;
    await stopBuilds(db, id, BY_TIMEOUT);
    expired.push(id);
  }
  return expired;
}

/**
 * Goes on with what was begun: builds of batches that are being ended and were not asked to stop, and tasks whose build has ended, or is
 * gone, without them (an older process ended it). Out: batches and builds that were looked after.
 */
export async function mendBatches(db: Database): Promise<{ stopped: BatchId[]; settled: BuildId[] }> {
  const ending = await db.query<{ id: BatchId }>(
    `SELECT b.id FROM build_batch b WHERE b.status = 'IN_PROGRESS' AND b.ending IS NOT NULL AND EXISTS (
       SELECT 1 FROM build WHERE batch_id = b.id AND status = 'IN_PROGRESS' AND (stop_requested_at IS NULL OR current_phase = 'QUEUED'))
     ORDER BY b.deadline LIMIT ${SWEEP_BATCH}`,
  );
  for (const { id } of ending.rows) await stopBuilds(db, id, BY_UPKEEP);
  const left = await db.query<{ batchId: BatchId; buildId: BuildId; status: BuildStatus | null }>(
    `SELECT t.batch_id AS "batchId", t.build_id AS "buildId", b.status FROM build_batch_task t LEFT JOIN build b ON b.id = t.build_id
     WHERE t.status = 'IN_PROGRESS' AND b.status IS DISTINCT FROM 'IN_PROGRESS' LIMIT ${SWEEP_BATCH}`,
  );
  for (const { batchId, buildId, status } of left.rows) {
    const ended = status === null || !isFinal(status) ? 'FAULT' : status;
    await db.transaction((tx) => settleTask(tx, batchId, { buildId, status: ended }));
  }
  return { stopped: ending.rows.map(({ id }) => id), settled: left.rows.map(({ buildId }) => buildId) };
}
