import { describe, expect, it } from '@jest/globals';
import { Refusal } from '#core/errors.js';
import type { BatchSpec } from './batch-spec.js';
import { MAX_BATCH_TASKS } from './limits.js';
import { describeFinding } from './findings.js';
import { parseBuildspec } from './parse.js';

const text = (...lines: string[]): string => ['version: 0.2', ...lines].join('\n');
const batch = (...lines: string[]): BatchSpec => parseBuildspec(text(...lines), 'batch').buildspec.batch!;
const refused = (...lines: string[]): string[] => {
  try {
    parseBuildspec(text(...lines), 'batch');
  } catch (error) {
    if (error instanceof Refusal) return error.findings.map(describeFinding);
    throw error;
  }
  throw new Error('expected a refusal, got a buildspec');
};

describe('a list and a graph', () => {
  it('give their tasks with every override, scalars as written', () => {
    const { kind, fastFail, tasks } = batch(
      'batch:',
      '  fast-fail: yes',
      '  build-graph:',
      '    - identifier: one',
      '      buildspec: one.yml',
      '      debug-session: true',
      '      ignore-failure: Yes',
      '      env: {compute-type: BUILD_GENERAL1_SMALL, image: "img:1", privileged-mode: no, type: LINUX_CONTAINER, variables: {V: 3.10}}',
      '    -',
      '    - identifier: two',
      '      depend-on: [one, three, one]',
      '      env: {fleet: fast}',
      '    - identifier: three',
    );
    expect([kind, fastFail]).toEqual(['build-graph', true]);
    const plain = { computeType: null, fleet: null, image: null, privilegedMode: null, type: null, variables: [] };
    expect(tasks).toEqual([
      {
        identifier: 'one',
        buildspec: 'one.yml',
        debugSession: true,
        dependOn: [],
        ignoreFailure: true,
        env: {
          ...{ computeType: 'BUILD_GENERAL1_SMALL', fleet: null, image: 'img:1', privilegedMode: false },
          ...{ type: 'LINUX_CONTAINER', variables: [{ name: 'V', value: '3.10' }] },
        },
        shard: null,
        place: { line: 5, column: 7 },
      },
      expect.objectContaining({ identifier: 'two', dependOn: ['one', 'three'], env: { ...plain, fleet: 'fast' } }),
      expect.objectContaining({ identifier: 'three', buildspec: null, ignoreFailure: false, env: plain }),
    ]);
  });

  it.each<[string, string[], string[]]>([
    [
      'no kind',
      ['batch: {fast-fail: true}'],
      [
        'batch: expected exactly one of build-list, build-graph, build-matrix, build-fanout, got none at line 2, column 8',
      ],
    ],
    [
      'two kinds',
      ['batch: {build-list: [{identifier: a}], build-fanout: {parallelism: 2}}'],
      [
        'batch: expected exactly one of build-list, build-graph, build-matrix, build-fanout, got build-list, build-fanout at line 2, column 8',
      ],
    ],
    ['no map', ['batch: x'], ['batch: expected a map, got x at line 2, column 8']],
    [
      'no tasks',
      ['batch: {build-list: []}'],
      ['batch.build-list: expected a list of tasks, got an empty list at line 2, column 21'],
    ],
    [
      'a task that is a text',
      ['batch: {build-list: [a]}'],
      ['batch.build-list[0]: expected a task (a map with an identifier), got a at line 2, column 22'],
    ],
    [
      'identifiers',
      [
        'batch:',
        '  build-list:',
        '  - identifier: a-b',
        '  - identifier: a',
        '  - identifier: a',
        '  - {}',
        '  - identifier: DOWNLOAD_SOURCE',
      ],
      [
        'batch.build-list[0].identifier: expected letters, digits and _, at most 128, got a-b at line 4, column 17',
        'batch.build-list[2].identifier: expected an identifier only once, got a at line 6, column 17',
        'batch.build-list[3].identifier: expected letters, digits and _, at most 128, got nothing at line 7, column 5',
        "batch.build-list[4].identifier: expected another name than DOWNLOAD_SOURCE, which is the batch's own, got DOWNLOAD_SOURCE at line 8, column 17",
      ],
    ],
    [
      'both of compute-type and fleet',
      ['batch:', '  build-list:', '  - identifier: a', '    env: {compute-type: X, fleet: f}'],
      ['batch.build-list[0].env.fleet: expected either compute-type or fleet, got both at line 5, column 35'],
    ],
    [
      'an unknown name',
      ['batch:', '  build-graph:', '  - {identifier: a, depend-on: [b]}'],
      ['batch.build-graph[0].depend-on: expected identifiers of tasks of the list, got b at line 4, column 32'],
    ],
    [
      'itself',
      ['batch:', '  build-graph:', '  - {identifier: a, depend-on: [a]}'],
      ['batch.build-graph[0].depend-on: expected no circle, got a -> a at line 4, column 32'],
    ],
    [
      'two circles, and one that only stands behind them',
      [
        'batch:',
        '  build-graph:',
        '  - {identifier: behind, depend-on: [b, d]}',
        '  - {identifier: a, depend-on: [c]}',
        '  - {identifier: b, depend-on: [root, a]}',
        '  - {identifier: c, depend-on: [b]}',
        '  - {identifier: d, depend-on: [e]}',
        '  - {identifier: e, depend-on: [d]}',
        '  - {identifier: root}',
      ],
      [
        'batch.build-graph[1].depend-on: expected no circle, got a -> c -> b -> a at line 5, column 32',
        'batch.build-graph[4].depend-on: expected no circle, got d -> e -> d at line 8, column 32',
      ],
    ],
  ])('refuse %s', (_, lines, findings) => {
    expect(refused(...lines)).toEqual(findings);
  });

  it('refuse more tasks than there may be', () => {
    const tasks = Array.from({ length: MAX_BATCH_TASKS + 1 }, (_, index) => `    - identifier: t${index}`);
    expect(refused('batch:', '  build-list:', ...tasks)).toEqual([
      expect.stringContaining(`got ${MAX_BATCH_TASKS + 1}`),
    ]);
  });

  it('leave out variables that no shell could hold, as real files have them', () => {
    const lines = [
      'batch:',
      '  build-list:',
      '  - identifier: a',
      '    env: {variables: {compute-type: x, CODEBUILD_X: y, OK: z}}',
    ];
    const { buildspec, warnings } = parseBuildspec(text(...lines), 'batch');
    expect(buildspec.batch?.tasks[0]?.env.variables).toEqual([{ name: 'OK', value: 'z' }]);
    expect(warnings.map(describeFinding)).toEqual([
      'batch.build-list[0].env.variables.compute-type: expected a name that a variable may have, got compute-type; it is left out at line 5, column 23',
      'batch.build-list[0].env.variables.CODEBUILD_X: expected a name that a variable may have, got CODEBUILD_X; it is left out at line 5, column 40',
    ]);
  });

  it('are only warned about where a build reads them, which does not use them', () => {
    const { buildspec, warnings } = parseBuildspec(text('batch: {build-list: [{identifier: a-b, colour: x}]}'));
    expect(buildspec.batch?.kind).toBe('build-list');
    expect(warnings.map(({ field }) => field).sort()).toEqual([
      'batch.build-list[0].colour',
      'batch.build-list[0].identifier',
    ]);
  });
});

