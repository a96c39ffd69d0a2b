// A build: one run of a project's buildspec, with its own copy of the settings, its phases and its outcome.
import type { CacheScope } from './cache.js';
import type { BatchId, BuildId, ProjectId, WorkerId } from './ids.js';
import type { BuildStatus, Phase, PhaseContext, PhaseType } from './phase.js';
import type { EnvironmentVariable, ProjectSettings } from './project.js';
import type { LogSeal } from './log-line.js';
import type { RetryCause, RetryRule } from './retry.js';
import type { BuildState } from './transitions.js';

/**
 * What a claim gives a worker: the right to write to this build under this attempt, until the lease runs out.
 * Every write carries it and is refused (Fault LEASE_LOST) once the lease has passed on.
 */
export interface Lease {
  readonly buildId: BuildId;
  /** 1 for the first claim. */
  readonly attempt: number;
  readonly workerId: WorkerId;
}

export interface ExportedVariable {
  name: string;
  value: string;
}

/** Who ended a pause: codebuild-resume in the build, somebody over the API, or its own limit. */
export const RESUMED_BY = ['build', 'api', 'limit'] as const;
export type ResumedBy = (typeof RESUMED_BY)[number];

/** A wait that codebuild-breakpoint began. */
export interface Pause {
  /** From 1 in each attempt. */
  number: number;
  since: Date;
  /** When it ends by itself. */
  until: Date;
}

export interface CacheUse {
  /** As the build asked, variables filled in; empty where the buildspec names none. */
  key: string;
  /** `hit` exact entry, `fallback` an older one by prefix, `miss` none, `skipped` not looked for (`action: save`). */
  result: 'hit' | 'fallback' | 'miss' | 'skipped';
  /** Of the entry that was restored; null where none was. */
  restoredKey: string | null;
  /** Whose entry that was: `own` of this build's scope, `base` of the trusted builds, for a build that is not one of them. */
  restoredFrom: 'own' | 'base' | null;
  restoredBytes: number;
  restoreMs: number;
  /** `exists`: keyed entries never change; `purged`: the project's cache was purged while the build ran. Null: not tried (yet). */
  saved: CacheSaving | null;
  savedBytes: number;
  saveMs: number;
}

export type CacheSaving = 'saved' | 'exists' | 'purged' | 'failed';

/** One claim of a build and what came of it. */
export interface Attempt {
  /** From 1. */
  attempt: number;
  /** IN_PROGRESS for the present one alone. */
  status: BuildStatus;
  /** Why it ended badly, or is about to; null while all goes well, and after a stop. */
  cause: RetryCause | null;
  /** What tells the cause; of a failure the context of the phase that failed first. */
  context: PhaseContext | null;
  /** Under which rule another attempt followed; null for the latest. */
  retriedAs: RetryRule | null;
  workerId: WorkerId | null;
  imageDigest: string | null;
  startedAt: Date;
  endedAt: Date | null;
  logSeal: LogSeal | null;
  /** SUBMITTED, how long it waited, and its own phases, in order. */
  phases: Phase[];
}

export interface Build {
  id: BuildId;
  projectId: ProjectId | null;
  projectName: string;
  /** Counts up from 1 in the project; never reused. */
  number: number;
  status: BuildStatus;
  currentPhase: PhaseType;
  /** Of the present attempt, in order; SUBMITTED and, once it went back to the queue, the wait for the next attempt with them. */
  phases: Phase[];
  /** The latest that a worker claimed; 0 until one has. While the build waits for another the row tells of the one before. */
  attempt: number;
  /** All that were claimed, in order. */
  attempts: Attempt[];
  workerId: WorkerId | null;
  initiator: string;
  sourceVersion: string | null;
  resolvedSourceVersion: string | null;
  /** Project settings with the request's overrides laid over them, frozen at the start. */
  settings: ProjectSettings;
  exportedVariables: ExportedVariable[];
  /** Digest or id of the image that the build ran on. */
  imageDigest: string | null;
  cache: CacheUse | null;
  /** While codebuild-breakpoint holds it; `resumeRequested`: somebody has asked to go on. */
  paused: (Pause & { resumeRequested: boolean }) | null;
  /** Null: trusted. */
  cacheScope: CacheScope;
  /** When the request came; its place in the queue counts from here, also when it goes back there. */
  queuedAt: Date;
  /** When it went back to the queue for its present or next attempt; the queue timeout counts from here. Null for the first. */
  requeuedAt: Date | null;
  /** User code may have run under the present attempt. */
  handedOver: boolean;
  /** When a worker claimed it. */
  startedAt: Date | null;
  endedAt: Date | null;
  stopRequestedAt: Date | null;
  /** Set when the whole log is stored. */
  logSeal: LogSeal | null;
  /** When retention took the log; what the seal tells is then all that is left of it. */
  logExpiredAt: Date | null;
  /** The logs of all attempts were moved from the database into the blob store; no reader needs to know. */
  logArchived: boolean;
  /** Reports of the present attempt, in the order in which they were made; those that have expired too. */
  reportIds: string[];
  /** The build that this one retries. */
  retryOf: BuildId | null;
  /** The batch that it is a part of, and its name there. */
  batch: { id: BatchId; identifier: string } | null;
  /** Raised by every change; a reader that saw version n has missed nothing when it is still n. */
  version: number;
}

