// What a buildspec would do, in short: for people and editors who ask before they build. No values of variables, no texts of commands.
import type { CommandPhase } from '#core/phase.js';
import type { ReportFormat } from '#core/report.js';
import type { Buildspec, OnFailure } from './buildspec.js';
import type { BuildPlan, PlannedArtifacts, PlannedCache, PlannedPhase } from './plan.js';
import { summarizeBatch, type BatchSummary } from './summarize-batch.js';

export interface PhaseSummary {
  phaseType: CommandPhase;
  /** How many. */
  commands: number;
  finally: number;
  /** null: root. */
  runAs: string | null;
  onFailure: OnFailure['action'];
}

export interface PlanSummary {
  version: '0.1' | '0.2';
  shell: 'sh' | 'bash';
  /** Those that the buildspec lists, in the order in which they run. */
  phases: PhaseSummary[];
  /** Names of all three maps together, each once. */
  variables: string[];
  exportedVariables: string[];
  runtimeVersions: { name: string; version: string }[];
  artifacts: PlannedArtifacts | null;
  secondaryArtifacts: (PlannedArtifacts & { identifier: string })[];
  cache: PlannedCache | null;
  reports: { group: string; fileFormat: ReportFormat; files: string[] }[];
  batch: BatchSummary | null;
}

/** In: a buildspec and the plan that compile made of it. */
export function summarizePlan(buildspec: Buildspec, plan: BuildPlan): PlanSummary {
  const { version, shell, exportedVariables, runtimeVersions, artifacts, secondaryArtifacts, cache, reports } = plan;
  const named = [...plan.variables, ...plan.parameterStore, ...plan.secretsManager];
  return {
    version,
    shell,
    phases: plan.phases.filter(({ listed }) => listed).map(summarizePhase),
    variables: named.map(({ name }) => name),
    exportedVariables,
    runtimeVersions,
    artifacts,
    secondaryArtifacts,
    cache,
    reports: reports.map(({ group, fileFormat, files }) => ({ group, fileFormat, files })),
    batch: summarizeBatch(buildspec.batch),
  };
}

function summarizePhase(phase: PlannedPhase): PhaseSummary {
  return {
    phaseType: phase.type,
    commands: phase.commands.length,
    finally: phase.finally.length,
    runAs: phase.runAs,
    onFailure: phase.onFailure.action,
  };
}
