// The first build of a batch reads the batch's buildspec: what it says becomes the plan by which the store starts the others. It runs no
// command itself. Pure but for planBatch.
import { compile } from '#buildspec/compile.js';
import { buildspecInvalid, excerpt } from '#buildspec/findings.js';
import type { BatchSpec, BatchTask } from '#buildspec/batch-spec.js';
import type { Buildspec } from '#buildspec/buildspec.js';
import type { BuildPlan } from '#buildspec/plan.js';
import { DEFAULT_MAX_BUILDS, SPEC_GROUP, type BatchPlan, type PlannedTask } from '#core/batch.js';
import type { Build } from '#core/build.js';
import { COMPUTE_TYPE_NAMES, type ComputeType } from '#core/compute-type.js';
import { PhaseFailure, type Finding } from '#core/errors.js';
import { FLEET_NAME, fleetName } from '#core/fleet.js';
import type { EnvironmentVariable, ProjectSettings } from '#core/project.js';
import type { BuildRun } from '../build-run.js';

/** How a build of a fan-out knows its part of the tests; CodeBuild does not document its names (codebuild-contract H.7). */
export const SHARD_INDEX = 'CODEBUILD_SHARD_INDEX';
export const SHARD_COUNT = 'CODEBUILD_SHARD_COUNT';

/** Whether the build is there to read its batch's buildspec. */
export function readsBatch({ batch }: Pick<Build, 'batch'>): boolean {
  return batch?.identifier === SPEC_GROUP;
}

/**
 * Keeps the batch's plan. Out: a plan without commands, for this build itself.
 * In: what parseBuildspec read for a batch. Errors: PhaseFailure YAML_FILE_ERROR without a batch; Refusal BUILDSPEC_INVALID with every task
 * that cannot be run here, or may not by the project's restrictions; what the journal throws.
 */
export async function planBatch(
  run: BuildRun,
  buildspec: Buildspec,
  secondarySourceVersions: BatchPlan['secondarySourceVersions'],
): Promise<BuildPlan> {
  const { request, log, ports } = run;
  if (buildspec.batch === null)
    throw new PhaseFailure('YAML_FILE_ERROR', 'The buildspec has no batch section, which a batch build needs');
  const tasks = planTasks(buildspec.batch, request.build.settings, request.privilegedAllowed);
  await log.say(`Batch found in YAML: ${buildspec.batch.kind} with ${tasks.length} task(s)`);
  for (const { identifier, dependsOn } of tasks)
    await log.say(` ${identifier}${dependsOn.length === 0 ? '' : ` after ${dependsOn.join(', ')}`}`);
  await ports.journal.setBatchPlan({ fastFail: buildspec.batch.fastFail, tasks, secondarySourceVersions });
  const nothing = { variables: [], parameterStore: [], secretsManager: [], exportedVariables: [] };
  return compile({
    ...buildspec,
    env: { ...buildspec.env, ...nothing, shell: null },
    phases: {},
    artifacts: null,
    cache: null,
    reports: [],
    runAs: null,
  });
}

/** Errors: Refusal BUILDSPEC_INVALID, as above. */
export function planTasks(batch: BatchSpec, settings: ProjectSettings, privilegedAllowed: boolean): PlannedTask[] {
  const findings: Finding[] = [];
  const most = settings.buildBatchConfig?.restrictions?.maximumBuildsAllowed ?? DEFAULT_MAX_BUILDS;
  if (batch.tasks.length > most) {
    findings.push({
      field: 'batch',
      expected: `at most ${most} builds (restrictions.maximumBuildsAllowed of the project's buildBatchConfig)`,
      got: `${batch.tasks.length}`,
    });
  }
  const tasks = batch.tasks.map((task) => {
    findings.push(...mistakesOf(task, settings, privilegedAllowed));
    return planTask(task, settings);
  });
  if (findings.length > 0) throw buildspecInvalid(findings);
  return tasks;
}

function planTask(task: BatchTask, settings: ProjectSettings): PlannedTask {
  const { computeType, fleet, image, privilegedMode, variables } = task.env;
  const own: EnvironmentVariable[] = variables.map(({ name, value }) => ({ name, value, type: 'PLAINTEXT' }));
  if (task.shard !== null) {
    own.push({ name: SHARD_INDEX, value: String(task.shard.index), type: 'PLAINTEXT' });
    own.push({ name: SHARD_COUNT, value: String(task.shard.count), type: 'PLAINTEXT' });
  }
  return {
    identifier: task.identifier,
    dependsOn: task.dependOn,
    ignoreFailure: task.ignoreFailure,
    overrides: {
      ...(task.buildspec === null ? {} : { buildspecOverride: task.buildspec }),
      ...(computeType === null ? {} : { computeTypeOverride: computeType as ComputeType }),
      ...(fleet === null ? {} : { fleetOverride: { fleetArn: fleet } }),
      ...(image === null ? {} : { imageOverride: filledIn(image, settings) }),
      ...(privilegedMode === null ? {} : { privilegedModeOverride: privilegedMode }),
      ...(task.debugSession ? { debugSessionEnabled: true } : {}),
      ...(own.length === 0 ? {} : { environmentVariablesOverride: own }),
    },
  };
}

/** Real files name images by variables of the project. */
function filledIn(image: string, settings: ProjectSettings): string {
  return image.replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (whole, braced?: string, plain?: string) => {
    const name = braced ?? plain;
    const variable = settings.environment.environmentVariables.find((one) => one.name === name);
    return variable?.type === 'PLAINTEXT' ? variable.value : whole;
  });
}

function mistakesOf(task: BatchTask, settings: ProjectSettings, privilegedAllowed: boolean): Finding[] {
  const findings: Finding[] = [];
  const { type, image, fleet } = task.env;
  const say = (key: string, expected: string, got: string): void =>
    void findings.push({ field: `batch.${task.identifier}.env.${key}`, expected, got: excerpt(got), ...task.place });
  const restrictions = settings.buildBatchConfig?.restrictions ?? {};
  const computeType = task.env.computeType ?? settings.environment.computeType;
  const used = fleet ?? settings.environment.fleet?.fleetArn;
  if (type !== null && type !== 'LINUX_CONTAINER') say('type', 'LINUX_CONTAINER', type);
  if (!COMPUTE_TYPE_NAMES.some((one) => one === computeType)) {
    say('compute-type', `one of ${COMPUTE_TYPE_NAMES.join(', ')}`, computeType);
  } else if (used === undefined && restrictions.computeTypesAllowed?.includes(computeType as ComputeType) === false) {
    say('compute-type', `one of ${restrictions.computeTypesAllowed.join(', ')} (restrictions)`, computeType);
  }
  if (fleet !== null && !FLEET_NAME.test(fleetName(fleet))) say('fleet', "a fleet's name or ARN", fleet);
  else if (
    used !== undefined &&
    restrictions.fleetsAllowed?.some((one) => fleetName(one) === fleetName(used)) === false
  )
    say('fleet', `one of ${restrictions.fleetsAllowed.join(', ')} (restrictions)`, used);
  if (image !== null && /[$\s]/.test(filledIn(image, settings)))
    say('image', 'an image, with variables of the project at most', image);
  if (task.env.privilegedMode === true && !privilegedAllowed)
    say('privileged-mode', 'no, as long as the operator does not allow it (KILNYARD_PRIVILEGED_PROJECTS)', 'yes');
  return findings;
}
