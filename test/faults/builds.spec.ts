import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { RUN_LINE, buildCase, comparable } from './builds.js';
import { BUILD_KINDS } from './kinds.js';
import { linesOf, printLines } from './lines.js';

describe('numbered lines', () => {
  const run = { tag: 'b1', seed: 1, count: 4, pauseEvery: 2, pauseMs: 10, fill: 3 };

  it('each follows from the one before', () => {
    expect(linesOf(run)).toEqual([
      'b1 000000 0000016807 xxx',
      'b1 000001 0282475249 xxx',
      'b1 000002 1622650073 xxx',
      'b1 000003 0984943658 xxx',
    ]);
  });

  it.each([
    ['short', run],
    ['long, from the largest seed, without pause', { ...run, seed: 2 ** 31 - 2, count: 5_000, pauseEvery: 0, fill: 0 }],
  ])('the command prints the same: %s', (_reason, what) => {
    const printed = execFileSync('/bin/sh', ['-c', printLines(what)], { encoding: 'utf8' });
    expect(printed).toBe(`${linesOf(what).join('\n')}\n`);
  });
});

describe('builds', () => {
  it.each(BUILD_KINDS)('%s: begins with its run, and expects no line twice', (kind) => {
    const { expected, settings, project } = buildCase({ number: 3, kind, seed: 11 }, 'image:1');
    expect(project).toBe(`faults-${kind}-3`);
    expect(expected.output[0]).toBe(RUN_LINE);
    expect(expected.output.filter((line) => line === RUN_LINE)).toHaveLength(1);
    expect(JSON.stringify(settings)).toContain('random/uuid');
    expect(expected.statuses.length).toBeGreaterThan(0);
    if (expected.extent !== 'any') expect(new Set(expected.output).size).toBe(expected.output.length);
  });

  it('only what is random is taken out of a line', () => {
    expect(comparable('run 1b4e28ba-2fa1-11d2-883f-0016d3cca427')).toBe(RUN_LINE);
    expect(comparable('run 1b4e28ba')).toBe('run 1b4e28ba');
  });
});
