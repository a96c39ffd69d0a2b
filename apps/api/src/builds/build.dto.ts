// A build as it is asked for and as it is shown: CodeBuild's Build (codebuild-contract A7), and what is Kilnyard's own beside it.
import { z } from 'zod';
import { BUILD_STATUSES, PHASE_TYPES } from '#core/phase.js';
import { SOURCE_TYPES } from '#core/project.js';
import { RETRY_CAUSES, RETRY_RULES } from '#core/retry.js';
import { pageOf, pageQuery } from '../http/page.dto.js';
import { projectName, projectSettingsView, timestamp } from '../projects/project.dto.js';
import * as field from '../projects/project-fields.dto.js';

/** CodeBuild's StartBuild members that Kilnyard takes (core BuildOverrides). */
export const startBuildShape = {
  sourceVersion: field.sourceVersion.optional(),
  sourceTypeOverride: z.enum(SOURCE_TYPES).optional(),
  sourceLocationOverride: z.string().min(1).max(2048).optional(),
  gitCloneDepthOverride: z.int().min(0).optional(),
  gitSubmodulesConfigOverride: z.strictObject({ fetchSubmodules: z.boolean() }).optional(),
  buildspecOverride: field.buildspecText.optional(),
  sourceAuthOverride: field.sourceAuth.optional(),
  insecureSslOverride: z.boolean().optional(),
  artifactsOverride: field.primaryArtifacts.optional(),
  secondaryArtifactsOverride: z
    .array(field.secondaryArtifacts)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.artifactIdentifier, 'artifactIdentifier'))
    .optional(),
  secondarySourcesOverride: z
    .array(field.secondarySource)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.sourceIdentifier, 'sourceIdentifier'))
    .optional(),
  secondarySourcesVersionOverride: z
    .array(field.secondarySourceVersion)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.sourceIdentifier, 'sourceIdentifier'))
    .optional(),
  environmentVariablesOverride: field.environmentVariables.optional(),
  imageOverride: field.imageName.optional(),
  computeTypeOverride: field.computeType.optional(),
  privilegedModeOverride: z.boolean().optional(),
  imagePullCredentialsTypeOverride: field.imagePullCredentialsType.optional(),
  registryCredentialOverride: field.registryCredential.optional(),
  cacheOverride: field.cache.optional(),
  serviceRoleOverride: field.role.optional(),
  encryptionKeyOverride: field.role.optional(),
  logsConfigOverride: field.logsConfig.optional(),
  timeoutInMinutesOverride: field.timeoutInMinutes.optional(),
  queuedTimeoutInMinutesOverride: field.queuedTimeoutInMinutes.optional(),
  autoRetryLimitOverride: field.autoRetryLimit.optional(),
  retryPolicyOverride: field.retryPolicy.optional(),
  reportBuildStatusOverride: z.boolean().optional(),
  priorityOverride: field.priority.optional(),
  fleetOverride: field.fleet.optional(),
  labelsOverride: field.labels.optional(),
  debugSessionEnabled: z.boolean().optional().meta({
    description: 'Lets `codebuild-breakpoint` pause the build; without it that command is passed over.',
  }),
};

export const startBuildBody = z.strictObject(startBuildShape).prefault({}).meta({
  id: 'StartBuild',
  description: "Each field replaces the project's value for this build; environment variables merge by name.",
});

export const statuses = z
  .string()
  .max(200)
  .transform((text) => text.split(',').map((word) => word.trim()))
  .pipe(z.array(z.enum(BUILD_STATUSES)).min(1));
const time = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .meta({ description: 'ISO-8601 with a zone.' });

export const listBuildsQuery = z.strictObject({
  ...pageQuery,
  project: projectName.optional().meta({ description: 'Only builds of this project.' }),
  status: statuses.optional().meta({
    description: `One or more of ${BUILD_STATUSES.join(', ')}, separated by commas.`,
  }),
  from: time.optional().meta({ description: 'Started at or after this time (ISO-8601).' }),
  to: time.optional().meta({ description: 'Started before this time (ISO-8601).' }),
});

export const phaseContext = z.object({
  statusCode: z.string(),
  message: z.string(),
  exitCode: z.int().optional().meta({ description: 'Of the command that failed.' }),
  faultCode: z.string().optional().meta({ description: 'Which fault of Kilnyard ended the phase.' }),
  retryLimit: z.int().optional().meta({
    description: 'How often the buildspec wants the build retried after this failure (`on-failure: RETRY…`).',
  }),
});

const phaseView = z
  .object({
    phaseType: z.enum(PHASE_TYPES),
    phaseStatus: z.enum(BUILD_STATUSES).optional().meta({ description: 'Absent while it runs, and on COMPLETED.' }),
    startTime: timestamp,
    endTime: timestamp.optional(),
    durationInSeconds: z.int().optional(),
    durationMs: z.int().optional(),
    contexts: z.array(phaseContext),
  })
  .meta({ id: 'BuildPhase' });

const logView = z.object({
  complete: z.boolean().meta({
    description: 'The whole log is stored. False after the end: its worker was lost, and so may be the last lines.',
  }),
  lineCount: z.number().nullable(),
  byteCount: z.number().nullable(),
  sha256: z.string().nullable(),
});

