// A build of a batch has ended: its group with it, what waited for it begins or never will, and after the last one the batch ends. Called
// by apply-event.ts in the transaction that ends the build, so that no crash comes between the two, and by the upkeep for builds that an
// older process has ended. The batch's lock makes builds that end at the same moment take turns.
import { SPEC_GROUP } from '#core/batch.js';
import type { BuildId } from '#core/ids.js';
import { isFinal, type FinalStatus, type PhaseContext } from '#core/phase.js';
import type { Queryable } from '../database.js';
import { BUILD_CHANNEL } from '../listen.js';
import { storedJson } from '../stored-json.js';
import {
  beginEnding,
  finishIfDone,
  lockBatch,
  nextPhase,
  tellBatch,
  writePhases,
  type LockedBatch,
} from './locked-batch.js';
import { startTasks, type ReadyTask } from './start-tasks.js';

interface EndedTask {
  identifier: string;
  ignoreFailure: boolean;
}

/** In: how the build ended. A build that is not its group's present one changes nothing. */
export async function settleTask(
  tx: Queryable,
  batchId: string,
  ended: { buildId: BuildId; status: FinalStatus },
): Promise<void> {
  const batch = await lockBatch(tx, batchId);
  if (batch === null || isFinal(batch.status)) return;
  const { rows } = await tx.query<EndedTask & Record<string, unknown>>(
    `UPDATE build_batch_task SET status = $3 WHERE batch_id = $1 AND build_id = $2 AND status = 'IN_PROGRESS'
     RETURNING identifier, ignore_failure AS "ignoreFailure"`,
    [batchId, ended.buildId, ended.status],
  );
  const task = rows[0];
  if (task === undefined) return;
  const contexts =
    task.identifier === SPEC_GROUP ? await afterSpec(tx, batch, ended) : await afterTask(tx, batch, task, ended);
  await finishIfDone(tx, batch, contexts);
}

/** Out: why the batch fails with it, where it does. */
async function afterSpec(
  tx: Queryable,
  batch: LockedBatch,
  { buildId, status }: { buildId: BuildId; status: FinalStatus },
): Promise<PhaseContext[]> {
  const { rows } = await tx.query<{ version: string | null; failure: PhaseContext | null }>(
    `UPDATE build_batch SET resolved_source_version = b.resolved_source_version
     FROM build b WHERE build_batch.id = $1 AND b.id = $2 RETURNING b.resolved_source_version AS version, b.failure`,
    [batch.id, buildId],
  );
  batch.resolvedSourceVersion = rows[0]?.version ?? null;
  if (batch.ending !== null) return [];
  if (status !== 'SUCCEEDED') return rows[0]?.failure ? [rows[0].failure] : [];
  return (await openTasks(tx, batch)) ? [] : withoutPlan(tx, batch);
}

/** The build was another's than ours: a process of an older version knows of no batches, and ran it as any build. */
async function withoutPlan(tx: Queryable, batch: LockedBatch): Promise<PhaseContext[]> {
  await tx.query(`UPDATE build_batch_task SET status = 'FAULT' WHERE batch_id = $1 AND ordinal = 0`, [batch.id]);
  const message = 'The build that reads the buildspec of the batch left no plan.';
  return [{ statusCode: 'INTERNAL_SERVICE_ERROR', message, faultCode: 'INTERNAL' }];
}

