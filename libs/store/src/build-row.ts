// The one place where a row of `build` (and its phases, its artifacts) becomes core's Build: dates, bigints, JSON.
import type { Artifact, Build, CacheUse, ExportedVariable } from '#core/build.js';
import { asBuildId, asProjectId, asWorkerId } from '#core/ids.js';
import type { LogSeal } from '#core/log-line.js';
import type { BuildStatus, FinalStatus, Phase, PhaseContext, PhaseType } from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import type { Build as BuildModel, BuildArtifact, BuildPhase, Prisma } from './generated/client.js';

export type BuildRow = BuildModel & { phases: BuildPhase[] };

/** What a query for BuildRow includes: phases in order. */
export const WITH_PHASES = {
  phases: { orderBy: [{ attempt: 'asc' }, { ordinal: 'asc' }] },
} satisfies Prisma.BuildInclude;

export function toBuild(row: BuildRow): Build {
  return {
    id: asBuildId(row.id),
    projectId: row.projectId === null ? null : asProjectId(row.projectId),
    projectName: row.projectName,
    number: row.number,
    status: row.status as BuildStatus,
    currentPhase: row.currentPhase as PhaseType,
    phases: row.phases.filter((phase) => phase.attempt === 0 || phase.attempt === row.attempt).map(toPhase),
    attempt: row.attempt,
    workerId: row.workerId === null ? null : asWorkerId(row.workerId),
    initiator: row.initiator,
    sourceVersion: row.sourceVersion,
    resolvedSourceVersion: row.resolvedSourceVersion,
    settings: row.settings as unknown as ProjectSettings,
    exportedVariables: row.exportedVariables as unknown as ExportedVariable[],
    imageDigest: row.imageDigest,
    cache: row.cache as unknown as CacheUse | null,
    queuedAt: row.queuedAt,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    stopRequestedAt: row.stopRequestedAt,
    logSeal: toSeal(row),
    logExpiredAt: row.logExpiredAt,
    retryOf: row.retryOf === null ? null : asBuildId(row.retryOf),
    version: row.version,
  };
}

/** The seal of a build's log, or null while it is not sealed. */
export function toSeal(
  row: Pick<BuildModel, 'logLineCount' | 'logByteCount' | 'logSha256' | 'logCut'>,
): LogSeal | null {
  if (row.logLineCount === null || row.logByteCount === null || row.logSha256 === null) return null;
  const seal = { lineCount: Number(row.logLineCount), byteCount: Number(row.logByteCount), sha256: row.logSha256 };
  return row.logCut ? { ...seal, cut: true } : seal;
}

function toPhase(row: BuildPhase): Phase {
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
  if (row.expiredAt !== null) artifact.expiredAt = row.expiredAt;
  return artifact;
}
