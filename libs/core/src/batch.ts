// A build batch: many builds of one commit with one outcome (codebuild-contract A5, Build batches). Plain data.
import type { BuildOverrides } from './build.js';
import type { ComputeType } from './compute-type.js';
import type { BatchId, BuildId, ProjectId } from './ids.js';
import type { BuildStatus, FinalStatus, PhaseContext } from './phase.js';
import type { EnvironmentVariable, ProjectSettings } from './project.js';

/** The first group of each batch: the build that fetches the source and reads the batch's buildspec. */
export const SPEC_GROUP = 'DOWNLOAD_SOURCE';

export const BATCH_REPORT_MODES = ['REPORT_INDIVIDUAL_BUILDS', 'REPORT_AGGREGATED_BATCH'] as const;

/** What a project says of its batches: CodeBuild's ProjectBuildBatchConfig. */
export interface BuildBatchConfig {
  /** Kept and shown. */
  serviceRole?: string;
  combineArtifacts?: boolean;
  restrictions?: {
    /** Tasks; absent: DEFAULT_MAX_BUILDS. */
    maximumBuildsAllowed?: number;
    computeTypesAllowed?: ComputeType[];
    /** Names or ARNs. */
    fleetsAllowed?: string[];
  };
  /** Absent: DEFAULT_BATCH_TIMEOUT_MINUTES. Counts from the request. */
  timeoutInMins?: number;
  batchReportMode?: (typeof BATCH_REPORT_MODES)[number];
}
export const DEFAULT_MAX_BUILDS = 100;
export const DEFAULT_BATCH_TIMEOUT_MINUTES = 480;

/** The last one of a batch says how it ended, as FAILED also after a timeout or a fault. */
export const BATCH_PHASE_TYPES = [
  'SUBMITTED',
  'DOWNLOAD_BATCHSPEC',
  'IN_PROGRESS',
  'COMBINE_ARTIFACTS',
  'SUCCEEDED',
  'FAILED',
  'STOPPED',
] as const;
export type BatchPhaseType = (typeof BATCH_PHASE_TYPES)[number];

export interface BatchPhase {
  phaseType: BatchPhaseType;
  /** Absent while it runs, and on the last one. */
  phaseStatus?: FinalStatus;
  startTime: Date;
  endTime?: Date;
  contexts: PhaseContext[];
}

/** One task as the worker that read the buildspec planned it: checked, and all that a build of it needs. */
export interface PlannedTask {
  identifier: string;
  dependsOn: string[];
  ignoreFailure: boolean;
  overrides: Pick<
    BuildOverrides,
    | 'buildspecOverride'
    | 'computeTypeOverride'
    | 'fleetOverride'
    | 'imageOverride'
    | 'privilegedModeOverride'
    | 'debugSessionEnabled'
  > & { environmentVariablesOverride?: EnvironmentVariable[] };
}

/** What the build that reads the buildspec leaves behind. */
export interface BatchPlan {
  fastFail: boolean;
  /** One at least; each depends on others of the list, without a circle. */
  tasks: PlannedTask[];
  /** Commits of the secondary sources, so that all builds use the same. */
  secondarySourceVersions: ProjectSettings['secondarySourceVersions'];
}

/** PENDING: its build has not begun. SKIPPED: it never will, for what it depends on failed, or the batch was ended before. */
export const TASK_STATUSES = [
  'PENDING',
  'IN_PROGRESS',
  'SUCCEEDED',
  'FAILED',
  'FAULT',
  'TIMED_OUT',
  'STOPPED',
  'SKIPPED',
] as const;
export type TaskStatus = BuildStatus | 'PENDING' | 'SKIPPED';

/** Why a batch starts nothing more before all its tasks are through. The first counts. */
export type BatchEnding = 'STOP' | 'TIME_OUT' | 'FAST_FAIL' | 'PROJECT_GONE';

/** One build of a group. */
export interface BuildSummary {
  buildId: BuildId;
  requestedOn: Date;
  buildStatus: BuildStatus;
}

export interface BuildGroup {
  identifier: string;
  dependsOn: string[];
  ignoreFailure: boolean;
  status: TaskStatus;
  /** Null while it has not begun. */
  current: BuildSummary | null;
  /** Earlier tries, the oldest first. */
  prior: BuildSummary[];
}

export interface BuildBatch {
  id: BatchId;
  projectId: ProjectId | null;
  projectName: string;
  /** Counts up from 1 in the project, apart from the numbers of builds; never reused. */
  number: number;
  status: BuildStatus;
  currentPhase: BatchPhaseType;
  phases: BatchPhase[];
  initiator: string;
  sourceVersion: string | null;
  /** The commit of all its builds; null before it is known and where there is none. */
  resolvedSourceVersion: string | null;
  /** Project settings with the request's overrides laid over them. */
  settings: ProjectSettings;
  config: BuildBatchConfig;
  /** What keeps it from starting more. */
  ending: BatchEnding | null;
  submittedAt: Date;
  /** When it times out. */
  deadline: Date;
  endedAt: Date | null;
  /** How many groups stand at which status, the first group left out. */
  counts: Partial<Record<TaskStatus, number>>;
}

/** A batch with all that belongs to it, the first group first. */
export interface BuildBatchInFull extends BuildBatch {
  groups: BuildGroup[];
}

/** StartBuildBatch's own members; the others are a build's. */
export interface BatchOverrides extends BuildOverrides {
  buildBatchConfigOverride?: BuildBatchConfig;
}

/** RetryBuildBatch: every task again, or those that did not succeed. */
export const BATCH_RETRY_TYPES = ['RETRY_ALL_BUILDS', 'RETRY_FAILED_BUILDS'] as const;
export type BatchRetryType = (typeof BATCH_RETRY_TYPES)[number];

/** The one status of a batch whose tasks have all ended or will never begin. */
export function batchOutcome(
  ending: BatchEnding | null,
  tasks: readonly { status: TaskStatus; ignoreFailure: boolean }[],
): FinalStatus {
  if (ending === 'STOP') return 'STOPPED';
  if (ending === 'TIME_OUT') return 'TIMED_OUT';
  const bad = tasks.filter(({ status, ignoreFailure }) => status !== 'SUCCEEDED' && !ignoreFailure);
  if (bad.length === 0 && ending === null) return 'SUCCEEDED';
  // a fault of Kilnyard's is told as such where nothing else went wrong
  const faults = bad.some(({ status }) => status === 'FAULT');
  const failures = bad.some(({ status }) => status !== 'FAULT' && status !== 'SKIPPED');
  return faults && !failures ? 'FAULT' : 'FAILED';
}

/** The phase with which a batch ends. */
export function lastPhaseOf(status: FinalStatus): BatchPhaseType {
  return status === 'SUCCEEDED' || status === 'STOPPED' ? status : 'FAILED';
}
