import { describe, expect, it } from '@jest/globals';
import { describeFinding } from '#buildspec/findings.js';
import { parseBuildspec } from '#buildspec/parse.js';
import { Refusal } from '#core/errors.js';
import type { BuildBatchConfig, PlannedTask } from '#core/batch.js';
import type { ProjectEnvironment } from '#core/project.js';
import { newProjectSettings } from '#testing/factories.js';
import { planTasks } from './batch-plan.js';

interface Given {
  restrictions?: BuildBatchConfig['restrictions'];
  environment?: Partial<ProjectEnvironment>;
  privileged?: boolean;
}

function planOf(tasks: string, { restrictions, environment, privileged = false }: Given = {}): PlannedTask[] {
  const { buildspec } = parseBuildspec(`version: 0.2\nbatch:\n  ${tasks}`, 'batch');
  const settings = newProjectSettings(restrictions === undefined ? {} : { buildBatchConfig: { restrictions } });
  Object.assign(settings.environment, environment);
  return planTasks(buildspec.batch!, settings, privileged);
}
function refused(tasks: string, given: Given = {}): string[] {
  try {
    planOf(tasks, given);
  } catch (error) {
    if (error instanceof Refusal) return error.findings.map(describeFinding);
    throw error;
  }
  throw new Error('expected a refusal, got a plan');
}

describe('the plan of a batch', () => {
  it('has for each task what its build is started with, and nothing that it leaves to the project', () => {
    const tasks = planOf(
      'build-graph: [{identifier: a}, {identifier: b, buildspec: b.yml, debug-session: yes, depend-on: [a], ignore-failure: yes, ' +
        'env: {compute-type: BUILD_GENERAL1_LARGE, image: "i:1", privileged-mode: yes, type: LINUX_CONTAINER, variables: {V: 1}}}]',
      { privileged: true },
    );
    expect(tasks).toEqual([
      { identifier: 'a', dependsOn: [], ignoreFailure: false, overrides: {} },
      {
        identifier: 'b',
        dependsOn: ['a'],
        ignoreFailure: true,
        overrides: {
          buildspecOverride: 'b.yml',
          computeTypeOverride: 'BUILD_GENERAL1_LARGE',
          imageOverride: 'i:1',
          privilegedModeOverride: true,
          debugSessionEnabled: true,
          environmentVariablesOverride: [{ name: 'V', value: '1', type: 'PLAINTEXT' }],
        },
      },
    ]);
  });

  it('gives each build of a fan-out its number and how many there are', () => {
    const shards = planOf('build-fanout: {parallelism: 2}').map(
      ({ overrides }) => overrides.environmentVariablesOverride,
    );
    const shard = (index: string) => [
      { name: 'CODEBUILD_SHARD_INDEX', value: index, type: 'PLAINTEXT' },
      { name: 'CODEBUILD_SHARD_COUNT', value: '2', type: 'PLAINTEXT' },
    ];
    expect(shards).toEqual([shard('0'), shard('1')]);
  });

  it('fills in variables of the project in the names of images, as real files have them', () => {
    const environmentVariables = [
      { name: 'REG', value: 'reg:5000', type: 'PLAINTEXT' as const },
      { name: 'SEALED', value: 'param', type: 'PARAMETER_STORE' as const },
    ];
    const list = (image: string) => `build-list: [{identifier: a, env: {image: "${image}"}}]`;
    const given = { environment: { environmentVariables } };
    expect(planOf(list('${REG}/a:$REG'), given)[0]!.overrides.imageOverride).toBe('reg:5000/a:reg:5000');
    for (const image of ['$OTHER/a', '$SEALED/a'])
      expect(refused(list(image), given)).toEqual([
        expect.stringContaining('an image, with variables of the project at most'),
      ]);
  });

  it.each<[string, string, Given, string[]]>([
    [
      'more builds than are allowed',
      'build-fanout: {parallelism: 3}',
      { restrictions: { maximumBuildsAllowed: 2 } },
      ["batch: expected at most 2 builds (restrictions.maximumBuildsAllowed of the project's buildBatchConfig), got 3"],
    ],
    [
      'more than the default where the project says nothing',
      'build-fanout: {parallelism: 101}',
      {},
      [
        "batch: expected at most 100 builds (restrictions.maximumBuildsAllowed of the project's buildBatchConfig), got 101",
      ],
    ],
    [
      'compute types, also the one of the project',
      'build-list: [{identifier: a}, {identifier: b, env: {compute-type: BUILD_GENERAL1_MEDIUM}}, {identifier: c, env: {fleet: ff}}]',
      { restrictions: { computeTypesAllowed: ['BUILD_GENERAL1_MEDIUM'] } },
      [
        'batch.a.env.compute-type: expected one of BUILD_GENERAL1_MEDIUM (restrictions), got BUILD_GENERAL1_SMALL at line 3, column 16',
      ],
    ],
    [
      'fleets, by name or ARN',
      'build-list: [{identifier: a, env: {fleet: ff}}, {identifier: b, env: {fleet: "arn:x:y:z:1:fleet/gg:1"}}]',
      { restrictions: { fleetsAllowed: ['arn:x:y:z:1:fleet/ff:9'] } },
      [
        'batch.b.env.fleet: expected one of arn:x:y:z:1:fleet/ff:9 (restrictions), got arn:x:y:z:1:fleet/gg:1 at line 3, column 51',
      ],
    ],
    [
      'what cannot run here, all of it at once',
      'build-list: [{identifier: a, env: {type: ARM_CONTAINER, compute-type: HUGE, privileged-mode: true}}, {identifier: b, env: {fleet: "no fleet"}}]',
      {},
      [
        'batch.a.env.type: expected LINUX_CONTAINER, got ARM_CONTAINER at line 3, column 16',
        expect.stringMatching(
          /^batch\.a\.env\.compute-type: expected one of BUILD_GENERAL1_SMALL, .* got HUGE/,
        ) as never,
        expect.stringMatching(/^batch\.a\.env\.privileged-mode: expected no, as long as the operator/) as never,
        expect.stringMatching(/^batch\.b\.env\.fleet: expected a fleet's name or ARN, got no fleet/) as never,
      ],
    ],
  ])('refuses %s', (_, tasks, given, findings) => {
    expect(refused(tasks, given)).toEqual(findings);
  });
});