/** The groups of the plan; those that depend on nothing begin. Out: false without a plan. */
async function openTasks(tx: Queryable, batch: LockedBatch): Promise<boolean> {
  const planned = batch.plan?.tasks;
  if (planned === undefined) return false;
  const tasks = planned.map((task, index) => ({ ...task, ordinal: index + 1 }));
  await tx.query(
    `INSERT INTO build_batch_task (batch_id, ordinal, identifier, depends_on, waits_for, ignore_failure, overrides, status)
     SELECT $1, ordinal, identifier, ARRAY(SELECT jsonb_array_elements_text("dependsOn")), jsonb_array_length("dependsOn"),
       "ignoreFailure", overrides, 'PENDING'
     FROM jsonb_to_recordset($2::jsonb) AS x(ordinal int, identifier text, "dependsOn" jsonb, "ignoreFailure" boolean, overrides jsonb)`,
    [batch.id, storedJson(tasks)],
  );
  await tx.query(`UPDATE build_batch SET plan = plan - 'tasks' WHERE id = $1`, [batch.id]);
  nextPhase(batch, 'SUCCEEDED', 'IN_PROGRESS');
  await writePhases(tx, batch, 'IN_PROGRESS');
  await tellBatch(tx, batch, 'TASKS', { count: tasks.length, commit: batch.resolvedSourceVersion });
  await startTasks(
    tx,
    batch,
    tasks.filter(({ dependsOn }) => dependsOn.length === 0),
  );
  return true;
}

async function afterTask(
  tx: Queryable,
  batch: LockedBatch,
  task: EndedTask,
  { buildId, status }: { buildId: BuildId; status: FinalStatus },
): Promise<PhaseContext[]> {
  if (status === 'SUCCEEDED' || task.ignoreFailure) await release(tx, batch, task.identifier);
  else if (batch.plan?.fastFail === true) await failFast(tx, batch, buildId);
  else await skipDependants(tx, batch, task.identifier);
  return [];
}

/** What waited for this task alone begins, at once. */
async function release(tx: Queryable, batch: LockedBatch, identifier: string): Promise<void> {
  const { rows } = await tx.query<ReadyTask & { waitsFor: number }>(
    `UPDATE build_batch_task SET waits_for = waits_for - 1 WHERE batch_id = $1 AND status = 'PENDING' AND $2 = ANY (depends_on)
     RETURNING ordinal, identifier, overrides, waits_for AS "waitsFor"`,
    [batch.id, identifier],
  );
  const ready = rows.filter(({ waitsFor }) => waitsFor === 0).sort((a, b) => a.ordinal - b.ordinal);
  await startTasks(tx, batch, ready);
}

/** All that depends on it, be it by way of others, never begins. */
async function skipDependants(tx: Queryable, batch: LockedBatch, identifier: string): Promise<void> {
  await tx.query(
    `WITH RECURSIVE behind AS (
       SELECT ordinal, identifier FROM build_batch_task WHERE batch_id = $1 AND status = 'PENDING' AND $2 = ANY (depends_on)
       UNION
       SELECT t.ordinal, t.identifier FROM build_batch_task t JOIN behind b ON b.identifier = ANY (t.depends_on)
       WHERE t.batch_id = $1 AND t.status = 'PENDING'
     )
     UPDATE build_batch_task t SET status = 'SKIPPED' FROM behind b WHERE t.batch_id = $1 AND t.ordinal = b.ordinal`,
    [batch.id, identifier],
  );
}

/**
 * Nothing begins any more, and what is at work is asked to stop. A build whose row somebody else holds just now is left out, since who holds
 * a batch's lock never waits for a build's: the upkeep asks it (batch-upkeep.ts).
 */
async function failFast(tx: Queryable, batch: LockedBatch, cause: BuildId): Promise<void> {
  await beginEnding(tx, batch, 'FAST_FAIL');
  await tx.query(
    `WITH others AS (
       SELECT id FROM build WHERE batch_id = $1 AND id <> $2 AND status = 'IN_PROGRESS' AND stop_requested_at IS NULL
       FOR NO KEY UPDATE SKIP LOCKED
     ), marked AS (
       UPDATE build b SET stop_requested_at = clock_timestamp(), version = version + 1 FROM others WHERE b.id = others.id RETURNING b.id, b.attempt
     ), told AS (
       INSERT INTO build_event (build_id, attempt, type, data) SELECT id, attempt, 'STOP_REQUESTED', $3::jsonb FROM marked
     )
     SELECT pg_notify('${BUILD_CHANNEL}', id || ' stop') FROM marked`,
    [batch.id, cause, storedJson({ by: 'fast-fail' })],
  );
  await tellBatch(tx, batch, 'FAST_FAIL', { build: cause });
}
