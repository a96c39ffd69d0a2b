import { describe, expect, it } from '@jest/globals';
import { compile } from '#buildspec/compile.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { BuildPlan } from '#buildspec/plan.js';
import { cachePaths, expansionTexts, wantedArtifacts } from './artifact-plan.js';
import { discoveryPattern, groupNameOf, wantedReports } from './report-plan.js';

describe('reports with variables', () => {
  const plan = planOf(
    'artifacts: {files: [$A]}',
    'cache: {paths: [$C]}',
    'reports: {$GROUP: {files: [$F, b.xml], base-directory: $D}, plain: {files: [c]}}',
  );
  const texts = expansionTexts(plan);
  const values = new Map(texts.map((text, index) => [index, text.replaceAll('$', 'value-of-')]));

  it('get their values, and take none from artifacts and caches', () => {
    expect(wantedReports(plan, texts, values)).toEqual([
      {
        group: 'value-of-GROUP',
        baseDirectory: 'value-of-D',
        files: ['value-of-F', 'b.xml'],
        format: 'JUNITXML',
        discardPaths: false,
      },
      { group: 'plain', baseDirectory: '.', files: ['c'], format: 'JUNITXML', discardPaths: false },
    ]);
    expect(wantedArtifacts(plan, values)[0]?.files).toEqual(['value-of-A']);
    expect(cachePaths(plan, values)).toEqual(['value-of-C']);
  });

  it('stay as written where their values were not asked for', () => {
    expect(wantedReports(plan, texts.slice(0, 3), values)[0]).toMatchObject({
      group: '$GROUP',
      files: ['$F', 'b.xml'],
    });
  });
});

describe('groupNameOf', () => {
  it.each([
    ['unit', 'app-unit'],
    ['arn:aws:codebuild:eu-west-1:123456789012:report-group/shared', 'shared'],
    ['arn:aws-cn:codebuild:cn-north-1:1:report-group/x.y_z', 'x.y_z'],
    ['', null],
    ['a/b', null],
    ['../x', null],
    ['with space', null],
    ['arn:aws:codebuild:eu-west-1:1:report-group/', null],
    ['x'.repeat(300), null],
  ])('%s', (written, name) => {
    expect(groupNameOf(written, 'app')).toBe(name);
  });
});

describe('discoveryPattern', () => {
  const off = { name: 'CODEBUILD_CONFIG_AUTO_DISCOVER', value: 'FALSE', type: 'PLAINTEXT' as const };
  const dir = { name: 'CODEBUILD_CONFIG_AUTO_DISCOVER_DIR', value: 'out/**/*', type: 'PLAINTEXT' as const };
  it('looks everywhere unless told where, or told not to', () => {
    expect(discoveryPattern(planOf(), [])).toBe('**/*');
    expect(discoveryPattern(planOf(), [dir])).toBe('out/**/*');
    expect(discoveryPattern(planOf(), [dir, off])).toBeNull();
    expect(discoveryPattern(planOf('env: {variables: {CODEBUILD_CONFIG_AUTO_DISCOVER: false}}'), [])).toBeNull();
    expect(discoveryPattern(planOf('env: {variables: {CODEBUILD_CONFIG_AUTO_DISCOVER: true}}'), [off])).toBeNull();
  });
});

function planOf(...lines: string[]): BuildPlan {
  return compile(parseBuildspec(['version: 0.2', 'phases: {build: {commands: [x]}}', ...lines].join('\n')).buildspec);
}