describe('a matrix', () => {
  it('is the product of its lists, the last varying fastest, each with what is static', () => {
    const { tasks } = batch(
      'batch:',
      '  build-matrix:',
      '    static: {ignore-failure: true, env: {privileged-mode: true, type: LINUX_CONTAINER, variables: {S: s, B: base}}}',
      '    dynamic:',
      '      buildspec: [a.yml, b.yml]',
      '      env: {image: [x, y, x], variables: {B: [1, 2]}}',
    );
    expect(tasks.map(({ identifier }) => identifier)).toEqual(Array.from({ length: 8 }, (_, n) => `build${n}`));
    const shown = tasks.map(
      ({ buildspec, env }) => `${buildspec} ${env.image} ${env.variables.map((v) => v.name + v.value).join()}`,
    );
    expect(shown).toEqual([
      'a.yml x Ss,B1',
      'a.yml x Ss,B2',
      'a.yml y Ss,B1',
      'a.yml y Ss,B2',
      'b.yml x Ss,B1',
      'b.yml x Ss,B2',
      'b.yml y Ss,B1',
      'b.yml y Ss,B2',
    ]);
    for (const task of tasks) {
      expect([task.ignoreFailure, task.env.privilegedMode, task.env.type]).toEqual([true, true, 'LINUX_CONTAINER']);
    }
  });

  it.each<[string, string[], RegExp]>([
    [
      'nothing to multiply',
      ['batch: {build-matrix: {static: {ignore-failure: no}}}'],
      /dynamic: expected one list at least/,
    ],
    [
      'an empty list',
      ['batch: {build-matrix: {dynamic: {env: {image: []}}}}'],
      /image: expected one value at least, got an empty list/,
    ],
    [
      'a product that is too large, without making it',
      [
        'batch: {build-matrix: {dynamic: {env: {variables: {',
        ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('').map((n) => `    ${n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],`),
        '  }}}}}',
      ],
      /at most 1000 combinations .* got over a million/,
    ],
  ])('refuses %s', (_, lines, finding) => {
    expect(refused(...lines)).toContainEqual(expect.stringMatching(finding));
  });
});

describe('a fan-out', () => {
  it('is the same task so many times, each with its shard', () => {
    const { kind, tasks } = batch('batch: {build-fanout: {parallelism: 3, ignore-failure: true}}');
    expect(kind).toBe('build-fanout');
    expect(tasks.map(({ identifier, shard, ignoreFailure }) => [identifier, shard, ignoreFailure])).toEqual([
      ['build0', { index: 0, count: 3 }, true],
      ['build1', { index: 1, count: 3 }, true],
      ['build2', { index: 2, count: 3 }, true],
    ]);
  });

  it.each(['0', '-1', 'two', '1001', '1e3', '~'])('refuses parallelism %s', (parallelism) => {
    expect(refused(`batch: {build-fanout: {parallelism: ${parallelism}}}`)).toEqual([
      expect.stringContaining('parallelism: expected a number from 1 to 1000'),
    ]);
  });
});
