// Shows a batch: the store's nouns in, CodeBuild's JSON out.
import type { BatchPhase, BuildBatch, BuildBatchInFull, BuildSummary } from '#core/batch.js';
import { publicBuildId } from '#core/ids.js';
import { isFinal } from '#core/phase.js';
import { viewOfSettings } from '../projects/project.dto.js';
import type { BatchInList, BatchView } from './batch.dto.js';

export function toBatchView(batch: BuildBatchInFull): BatchView {
  const summary = ({ buildId, requestedOn, buildStatus }: BuildSummary) => ({
    id: publicBuildId(batch.projectName, buildId),
    requestedOn: requestedOn.toISOString(),
    buildStatus,
  });
  return {
    ...toBatchInList(batch),
    buildGroups: batch.groups.map(({ identifier, dependsOn, ignoreFailure, status, current, prior }) => ({
      identifier,
      dependsOn,
      ignoreFailure,
      status,
      currentBuildSummary: current === null ? null : summary(current),
      priorBuildSummaryList: prior.map(summary),
    })),
  };
}

export function toBatchInList(batch: BuildBatch): BatchInList {
  const id = publicBuildId(batch.projectName, batch.id);
  const settings = viewOfSettings(batch.settings);
  return {
    id,
    projectName: batch.projectName,
    buildBatchNumber: batch.number,
    buildBatchStatus: batch.status,
    complete: isFinal(batch.status),
    currentPhase: batch.currentPhase,
    phases: batch.phases.map(viewOfPhase),
    ...(batch.sourceVersion === null ? {} : { sourceVersion: batch.sourceVersion }),
    ...(batch.resolvedSourceVersion === null ? {} : { resolvedSourceVersion: batch.resolvedSourceVersion }),
    source: settings.source,
    artifacts: { ...settings.artifacts, location: `/v1/batches/${id}/artifacts` },
    cache: settings.cache,
    environment: settings.environment,
    buildTimeoutInMinutes: settings.timeoutInMinutes,
    queuedTimeoutInMinutes: settings.queuedTimeoutInMinutes,
    priority: settings.priority,
    buildBatchConfig: batch.config,
    startTime: batch.submittedAt.toISOString(),
    deadline: batch.deadline.toISOString(),
    ...(batch.endedAt === null ? {} : { endTime: batch.endedAt.toISOString() }),
    initiator: batch.initiator,
    stopRequested: batch.ending === 'STOP',
    ending: batch.ending,
    counts: batch.counts,
  };
}

function viewOfPhase({
  phaseType,
  phaseStatus,
  startTime,
  endTime,
  contexts,
}: BatchPhase): BatchInList['phases'][number] {
  return {
    phaseType,
    ...(phaseStatus === undefined ? {} : { phaseStatus }),
    startTime: startTime.toISOString(),
    ...(endTime === undefined
      ? {}
      : {
          endTime: endTime.toISOString(),
          durationInSeconds: Math.floor((endTime.getTime() - startTime.getTime()) / 1000),
        }),
    contexts,
  };
}
