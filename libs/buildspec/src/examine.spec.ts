import { describe, expect, it } from '@jest/globals';
import { examineBuildspec } from './examine.js';

const examine = (...lines: string[]) => examineBuildspec(['version: 0.2', ...lines].join('\n'));

describe('examineBuildspec', () => {
  it('tells errors and warnings together, in the order of the text', () => {
    const { valid, findings, plan } = examine(
      'phases:',
      '  build:',
      '    comands: [make]',
      '    run-as: -x',
      '    finally: [x]',
      'cach: {}',
      'cache: []',
    );
    expect([valid, plan]).toEqual([false, null]);
    expect(findings.map(({ severity, field, line, column }) => [severity, field, line, column])).toEqual([
      ['warning', 'phases.build.comands', 4, 5],
      ['error', 'phases.build.run-as', 5, 13],
      ['warning', 'cach', 7, 1],
      ['error', 'cache', 8, 8],
    ]);
  });

  it('has the places also of what compile finds', () => {
    const { valid, findings } = examine('env:', '  shell: powershell.exe', '  color: red');
    expect(valid).toBe(false);
    expect(findings).toEqual([
      expect.objectContaining({ severity: 'warning', field: 'phases', line: 1 }),
      expect.objectContaining({ severity: 'error', field: 'env.shell', got: 'powershell.exe', line: 3, column: 10 }),
      expect.objectContaining({ severity: 'warning', field: 'env.color', line: 4, column: 3 }),
    ]);
  });

  it('tells what is no YAML, and what is too much', () => {
    expect(examine('a: [').findings).toEqual([expect.objectContaining({ severity: 'error', line: 2 })]);
    expect(examineBuildspec('x'.repeat(600_000)).findings).toEqual([
      { severity: 'error', field: '', expected: 'at most 524288 bytes (MAX_BUILDSPEC_BYTES)', got: '600000' },
    ]);
  });

  it('sums the plan up, without values of variables', () => {
    const { plan, findings } = examine(
      'run-as: builder',
      'env:',
      '  variables: {A: secret-text}',
      '  parameter-store: {B: /b}',
      '  secrets-manager: {A: s}',
      'phases:',
      '  post_build: {commands: [x], run-as: root}',
      '  install: {commands: [x, y], finally: [z], on-failure: CONTINUE}',
      'artifacts: {files: [a], secondary-artifacts: {s: {files: [b]}}}',
      'cache: {paths: [c], key: k}',
    );
    expect(findings).toEqual([expect.objectContaining({ severity: 'warning', field: 'env.variables.A' })]);
    expect(plan).toMatchObject({
      shell: 'sh',
      phases: [
        { phaseType: 'INSTALL', commands: 2, finally: 1, runAs: 'builder', onFailure: 'CONTINUE' },
        { phaseType: 'POST_BUILD', commands: 1, finally: 0, runAs: 'root', onFailure: 'DEFAULT' },
      ],
      variables: ['B', 'A'],
      artifacts: { files: ['a'] },
      secondaryArtifacts: [{ identifier: 's', files: ['b'] }],
      cache: { paths: ['c'], key: 'k' },
      batch: null,
    });
    expect(JSON.stringify(plan)).not.toContain('secret-text');
  });
});

describe('the batch of a summary', () => {
  it.each([
    ['build-list: [{identifier: a}, {identifier: b}]', 'build-list', [['a'], ['b']]],
    [
      'build-graph: [{identifier: a}, {identifier: b, depend-on: [a]}, {identifier: c, depend-on: [a, b]}]',
      'build-graph',
      [['a'], ['b', 'a'], ['c', 'a', 'b']],
    ],
    [
      'build-matrix: {dynamic: {env: {image: [x, y], variables: {V: [1, 2, 3]}}}}',
      'build-matrix',
      [['build0'], ['build1'], ['build2'], ['build3'], ['build4'], ['build5']],
    ],
    ['build-fanout: {parallelism: 2}', 'build-fanout', [['build0'], ['build1']]],
  ])('%s', (batch, kind, tasks) => {
    const summary = examine(`batch: {${batch}}`).plan?.batch;
    expect(summary?.kind).toBe(kind);
    expect(summary?.tasks.map(({ identifier, dependOn }) => [identifier, ...dependOn])).toEqual(tasks);
  });
});
