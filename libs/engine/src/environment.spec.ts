import { describe, expect, it } from '@jest/globals';
import type { Build } from '#core/build.js';
import { asBuildId, asProjectId } from '#core/ids.js';
import type { ProjectSource } from '#core/project.js';
import { newProjectSettings } from '#testing/factories.js';
import { builtInVariables, sourceFolder, type BuiltInFacts } from './environment.js';

/** codebuild-contract C10, for a build of a Git branch with a second source. */
describe('the variables of every build', () => {
  const build = (over: Partial<Build> = {}): Build =>
    ({
      id: asBuildId('0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f'),
      projectId: asProjectId('11111111-2222-4333-8444-555555555555'),
      projectName: 'shop',
      number: 42,
      initiator: 'ada',
      sourceVersion: 'main',
      settings: newProjectSettings({
        source: { type: 'GIT', location: 'https://ci:hush@git.example/shop.git' },
        encryptionKey: 'alias/artifacts',
      }),
      queuedAt: new Date(1_000),
      startedAt: new Date(2_000),
      ...over,
    }) as Build;
  const second: ProjectSource = { type: 'GIT', location: 'https://git.example/tools.git', sourceIdentifier: 'tools' };
  const variables = (over: Partial<BuiltInFacts> = {}): Record<string, string> =>
    Object.fromEntries(
      builtInVariables({
        build: build(),
        buildUrl: 'https://kilnyard.example/b/42',
        sourceDir: '/codebuild/output/src0/src',
        resolvedSourceVersion: 'c0ffee',
        secondary: [{ identifier: 'tools', dir: '/codebuild/output/src1/src', source: second, version: 'v2' }],
        home: '/root',
        ...over,
      }).map(({ name, value }) => [name, value]),
    );

  it('are these, and no credential is in them', () => {
    expect(variables()).toEqual({
      CODEBUILD_BATCH_BUILD_IDENTIFIER: '',
      CODEBUILD_BUILD_ARN: 'arn:aws:codebuild:local:000000000000:build/shop:0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f',
      CODEBUILD_BUILD_ID: 'shop:0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f',
      CODEBUILD_BUILD_IMAGE: 'kilnyard/standard:1.0',
      CODEBUILD_BUILD_NUMBER: '42',
      CODEBUILD_BUILD_URL: 'https://kilnyard.example/b/42',
      CODEBUILD_CI: 'true',
      CODEBUILD_INITIATOR: 'ada',
      CODEBUILD_KMS_KEY_ID: 'alias/artifacts',
      CODEBUILD_LOG_PATH: '0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f',
      CODEBUILD_PROJECT_ARN: 'arn:aws:codebuild:local:000000000000:project/shop',
      CODEBUILD_PROJECT_UUID: '11111111-2222-4333-8444-555555555555',
      CODEBUILD_PUBLIC_BUILD_URL: '',
      CODEBUILD_RESOLVED_SOURCE_VERSION: 'c0ffee',
      CODEBUILD_SOURCE_REPO_URL: 'https://git.example/shop.git',
      CODEBUILD_SOURCE_REPO_URL_tools: 'https://git.example/tools.git',
      CODEBUILD_SOURCE_VERSION: 'main',
      CODEBUILD_SOURCE_VERSION_tools: 'v2',
      CODEBUILD_SRC_DIR: '/codebuild/output/src0/src',
      CODEBUILD_SRC_DIR_tools: '/codebuild/output/src1/src',
      CODEBUILD_START_TIME: '2000',
      HOME: '/root',
    });
  });

  it('of a build without source or version are empty or absent', () => {
    const { source: _, ...settings } = newProjectSettings();
    const bare = build({ sourceVersion: null, settings: { ...settings, source: { type: 'NO_SOURCE' } } });
    const found = variables({ build: bare, resolvedSourceVersion: undefined, secondary: [] });
    expect(found).toMatchObject({
      CODEBUILD_KMS_KEY_ID: '',
      CODEBUILD_SOURCE_REPO_URL: '',
      CODEBUILD_SOURCE_VERSION: '',
    });
    expect(found).not.toHaveProperty('CODEBUILD_RESOLVED_SOURCE_VERSION');
  });

  it('name the commit where no version was asked for', () => {
    expect(variables({ build: build({ sourceVersion: null }) })).toMatchObject({ CODEBUILD_SOURCE_VERSION: 'c0ffee' });
  });
});

describe('the source folder', () => {
  it.each([
    [
      'a GitHub repository has its name in it',
      'GITHUB',
      'https://github.com/octo/hello-world.git',
      /^src\d{10}\/src\/github\.com\/octo\/hello-world$/,
    ],
    ['over ssh too', 'GITHUB', 'git@github.com:octo/hello.git', /^src\d{10}\/src\/github\.com\/octo\/hello$/],
    ['another host has not', 'GIT', 'https://git.example/a/b.git', /^src\d{10}\/src$/],
    ['dots lead nowhere', 'GITHUB', 'https://github.com/../..', /^src\d{10}\/src$/],
    ['nothing at all', 'NO_SOURCE', undefined, /^src\d{10}\/src$/],
  ] as const)('%s', (_, type, location, expected) => {
    expect(sourceFolder('demo', { type, location })).toMatch(expected);
  });

  it('is the same for every build of a project and source, and another for another', () => {
    const one = sourceFolder('demo', { type: 'NO_SOURCE' });
    expect(sourceFolder('demo', { type: 'NO_SOURCE' })).toBe(one);
    expect(sourceFolder('other', { type: 'NO_SOURCE' })).not.toBe(one);
    expect(sourceFolder('demo', { type: 'NO_SOURCE', sourceIdentifier: 'second' })).not.toBe(one);
  });
});
