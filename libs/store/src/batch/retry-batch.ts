// A batch that ended badly goes on: all of its tasks, or those that did not succeed, get other builds (codebuild-contract A5,
// RetryBuildBatch). The same batch, its commit and its tasks as they were; what it did before stays in `prior`.
import {
  DEFAULT_BATCH_TIMEOUT_MINUTES,
  SPEC_GROUP,
  type BatchRetryType,
  type PlannedTask,
  type TaskStatus,
} from '#core/batch.js';
import { Refusal } from '#core/errors.js';
import type { BatchId } from '#core/ids.js';
import { isFinal } from '#core/phase.js';
import type { Database, Queryable } from '../database.js';
import { projectNotFound } from '../projects.store.js';
import { batchNotFound } from './end-batch.js';
import { insertBuilds } from './insert-builds.js';
import { finishIfDone, lockBatch, tellBatch, writePhases, type LockedBatch } from './locked-batch.js';
import { buildsOf, noteBuilds, specBuild, startTasks } from './start-tasks.js';

/**
 * Errors: Refusal BATCH_NOT_FOUND; BATCH_IN_PROGRESS; ILLEGAL_TRANSITION for one that succeeded; PROJECT_NOT_FOUND when the project was
 * deleted. A batch whose buildspec could not be read reads it again, whichever is asked for.
 */
export async function retryBatch(db: Database, id: BatchId, type: BatchRetryType, by: string): Promise<void> {
  await db.transaction(async (tx) => {
    const batch = await lockBatch(tx, id);
    if (batch === null) throw batchNotFound(id);
    if (!isFinal(batch.status))
      throw new Refusal('BATCH_IN_PROGRESS', `batch ${id} is in progress; stop it first`, { details: { id } });
    if (batch.status === 'SUCCEEDED')
      throw new Refusal('ILLEGAL_TRANSITION', `batch ${id} succeeded: there is nothing to retry`, { details: { id } });
    batch.ending = null;
    await tx.query(
      `UPDATE build_batch SET ending = NULL, deadline = $2::timestamptz + $3 * interval '1 minute' WHERE id = $1`,
      [id, batch.now.toISOString(), batch.config.timeoutInMins ?? DEFAULT_BATCH_TIMEOUT_MINUTES],
    );
    await tellBatch(tx, batch, 'RETRY', { type, by });
    const ready = await again(tx, batch, type);
    if (ready === 'spec') await startSpec(tx, batch);
    else await startTasks(tx, batch, ready);
    if (batch.ending !== null) throw projectNotFound(batch.projectName); // startTasks found none
    await finishIfDone(tx, batch); // it was stopped while its last builds succeeded
  });
}

interface Task {
  ordinal: number;
  identifier: string;
  dependsOn: string[];
  ignoreFailure: boolean;
  overrides: PlannedTask['overrides'];
  status: TaskStatus;
}

/** Puts tasks back to PENDING and the phases to where they begin. Out: those that may begin at once, or that the buildspec is to be read. */
async function again(tx: Queryable, batch: LockedBatch, type: BatchRetryType): Promise<Task[] | 'spec'> {
  const { rows } = await tx.query<Task & Record<string, unknown>>(
    `SELECT ordinal, identifier, depends_on AS "dependsOn", ignore_failure AS "ignoreFailure", overrides, status
     FROM build_batch_task WHERE batch_id = $1 ORDER BY ordinal`,
    [batch.id],
  );
  const spec = rows[0]?.status !== 'SUCCEEDED' || rows.length === 1;
  const reset = rows.filter(({ status, ordinal }) =>
    ordinal === 0 ? spec : !spec && (type === 'RETRY_ALL_BUILDS' || status !== 'SUCCEEDED'),
  );
  const open = new Set(reset.map(({ identifier }) => identifier));
  const waits = new Map(reset.map((task) => [task.ordinal, task.dependsOn.filter((on) => open.has(on)).length]));
  await tx.query(
    `UPDATE build_batch_task t SET status = 'PENDING', waits_for = w.waits, build_id = NULL, requested_on = NULL,
       prior = CASE WHEN build_id IS NULL THEN prior ELSE prior || jsonb_build_array(
         jsonb_build_object('buildId', build_id, 'requestedOn', requested_on, 'buildStatus', status)) END
     FROM unnest($2::int[], $3::int[]) AS w(ordinal, waits) WHERE t.batch_id = $1 AND t.ordinal = w.ordinal`,
    [batch.id, [...waits.keys()], [...waits.values()]],
  );
  const from = spec ? 'DOWNLOAD_BATCHSPEC' : 'IN_PROGRESS';
  const kept = batch.phases.findIndex(({ phaseType }) => phaseType === from);
  batch.phases = kept === -1 ? batch.phases : batch.phases.slice(0, kept);
  batch.phases.push({ phaseType: from, startTime: batch.now.toISOString(), contexts: [] });
  await writePhases(tx, batch, 'IN_PROGRESS');
  return spec ? 'spec' : reset.filter(({ ordinal }) => waits.get(ordinal) === 0);
}

async function startSpec(tx: Queryable, batch: LockedBatch): Promise<void> {
  const of = buildsOf(batch);
  const spec = { ordinal: 0, ...specBuild(SPEC_GROUP, batch.settings, batch.config) };
  const at = of === null ? null : await insertBuilds(tx, of, [spec]);
  if (at === null) throw projectNotFound(batch.projectName);
  await noteBuilds(tx, batch, [spec], at);
}