/** What changes of a build while it runs, for those who follow it. */
export type BuildProgress = Pick<Build, 'status' | 'currentPhase' | 'attempt' | 'attempts' | 'logArchived'>;

/** A build with what a worker needs to run it. */
export interface ClaimedBuild {
  lease: Lease;
  build: Build;
  /** When the build times out. */
  deadline: Date;
  /** Set for a build that another worker began: who, where it stands, and since when it is in that phase. */
  adopted: { from: WorkerId; state: BuildState; since: Date } | null;
}

/** CodeBuild's StartBuild members that Kilnyard takes; each replaces the project's value (env variables merge by name). */
export interface BuildOverrides {
  sourceVersion?: string;
  sourceTypeOverride?: ProjectSettings['source']['type'];
  sourceLocationOverride?: string;
  gitCloneDepthOverride?: number;
  gitSubmodulesConfigOverride?: { fetchSubmodules: boolean };
  buildspecOverride?: string;
  sourceAuthOverride?: ProjectSettings['source']['auth'];
  insecureSslOverride?: boolean;
  artifactsOverride?: ProjectSettings['artifacts'];
  secondaryArtifactsOverride?: ProjectSettings['secondaryArtifacts'];
  secondarySourcesOverride?: ProjectSettings['secondarySources'];
  secondarySourcesVersionOverride?: ProjectSettings['secondarySourceVersions'];
  environmentVariablesOverride?: EnvironmentVariable[];
  imageOverride?: string;
  computeTypeOverride?: ProjectSettings['environment']['computeType'];
  privilegedModeOverride?: boolean;
  imagePullCredentialsTypeOverride?: ProjectSettings['environment']['imagePullCredentialsType'];
  registryCredentialOverride?: ProjectSettings['environment']['registryCredential'];
  cacheOverride?: ProjectSettings['cache'];
  serviceRoleOverride?: string;
  encryptionKeyOverride?: string;
  logsConfigOverride?: Record<string, unknown>;
  timeoutInMinutesOverride?: number;
  queuedTimeoutInMinutesOverride?: number;
  autoRetryLimitOverride?: number;
  /** Kilnyard's own. */
  retryPolicyOverride?: ProjectSettings['retryPolicy'];
  debugSessionEnabled?: boolean;
  reportBuildStatusOverride?: boolean;
  /** Kilnyard's own: place in the queue, -100 to 100. */
  priorityOverride?: number;
  fleetOverride?: { fleetArn: string };
  /** Kilnyard's own; replaces the project's list. */
  labelsOverride?: string[];
}

/** Why a queued build is not running yet; the first rule that holds it. */
export interface Waiting {
  reason: 'NO_WORKER' | 'NO_MATCHING_WORKER' | 'WORKERS_BUSY' | 'PROJECT_LIMIT' | 'NEXT';
  /** A sentence for a person: which rule, with its figures. */
  message: string;
  /** 1 = next to start. */
  position: number;
}

/** What a build left behind: one entry for the primary artifact, one for each secondary. */
export interface Artifact {
  /** Empty for the primary artifact. */
  identifier: string;
  name: string;
  packaging: 'NONE' | 'ZIP';
  /** Files in it. */
  fileCount: number;
  /** Bytes as stored: of the zip, or of all files of the folder. */
  sizeBytes: number;
  /** Of the zip; absent for a folder. */
  sha256?: string;
  md5?: string;
  /** Key in the blob store: an object for ZIP, a prefix for NONE. */
  location: string;
  /** As CodeBuild tells it: artifact-place.ts. Absent for those of earlier versions. */
  place?: string;
  createdAt: Date;
  /** When retention took its bytes. */
  expiredAt?: Date;
}
