// The one place where a row of `build` (and its phases, its artifacts) becomes core's Build: dates, bigints, JSON.
import type { Artifact, Attempt, Build, CacheUse, ExportedVariable } from '#core/build.js';
import { asBatchId, asBuildId, asProjectId, asWorkerId, type WorkerId } from '#core/ids.js';
import type { LogSeal } from '#core/log-line.js';
import {
  isFinal,
  type BuildStatus,
  type FinalStatus,
  type Phase,
  type PhaseContext,
  type PhaseType,
} from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import { retryCause, type RetryCause, type RetryRule } from '#core/retry.js';
import { pausedOf } from './pauses.js';
import type { Build as BuildModel, BuildArtifact, BuildAttempt, BuildPhase, Prisma } from './generated/client.js';

/** The columns of `build` that become a Build, and its phases. */
export type BuildRow = Pick<
  BuildModel,
  | 'id'
  | 'projectId'
  | 'projectName'
  | 'number'
  | 'status'
  | 'currentPhase'
  | 'version'
  | 'attempt'
  | 'initiator'
  | 'sourceVersion'
  | 'resolvedSourceVersion'
  | 'settings'
  | 'exportedVariables'
  | 'imageDigest'
  | 'cache'
  | 'cacheScope'
  | 'pause'
  | 'queuedAt'
  | 'startedAt'
  | 'endedAt'
  | 'stopRequestedAt'
  | 'workerId'
  | 'retryOf'
  | 'logSha256'
  | 'logCut'
  | 'failure'
  | 'handedOver'
  | 'requeuedAt'
  | 'logExpiredAt'
  | 'logArchived'
  | 'reportIds'
  | 'batchId'
  | 'batchIdentifier'
> & { logLineCount: bigint | string | null; logByteCount: bigint | string | null; phases: PhaseRow[] };

export type PhaseRow = Pick<BuildPhase, 'attempt' | 'phaseType' | 'status' | 'startedAt' | 'endedAt' | 'contexts'>;

/** What builds of earlier versions do not tell. */
const CACHE_USE_BEFORE = { restoredKey: null, restoredFrom: null, saved: null } satisfies Partial<CacheUse>;

/** What a query for BuildRow includes: phases of all attempts, in order. */
export const WITH_PHASES = {
  phases: { orderBy: [{ attempt: 'asc' }, { ordinal: 'asc' }] },
} satisfies Prisma.BuildInclude;

/** In: `earlier` = the attempts that were followed by another, in order; earlier-attempts.ts reads them where there are some. */
export function toBuild(row: BuildRow, earlier: BuildAttempt[] = []): Build {
  const shown = Math.max(row.attempt, ...row.phases.map((phase) => phase.attempt));
  return {
    id: asBuildId(row.id),
    projectId: row.projectId === null ? null : asProjectId(row.projectId),
    projectName: row.projectName,
    number: row.number,
    status: row.status as BuildStatus,
    currentPhase: row.currentPhase as PhaseType,
    phases: phasesOf(row.phases, shown),
    attempt: row.attempt,
    attempts: attemptsOf(row, earlier),
    workerId: toWorkerId(row.workerId),
    initiator: row.initiator,
    sourceVersion: row.sourceVersion,
    resolvedSourceVersion: row.resolvedSourceVersion,
    settings: row.settings as unknown as ProjectSettings,
    exportedVariables: row.exportedVariables as unknown as ExportedVariable[],
    imageDigest: row.imageDigest,
    cache: row.cache === null ? null : { ...CACHE_USE_BEFORE, ...(row.cache as unknown as CacheUse) },
    cacheScope: row.cacheScope,
    paused: pausedOf(row),
    queuedAt: row.queuedAt,
    requeuedAt: row.requeuedAt,
    handedOver: row.handedOver,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    stopRequestedAt: row.stopRequestedAt,
    logSeal: toSeal(row),
    logExpiredAt: row.logExpiredAt,
    logArchived: row.logArchived,
    reportIds: row.reportIds,
    retryOf: row.retryOf === null ? null : asBuildId(row.retryOf),
    batch: row.batchId === null ? null : { id: asBatchId(row.batchId), identifier: row.batchIdentifier ?? '' },
    version: row.version,
  };
}

/** SUBMITTED, the wait for the attempt, and its own. */
function phasesOf(rows: PhaseRow[], attempt: number): Phase[] {
  const own = rows.filter(
    (row) => row.attempt === attempt || (row.attempt === 0 && (attempt <= 1 || row.phaseType === 'SUBMITTED')),
  );
  return own.map(toPhase);
}

function attemptsOf(row: BuildRow, earlier: BuildAttempt[]): Attempt[] {
  const attempts = earlier.map((one) => toAttempt(one, row.phases));
  const told = attempts.some(({ attempt }) => attempt === row.attempt);
  if (row.attempt === 0 || told) return attempts;
  const status = row.status as BuildStatus;
  const context = row.failure as unknown as PhaseContext | null;
  attempts.push({
    attempt: row.attempt,
    status,
    cause: isFinal(status) ? retryCause({ status, context }) : null,
    context,
    retriedAs: null,
    workerId: toWorkerId(row.workerId),
    imageDigest: row.imageDigest,
    startedAt: row.startedAt ?? row.queuedAt,
    endedAt: row.endedAt,
    logSeal: toSeal(row),
    phases: phasesOf(row.phases, row.attempt),
  });
  return attempts;
}

function toAttempt(row: BuildAttempt, phases: PhaseRow[]): Attempt {
  return {
    attempt: row.attempt,
    status: row.status as BuildStatus,
    cause: row.cause as RetryCause,
    context: row.context as unknown as PhaseContext | null,
    retriedAs: row.retriedAs as RetryRule,
    workerId: toWorkerId(row.workerId),
    imageDigest: row.imageDigest,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    logSeal: toSeal(row),
    phases: phasesOf(phases, row.attempt),
  };
}

function toWorkerId(text: string | null): WorkerId | null {
  return text === null ? null : asWorkerId(text);
}

/** The seal of an attempt's log, or null while it is not sealed. */
export function toSeal(row: Pick<BuildRow, 'logLineCount' | 'logByteCount' | 'logSha256' | 'logCut'>): LogSeal | null {
  if (row.logLineCount === null || row.logByteCount === null || row.logSha256 === null) return null;
  const seal = { lineCount: Number(row.logLineCount), byteCount: Number(row.logByteCount), sha256: row.logSha256 };
  return row.logCut ? { ...seal, cut: true } : seal;
}

function toPhase(row: PhaseRow): Phase {
  const phase: Phase = {
    phaseType: row.phaseType as PhaseType,
    startTime: row.startedAt,
    contexts: row.contexts as unknown as PhaseContext[],
  };
  if (row.status !== null) phase.phaseStatus = row.status as FinalStatus;
  if (row.endedAt !== null) phase.endTime = row.endedAt;
  return phase;
}

export function toArtifact(row: BuildArtifact): Artifact {
  const artifact: Artifact = {
    identifier: row.identifier,
    name: row.name,
    packaging: row.packaging as Artifact['packaging'],
    fileCount: row.fileCount,
    sizeBytes: Number(row.sizeBytes),
    location: row.location,
    createdAt: row.createdAt,
  };
  if (row.sha256 !== null) artifact.sha256 = row.sha256;
  if (row.md5 !== null) artifact.md5 = row.md5;
  if (row.place !== null) artifact.place = row.place;
  if (row.expiredAt !== null) artifact.expiredAt = row.expiredAt;
  return artifact;
}
