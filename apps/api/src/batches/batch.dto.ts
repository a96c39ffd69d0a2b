// A batch as it is asked for and as it is shown: CodeBuild's BuildBatch (codebuild-contract A7), and what is Kilnyard's own beside it.
import { z } from 'zod';
import { BATCH_PHASE_TYPES, BATCH_RETRY_TYPES, TASK_STATUSES, type BatchOverrides } from '#core/batch.js';
import { BUILD_STATUSES } from '#core/phase.js';
import { phaseContext, startBuildShape, statuses } from '../builds/build.dto.js';
import { pageOf, pageQuery } from '../http/page.dto.js';
import { withoutUndefined } from '../http/without-undefined.js';
import { projectName, projectSettingsView, timestamp } from '../projects/project.dto.js';
import * as field from '../projects/project-fields.dto.js';

const { timeoutInMinutesOverride, reportBuildStatusOverride, ...shared } = startBuildShape;

/** CodeBuild's StartBuildBatch members that Kilnyard takes. */
export const startBatchBody = z
  .strictObject({
    ...shared,
    buildTimeoutInMinutesOverride: timeoutInMinutesOverride.meta({ description: 'Of each build.' }),
    reportBuildBatchStatusOverride: reportBuildStatusOverride,
    buildBatchConfigOverride: field.buildBatchConfig.optional(),
  })
  .prefault({})
  .meta({
    id: 'StartBuildBatch',
    description: "Each field replaces the project's value for all builds of this batch; variables merge by name.",
  });

/** In: a checked body. Out: the overrides by the names that a build has for them. */
export function toBatchOverrides(body: z.output<typeof startBatchBody>): BatchOverrides {
  const { buildTimeoutInMinutesOverride, reportBuildBatchStatusOverride, ...rest } = body;
  return withoutUndefined<BatchOverrides>({
    ...rest,
    timeoutInMinutesOverride: buildTimeoutInMinutesOverride,
    reportBuildStatusOverride: reportBuildBatchStatusOverride,
  });
}

export const retryBatchBody = z
  .strictObject({ retryType: z.enum(BATCH_RETRY_TYPES).default('RETRY_ALL_BUILDS') })
  .prefault({})
  .meta({ id: 'RetryBuildBatch', description: 'Every task again, or those that did not succeed.' });

export const listBatchesQuery = z.strictObject({
  ...pageQuery,
  project: projectName.optional().meta({ description: 'Only batches of this project.' }),
  status: statuses.optional().meta({
    description: `One or more of ${BUILD_STATUSES.join(', ')}, separated by commas.`,
  }),
});

const summary = z.object({
  id: z.string().meta({ description: 'Id of the build.' }),
  requestedOn: timestamp,
  buildStatus: z.enum(BUILD_STATUSES),
});

const group = z
  .object({
    identifier: z.string(),
    dependsOn: z.array(z.string()),
    ignoreFailure: z.boolean(),
    status: z.enum(TASK_STATUSES).meta({
      description:
        'PENDING: it waits for what it depends on. SKIPPED: it will not begin, since what it depends on failed or the batch was ended before.',
    }),
    currentBuildSummary: summary.nullable().meta({ description: 'Null while it has not begun.' }),
    priorBuildSummaryList: z.array(summary).meta({ description: 'Earlier tries, the oldest first.' }),
  })
  .meta({ id: 'BuildGroup' });

const { source, artifacts, cache, environment } = projectSettingsView;

const batchShape = {
  id: z.string().meta({ description: '`<project>:<uuid>`' }),
  projectName: z.string(),
  buildBatchNumber: z.int(),
  buildBatchStatus: z.enum(BUILD_STATUSES),
  complete: z.boolean(),
  currentPhase: z.enum(BATCH_PHASE_TYPES),
  phases: z.array(
    z.object({
      phaseType: z.enum(BATCH_PHASE_TYPES),
      phaseStatus: z.enum(BUILD_STATUSES).optional(),
      startTime: timestamp,
      endTime: timestamp.optional(),
      durationInSeconds: z.int().optional(),
      contexts: z.array(phaseContext),
    }),
  ),
  sourceVersion: z.string().optional(),
  resolvedSourceVersion: z.string().optional().meta({ description: 'The commit of all its builds.' }),
  source,
  artifacts,
  cache,
  environment,
  buildTimeoutInMinutes: z.int(),
  queuedTimeoutInMinutes: z.int(),
  priority: z.int(),
  buildBatchConfig: field.buildBatchConfig,
  startTime: timestamp.meta({ description: 'When it was asked for.' }),
  deadline: timestamp.meta({ description: 'When it times out.' }),
  endTime: timestamp.optional(),
  initiator: z.string(),
  stopRequested: z.boolean(),
  ending: z.enum(['STOP', 'TIME_OUT', 'FAST_FAIL', 'PROJECT_GONE']).nullable().meta({
    description: 'Why nothing more begins, where something keeps it from that.',
  }),
  counts: z
    .partialRecord(z.enum(TASK_STATUSES), z.int())
    .meta({ description: 'How many tasks stand at which status.' }),
};

export const batchView = z.object({ ...batchShape, buildGroups: z.array(group) }).meta({ id: 'BuildBatch' });
export const batchInList = z.object(batchShape).meta({ id: 'BuildBatchInList', description: 'Without its groups.' });
export const batchPage = pageOf('BuildBatchPage', batchInList);
export type BatchView = z.infer<typeof batchView>;
export type BatchInList = z.infer<typeof batchInList>;
