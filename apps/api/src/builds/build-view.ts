// Shows a build: the store's nouns in, CodeBuild's JSON out.
import { artifactPlace } from '#core/artifact-place.js';
import type { Artifact, Attempt, Build, Waiting } from '#core/build.js';
import { publicBuildId } from '#core/ids.js';
import type { LogSeal } from '#core/log-line.js';
import { isFinal, type Phase } from '#core/phase.js';
import type { ProjectArtifacts } from '#core/project.js';
import { artifactUrl } from '../artifacts/artifact.dto.js';
import { viewOfSettings } from '../projects/project.dto.js';
import type { BuildView } from './build.dto.js';

/**
 * `waiting` is null unless the build is queued and the caller asked the store why; `artifacts`: what it has left behind, of its present
 * attempt. Links are paths on this API.
 */
export function toBuildView(build: Build, waiting: Waiting | null, artifacts: readonly Artifact[]): BuildView {
  const id = publicBuildId(build.projectName, build.id);
  const links = `/v1/builds/${id}`;
  const settings = viewOfSettings(build.settings);
  return {
    id,
    projectName: build.projectName,
    buildNumber: build.number,
    buildStatus: build.status,
    buildComplete: isFinal(build.status),
    currentPhase: build.currentPhase,
    phases: build.phases.map(viewOfPhase),
    ...(build.sourceVersion === null ? {} : { sourceVersion: build.sourceVersion }),
    ...(build.resolvedSourceVersion === null ? {} : { resolvedSourceVersion: build.resolvedSourceVersion }),
    source: settings.source,
    secondarySources: settings.secondarySources,
    secondarySourceVersions: settings.secondarySourceVersions,
    artifacts: viewOfArtifacts(build, settings.artifacts, artifacts),
    secondaryArtifacts: settings.secondaryArtifacts.map((one) => viewOfArtifacts(build, one, artifacts)),
    cache: settings.cache,
    environment: settings.environment,
    timeoutInMinutes: settings.timeoutInMinutes,
    queuedTimeoutInMinutes: settings.queuedTimeoutInMinutes,
    priority: settings.priority,
    startTime: build.queuedAt.toISOString(),
    ...(build.endedAt === null ? {} : { endTime: build.endedAt.toISOString() }),
    initiator: build.initiator,
    exportedEnvironmentVariables: build.exportedVariables,
    logs: { location: `${links}/log`, rawLocation: `${links}/log/raw` },
    attempt: build.attempt,
    worker: build.workerId,
    imageDigest: build.imageDigest,
    cacheUse: build.cache,
    cacheScope: build.cacheScope,
    reportIds: build.reportIds,
    retryOf: build.retryOf === null ? null : publicBuildId(build.projectName, build.retryOf),
    batch:
      build.batch === null
        ? null
        : { id: publicBuildId(build.projectName, build.batch.id), identifier: build.batch.identifier },
    stopRequested: build.stopRequestedAt !== null,
    debugSession: debugSessionOf(build),
    waiting,
    log: {
      ...viewOfSeal(build.logSeal),
      state: logState(build),
      complete: logState(build) === 'complete',
      location: logLocation(build),
      expiredAt: build.logExpiredAt?.toISOString() ?? null,
    },
    autoRetry: {
      limit: settings.autoRetryLimit ?? 0,
      number: build.attempts.filter(({ retriedAs }) => retriedAs === 'AUTO_RETRY').length,
    },
    attempts: build.attempts.map((attempt) => viewOfAttempt(attempt, links)),
  };
}

function debugSessionOf({ settings, paused }: Build): BuildView['debugSession'] {
  const sessionEnabled = settings.debugSessionEnabled === true;
  if (paused === null) return { sessionEnabled, paused: null };
  const { since, until, resumeRequested } = paused;
  return {
    sessionEnabled,
    paused: { since: since.toISOString(), until: until.toISOString(), resumeRequested },
  };
}

/** The project's words, and where the artifact lies; before it is stored, where it will unless the buildspec names it. */
function viewOfArtifacts(
  { id, projectName }: Build,
  target: BuildView['artifacts'],
  stored: readonly Artifact[],
): BuildView['artifacts'] {
  const settings = target as ProjectArtifacts;
  const identifier = settings.artifactIdentifier ?? '';
  const link = artifactUrl(publicBuildId(projectName, id), identifier);
  if (settings.type === 'NO_ARTIFACTS') return { ...target, location: '' };
  const artifact = stored.find((one) => one.identifier === identifier);
  const name = artifact?.name ?? settings.name ?? projectName;
  return {
    ...target,
    location: artifact?.place ?? artifactPlace(settings, { buildId: id, name }),
    link,
    ...(artifact?.sha256 === undefined ? {} : { sha256sum: artifact.sha256 }),
    ...(artifact?.md5 === undefined ? {} : { md5sum: artifact.md5 }),
  };
}

function viewOfSeal(seal: LogSeal | null): BuildView['attempts'][number]['log'] {
  return {
    complete: seal !== null && seal.cut !== true,
    lineCount: seal?.lineCount ?? null,
    byteCount: seal?.byteCount ?? null,
    sha256: seal?.sha256 ?? null,
  };
}

function viewOfAttempt(one: Attempt, links: string): BuildView['attempts'][number] {
  const { attempt, status, cause, context, retriedAs, workerId, imageDigest } = one;
  return {
    attempt,
    status,
    cause,
    message: context?.message ?? null,
    exitCode: context?.exitCode ?? null,
    retriedAs,
    workerId,
    imageDigest,
    startedAt: one.startedAt.toISOString(),
    endedAt: one.endedAt?.toISOString() ?? null,
    logs: { location: `${links}/log?attempt=${attempt}`, rawLocation: `${links}/log/raw?attempt=${attempt}` },
    log: viewOfSeal(one.logSeal),
    ...(retriedAs === null ? {} : { phases: one.phases.map(viewOfPhase) }),
  };
}

function logState({ logSeal, logExpiredAt }: Build): BuildView['log']['state'] {
  if (logExpiredAt !== null) return 'expired';
  if (logSeal === null) return 'open';
  return logSeal.cut === true ? 'cut' : 'complete';
}

function logLocation({ logArchived, logExpiredAt }: Build): BuildView['log']['location'] {
  if (logExpiredAt !== null) return null;
  return logArchived ? 'STORAGE' : 'DATABASE';
}

function viewOfPhase(phase: Phase): BuildView['phases'][number] {
  const { phaseType, phaseStatus, startTime, endTime, contexts } = phase;
  const durationMs = endTime === undefined ? undefined : endTime.getTime() - startTime.getTime();
  return {
    phaseType,
    ...(phaseStatus === undefined ? {} : { phaseStatus }),
    startTime: startTime.toISOString(),
    ...(endTime === undefined || durationMs === undefined
      ? {}
      : { endTime: endTime.toISOString(), durationInSeconds: Math.floor(durationMs / 1000), durationMs }),
    contexts,
  };
}