const attemptView = z
  .object({
    attempt: z.int(),
    status: z.enum(BUILD_STATUSES).meta({ description: 'IN_PROGRESS only for the latest.' }),
    cause: z.enum(RETRY_CAUSES).nullable().meta({ description: 'Why it ended badly, as retryPolicy names it.' }),
    message: z.string().nullable().meta({ description: 'What tells the cause: of the phase that failed first.' }),
    exitCode: z.int().nullable().meta({ description: 'Of the command that failed first.' }),
    retriedAs: z.enum(RETRY_RULES).nullable().meta({
      description:
        'Why another attempt followed: AUTO_RETRY counts against autoRetryLimit; LOST_START (its worker was lost before user code) and GIVEN_BACK (its worker was shut down before) do not; ON_FAILURE is what the buildspec asked for. Null: none followed.',
    }),
    workerId: z.string().nullable(),
    imageDigest: z.string().nullable(),
    startedAt: timestamp,
    endedAt: timestamp.nullable(),
    logs: z.object({ location: z.string(), rawLocation: z.string() }),
    log: logView,
    phases: z
      .array(phaseView)
      .optional()
      .meta({ description: 'Of an attempt that was followed by another; those of the latest are the build’s.' }),
  })
  .meta({ id: 'BuildAttempt' });

export const waitingView = z
  .object({
    reason: z.enum(['NO_WORKER', 'NO_MATCHING_WORKER', 'WORKERS_BUSY', 'PROJECT_LIMIT', 'NEXT']),
    message: z.string(),
    position: z.int().meta({ description: '1 starts next.' }),
  })
  .meta({ id: 'Waiting', description: 'What a queued build waits for.' });

const { source, secondarySources, secondarySourceVersions, artifacts, secondaryArtifacts, cache, environment } =
  projectSettingsView;

export const buildView = z
  .object({
    id: z.string().meta({ description: '`<project>:<uuid>`' }),
    projectName: z.string(),
    buildNumber: z.int(),
    buildStatus: z.enum(BUILD_STATUSES),
    buildComplete: z.boolean(),
    currentPhase: z.enum(PHASE_TYPES),
    phases: z.array(phaseView),
    sourceVersion: z.string().optional(),
    resolvedSourceVersion: z.string().optional().meta({ description: 'The commit that was built.' }),
    source,
    secondarySources,
    secondarySourceVersions,
    artifacts,
    secondaryArtifacts,
    cache,
    environment,
    timeoutInMinutes: z.int(),
    queuedTimeoutInMinutes: z.int(),
    priority: z.int(),
    startTime: timestamp.meta({ description: 'When it was asked for, as on CodeBuild.' }),
    endTime: timestamp.optional(),
    initiator: z.string(),
    exportedEnvironmentVariables: z.array(z.object({ name: z.string(), value: z.string() })),
    logs: z.object({ location: z.string(), rawLocation: z.string() }),
    attempt: z.int().meta({
      description:
        'The latest that a worker took; 0 until one has. A build that is retried waits with the number of the attempt before.',
    }),
    worker: z.string().nullable(),
    imageDigest: z.string().nullable(),
    cacheUse: z
      .object({
        key: z.string().meta({ description: 'Variables filled in; empty where the buildspec names none.' }),
        result: z.enum(['hit', 'fallback', 'miss', 'skipped']).meta({
          description:
            'hit: an entry of this key; fallback: one by `fallback-keys`; miss: none, or none that could be restored; skipped: not looked for (`action: save`).',
        }),
        restoredKey: z.string().nullable(),
        restoredFrom: z.enum(['own', 'base']).nullable().meta({
          description: "own: an entry of this build's scope; base: of the trusted builds, for one that is not.",
        }),
        restoredBytes: z.number(),
        restoreMs: z.number(),
        saved: z.enum(['saved', 'exists', 'purged', 'failed']).nullable().meta({
          description:
            'exists: there is an entry of this key, and such never change; purged: the cache was purged while the build ran. Null: not tried.',
        }),
        savedBytes: z.number(),
        saveMs: z.number(),
      })
      .nullable(),
    cacheScope: z.string().nullable().meta({
      description: 'Null: a trusted build. Else it reads the cache of trusted builds and writes only under this name.',
    }),
    reportIds: z.array(z.string()).meta({
      description: 'Its reports, in the order in which they were made (`/v1/reports/{id}`); some may have expired.',
    }),
    retryOf: z.string().nullable(),
    batch: z
      .object({ id: z.string(), identifier: z.string() })
      .nullable()
      .meta({ description: 'The batch that it is a part of, and its name there.' }),
    stopRequested: z.boolean(),
    debugSession: z
      .object({
        sessionEnabled: z.boolean(),
        paused: z
          .object({
            since: timestamp,
            until: timestamp.meta({ description: 'When it goes on by itself.' }),
            resumeRequested: z.boolean(),
          })
          .nullable()
          .meta({ description: 'While `codebuild-breakpoint` holds it; its phase stays IN_PROGRESS.' }),
      })
      .meta({ description: 'Whether the build was started with debugSessionEnabled, and whether it is paused now.' }),
    waiting: waitingView.nullable(),
    log: logView
      .extend({
        state: z.enum(['open', 'complete', 'cut', 'expired']).meta({
          description:
            'open: more may come; complete: all of it is stored; cut: its worker was lost, and so may be the last lines; expired: retention has taken it, and the figures are what it was.',
        }),
        location: z.enum(['DATABASE', 'STORAGE']).nullable().meta({
          description:
            'Where the logs of all attempts lie, which makes no difference to who reads them: a sealed log moves to STORAGE, where artifacts lie, after some days. Null: it has expired.',
        }),
        expiredAt: timestamp.nullable(),
      })
      .meta({ description: 'Of the latest attempt.' }),
    autoRetry: z.object({
      limit: z.int().meta({ description: 'autoRetryLimit of this build.' }),
      number: z.int().meta({ description: 'Retries made so far that count against it.' }),
    }),
    attempts: z.array(attemptView).meta({ description: 'All that a worker took, in order; empty before the first.' }),
  })
  .meta({ id: 'Build' });
export const buildPage = pageOf('BuildPage', buildView);
export type BuildView = z.infer<typeof buildView>;
