// Tasks of a batch that may begin get their builds, in the transaction in which they became ready.
import { v7 as timeOrderedUuid } from 'uuid';
import { applyOverrides } from '#core/apply-overrides.js';
import type { BuildBatchConfig, PlannedTask } from '#core/batch.js';
import type { BuildOverrides } from '#core/build.js';
import { asBuildId } from '#core/ids.js';
import type { ProjectArtifacts, ProjectSettings } from '#core/project.js';
import type { Queryable } from '../database.js';
import { insertBuilds, type BatchBuild, type BuildsOf } from './insert-builds.js';
import { beginEnding, type LockedBatch } from './locked-batch.js';
import { storedJson } from '../stored-json.js';

export interface ReadyTask {
  ordinal: number;
  identifier: string;
  overrides: PlannedTask['overrides'];
}

/** Begins them. Where the project is gone, nothing of the batch begins any more. */
export async function startTasks(tx: Queryable, batch: LockedBatch, tasks: readonly ReadyTask[]): Promise<void> {
  if (tasks.length === 0) return;
  // queued at one moment, they start in the order of their ids: in that of the list
  const ids = tasks.map(() => timeOrderedUuid()).sort();
  const builds = tasks.map((task, index) => ({
    ordinal: task.ordinal,
    id: asBuildId(ids[index]!),
    ...buildOf(batch, task),
  }));
  const of = buildsOf(batch);
  const at = of === null ? null : await insertBuilds(tx, of, builds);
  if (at === null) return beginEnding(tx, batch, 'PROJECT_GONE');
  await noteBuilds(tx, batch, builds, at);
}

/** The tasks are at work: each on its build. */
export async function noteBuilds(
  tx: Queryable,
  batch: Pick<LockedBatch, 'id'>,
  builds: readonly (BatchBuild & { ordinal: number })[],
  at: Date,
): Promise<void> {
  await tx.query(
    `UPDATE build_batch_task t SET status = 'IN_PROGRESS', build_id = b.id, requested_on = $3
     FROM jsonb_to_recordset($2::jsonb) AS b(ordinal int, id uuid) WHERE t.batch_id = $1 AND t.ordinal = b.ordinal`,
    [batch.id, storedJson(builds.map(({ ordinal, id }) => ({ ordinal, id }))), at.toISOString()],
  );
}

/** Out: null when the project is gone. */
export function buildsOf(batch: LockedBatch): BuildsOf | null {
  const { id, projectId, projectName, initiator, sourceVersion } = batch;
  return projectId === null ? null : { batchId: id, projectId, projectName, initiator, sourceVersion };
}

/** The build that reads the batch's buildspec: the batch's own settings without anything that only its tasks are to leave behind. */
export function specBuild(identifier: string, settings: ProjectSettings, config: BuildBatchConfig): BatchBuild {
  const own: ProjectSettings = {
    ...settings,
    environment: { ...settings.environment, privilegedMode: false },
    buildBatchConfig: config,
    artifacts: { type: 'NO_ARTIFACTS' },
    secondaryArtifacts: [],
    cache: { type: 'NO_CACHE' },
  };
  return { id: asBuildId(timeOrderedUuid()), identifier, settings: own, overrides: {} };
}

function buildOf(batch: LockedBatch, { identifier, overrides }: ReadyTask): Omit<BatchBuild, 'id'> {
  const own: BuildOverrides = overrides;
  const settings = applyOverrides(withoutBatch(batch.settings), own);
  if (batch.resolvedSourceVersion !== null) settings.sourceVersion = batch.resolvedSourceVersion;
  if (batch.plan !== null) settings.secondarySourceVersions = batch.plan.secondarySourceVersions;
  if (batch.config.combineArtifacts !== true) {
    settings.artifacts = apart(settings.artifacts, identifier);
    settings.secondaryArtifacts = settings.secondaryArtifacts.map((one) => apart(one, identifier));
  }
  return { identifier, settings, overrides: own };
}

/** Builds of one batch would else leave their artifacts at one place (codebuild-contract C9). */
function apart(artifacts: ProjectArtifacts, identifier: string): ProjectArtifacts {
  if (artifacts.type === 'NO_ARTIFACTS') return artifacts;
  const path = (artifacts.path ?? '').replace(/\/+$/, '');
  return { ...artifacts, path: path === '' ? identifier : `${path}/${identifier}` };
}

function withoutBatch(settings: ProjectSettings): ProjectSettings {
  const { buildBatchConfig: _, ...rest } = settings;
  return rest;
}
