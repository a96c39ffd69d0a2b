// A batch's first transaction: number, row, first event, and the build that reads its buildspec. Called by BatchesStore.
import { v7 as timeOrderedUuid } from 'uuid';
import { DEFAULT_BATCH_TIMEOUT_MINUTES, SPEC_GROUP, type BatchOverrides, type BuildBatchConfig } from '#core/batch.js';
import type { CacheScope } from '#core/cache.js';
import { asBatchId, type BatchId } from '#core/ids.js';
import type { Project, ProjectSettings } from '#core/project.js';
import { refuseWhenFull, scopeOf } from '../create-build.js';
import { isUniqueViolation } from '../database-errors.js';
import type { Database, Queryable } from '../database.js';
import { projectNotFound } from '../projects.store.js';
import { storedJson } from '../stored-json.js';
import { insertBuilds } from './insert-builds.js';
import type { StoredPhase } from './locked-batch.js';
import { noteBuilds, specBuild } from './start-tasks.js';

export interface NewBatch {
  /** Where the same request may come again: the second one finds the batch of the first. */
  id?: BatchId;
  project: Project;
  settings: ProjectSettings;
  config: BuildBatchConfig;
  overrides: BatchOverrides;
  initiator: string;
  /** Of all its builds; absent: trusted. */
  cacheScope?: CacheScope;
  /** As of NewBuild; the batch's tasks, which come later, are not counted against it. */
  maxWaiting: number;
}

/** Out: its id. Errors: Refusal LIMIT_EXCEEDED, PROJECT_NOT_FOUND (deleted meanwhile). */
export async function createBatch(db: Database, request: NewBatch): Promise<BatchId> {
  const { id } = request;
  if (id === undefined) return writeBatch(db, asBatchId(timeOrderedUuid()), request);
  if (await isThere(db, id)) return id;
  try {
    return await writeBatch(db, id, request);
  } catch (error) {
    // the same request was at work at the same moment, and was faster
    if (isUniqueViolation(error) && (await isThere(db, id))) return id;
    throw error;
  }
}

async function isThere(db: Database, id: BatchId): Promise<boolean> {
  return (await db.query('SELECT 1 FROM build_batch WHERE id = $1', [id])).rowCount === 1;
}

async function writeBatch(db: Database, id: BatchId, request: NewBatch): Promise<BatchId> {
  await refuseWhenFull(db, request.maxWaiting);
  await db.transaction(async (tx) => {
    const sourceVersion = request.settings.sourceVersion ?? null;
    await insertBatch(tx, id, request, sourceVersion);
    const { project, settings, initiator } = request;
    const of = { batchId: id, projectId: project.id, projectName: project.name, initiator, sourceVersion };
    const spec = { ordinal: 0, ...specBuild(SPEC_GROUP, settings, request.config) };
    const at = await insertBuilds(tx, of, [spec]);
    if (at === null) throw projectNotFound(project.name);
    await noteBuilds(tx, { id }, [spec], at);
  });
  return id;
}

async function insertBatch(tx: Queryable, id: BatchId, request: NewBatch, sourceVersion: string | null): Promise<void> {
  const { project, settings, config, overrides, initiator } = request;
  const { rows } = await tx.query<{ number: number; at: Date }>(
    `UPDATE project SET last_batch_number = last_batch_number + 1 WHERE id = $1
     RETURNING last_batch_number AS number, clock_timestamp()::timestamptz(3) AS at`,
    [project.id],
  );
  const row = rows[0];
  if (row === undefined) throw projectNotFound(project.name);
  const at = row.at.toISOString();
  const phases: StoredPhase[] = [
    { phaseType: 'SUBMITTED', phaseStatus: 'SUCCEEDED', startTime: at, endTime: at, contexts: [] },
    { phaseType: 'DOWNLOAD_BATCHSPEC', startTime: at, contexts: [] },
  ];
  await tx.query(
    `INSERT INTO build_batch (id, project_id, project_name, number, status, current_phase, phases, initiator, source_version, settings,
       overrides, config, submitted_at, deadline, cache_scope)
     VALUES ($1, $2, $3, $4, 'IN_PROGRESS', 'DOWNLOAD_BATCHSPEC', $5::jsonb, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11,
       $11::timestamptz + $12 * interval '1 minute', $13)`,
    [
      id,
      project.id,
      project.name,
      row.number,
      storedJson(phases),
      initiator,
      sourceVersion,
      storedJson(settings),
      storedJson(overrides),
      storedJson(config),
      at,
      config.timeoutInMins ?? DEFAULT_BATCH_TIMEOUT_MINUTES,
      scopeOf(request),
    ],
  );
  await tx.query(
    `WITH told AS (INSERT INTO build_batch_event (batch_id, type, data, at) VALUES ($1, 'SUBMIT', $2::jsonb, $3))
     INSERT INTO build_batch_task (batch_id, ordinal, identifier, depends_on, waits_for, ignore_failure, overrides, status)
     VALUES ($1, 0, '${SPEC_GROUP}', '{}', 0, false, '{}', 'PENDING')`,
    [id, storedJson({ initiator }), at],
  );
}
