// A batch's row under its lock. Whoever changes anything of a batch takes it first, so the changes of a batch take turns. Order of locks:
// a build's row, its batch's, its project's; who holds a batch's never waits for a build's.
import {
  batchOutcome,
  lastPhaseOf,
  type BatchEnding,
  type BatchPhase,
  type BatchPhaseType,
  type BatchPlan,
  type BuildBatchConfig,
  type TaskStatus,
} from '#core/batch.js';
import type { BatchId } from '#core/ids.js';
import type { BuildStatus, FinalStatus, PhaseContext } from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import type { Queryable } from '../database.js';
import { storedJson } from '../stored-json.js';

/** A phase as it lies in the row: times are texts there. */
export type StoredPhase = Omit<BatchPhase, 'startTime' | 'endTime'> & { startTime: string; endTime?: string };

export interface LockedBatch {
  id: BatchId;
  projectId: string | null;
  projectName: string;
  status: BuildStatus;
  phases: StoredPhase[];
  ending: BatchEnding | null;
  initiator: string;
  sourceVersion: string | null;
  resolvedSourceVersion: string | null;
  settings: ProjectSettings;
  config: BuildBatchConfig;
  /** Its tasks are taken out once they have rows of their own. */
  plan: (Omit<BatchPlan, 'tasks'> & Partial<Pick<BatchPlan, 'tasks'>>) | null;
  /** The database's clock. */
  now: Date;
}

/** Out: null when there is none. */
export async function lockBatch(tx: Queryable, id: string): Promise<LockedBatch | null> {
  const { rows } = await tx.query<LockedBatch & Record<string, unknown>>(
    `SELECT id, project_id AS "projectId", project_name AS "projectName", status, phases, ending, initiator,
       source_version AS "sourceVersion", resolved_source_version AS "resolvedSourceVersion", settings, config, plan,
       clock_timestamp()::timestamptz(3) AS now
     FROM build_batch WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
  );
  return rows[0] ?? null;
}

export async function tellBatch(
  tx: Queryable,
  { id, now }: LockedBatch,
  type: string,
  data: Record<string, unknown> = {},
): Promise<void> {
  await tx.query('INSERT INTO build_batch_event (batch_id, type, data, at) VALUES ($1, $2, $3::jsonb, $4)', [
    id,
    type,
    storedJson(data),
    now.toISOString(),
  ]);
}

/** Ends the phase that runs and begins the next. */
export function nextPhase(
  batch: LockedBatch,
  ended: FinalStatus,
  next: BatchPhaseType,
  contexts: PhaseContext[] = [],
): void {
  const at = batch.now.toISOString();
  const last = batch.phases.at(-1);
  if (last !== undefined) Object.assign(last, { phaseStatus: ended, endTime: at, contexts });
  batch.phases.push({ phaseType: next, startTime: at, contexts: [] });
}

/** Writes what a change of phase made of the row. */
export async function writePhases(tx: Queryable, batch: LockedBatch, status: BuildStatus): Promise<void> {
  await tx.query(
    `UPDATE build_batch SET phases = $2::jsonb, current_phase = $3, status = $4,
       ended_at = CASE WHEN $4 = 'IN_PROGRESS' THEN NULL ELSE $5::timestamptz END
     WHERE id = $1`,
    [batch.id, storedJson(batch.phases), batch.phases.at(-1)!.phaseType, status, batch.now.toISOString()],
  );
}

/** Nothing of the batch starts from now on; the first cause counts. The caller sees to the builds at work. */
export async function beginEnding(tx: Queryable, batch: LockedBatch, ending: BatchEnding): Promise<void> {
  if (batch.ending === null) {
    batch.ending = ending;
    await tx.query('UPDATE build_batch SET ending = $2 WHERE id = $1', [batch.id, ending]);
  }
  await tx.query(`UPDATE build_batch_task SET status = 'SKIPPED' WHERE batch_id = $1 AND status = 'PENDING'`, [
    batch.id,
  ]);
}

/** What the phase in which the batch was ended says of it. */
const WHY_ENDED: Readonly<Record<BatchEnding, PhaseContext[]>> = {
  STOP: [{ statusCode: '', message: 'The batch was stopped.' }],
  TIME_OUT: [{ statusCode: 'BUILD_TIMED_OUT', message: 'Batch has timed out.' }],
  PROJECT_GONE: [{ statusCode: 'CLIENT_ERROR', message: 'The project was deleted while the batch was in progress.' }],
  FAST_FAIL: [],
};

/** Ends the batch once none of its tasks is open: its one status, and its last phases. */
export async function finishIfDone(tx: Queryable, batch: LockedBatch, found: PhaseContext[] = []): Promise<void> {
  const { rows } = await tx.query<{ ordinal: number; status: TaskStatus; ignoreFailure: boolean }>(
    `SELECT ordinal, status, ignore_failure AS "ignoreFailure" FROM build_batch_task
     WHERE batch_id = $1 AND NOT EXISTS (
       SELECT 1 FROM build_batch_task WHERE batch_id = $1 AND status IN ('PENDING', 'IN_PROGRESS'))`,
    [batch.id],
  );
  if (rows.length === 0) return;
  const status = batchOutcome(batch.ending, rows);
  const contexts = [...found, ...WHY_ENDED[batch.ending ?? 'FAST_FAIL']];
  const through = batch.phases.at(-1)?.phaseType === 'IN_PROGRESS' && (status === 'SUCCEEDED' || status === 'FAILED');
  // what is combined is found together from here on: the artifacts themselves stay where their builds put them
  if (through) nextPhase(batch, status, 'COMBINE_ARTIFACTS', contexts);
  nextPhase(batch, through ? 'SUCCEEDED' : status, lastPhaseOf(status), through ? [] : contexts);
  await writePhases(tx, batch, status);
  await tellBatch(tx, batch, 'END', { status, ending: batch.ending });
}
