import { describe, expect, it } from '@jest/globals';
import { applyOverrides, mergeVariables } from './apply-overrides.js';
import type { ProjectSettings } from './project.js';

const project: ProjectSettings = {
  source: { type: 'GIT', location: 'https://git.example/a.git', gitCloneDepth: 1 },
  secondarySources: [],
  secondarySourceVersions: [],
  sourceVersion: 'main',
  artifacts: { type: 'NO_ARTIFACTS' },
  secondaryArtifacts: [],
  cache: { type: 'NO_CACHE' },
  environment: {
    type: 'LINUX_CONTAINER',
    image: 'a:1',
    computeType: 'BUILD_GENERAL1_SMALL',
    environmentVariables: [
      { name: 'A', value: '1', type: 'PLAINTEXT' },
      { name: 'B', value: 'param', type: 'PARAMETER_STORE' },
    ],
    privilegedMode: false,
  },
  timeoutInMinutes: 60,
  queuedTimeoutInMinutes: 480,
  tags: [],
  priority: 0,
};

describe('overrides', () => {
  it('change nothing when there are none, and never the project itself', () => {
    const before = structuredClone(project);
    expect(applyOverrides(project, {})).toEqual(project);
    applyOverrides(project, {
      imageOverride: 'b:1',
      environmentVariablesOverride: [{ name: 'A', value: '2', type: 'PLAINTEXT' }],
    });
    expect(project).toEqual(before);
  });

  it('replace what they name and leave the rest', () => {
    const settings = applyOverrides(project, {
      sourceVersion: 'pr/7',
      sourceLocationOverride: 'https://git.example/b.git',
      buildspecOverride: 'ci.yml',
      imageOverride: 'b:2',
      computeTypeOverride: 'BUILD_GENERAL1_LARGE',
      timeoutInMinutesOverride: 5,
      artifactsOverride: { type: 'S3', packaging: 'ZIP' },
      priorityOverride: 9,
    });
    expect(settings).toMatchObject({
      sourceVersion: 'pr/7',
      source: { type: 'GIT', location: 'https://git.example/b.git', buildspec: 'ci.yml', gitCloneDepth: 1 },
      environment: { image: 'b:2', computeType: 'BUILD_GENERAL1_LARGE', privilegedMode: false },
      artifacts: { type: 'S3', packaging: 'ZIP' },
      timeoutInMinutes: 5,
      queuedTimeoutInMinutes: 480,
      priority: 9,
    });
  });

  it('merge variables by name; the type goes with the winner', () => {
    expect(
      mergeVariables(project.environment.environmentVariables, [
        { name: 'B', value: 'plain', type: 'PLAINTEXT' },
        { name: 'C', value: '3', type: 'PLAINTEXT' },
      ]),
    ).toEqual([
      { name: 'A', value: '1', type: 'PLAINTEXT' },
      { name: 'B', value: 'plain', type: 'PLAINTEXT' },
      { name: 'C', value: '3', type: 'PLAINTEXT' },
    ]);
  });
});
