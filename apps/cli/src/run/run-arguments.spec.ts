import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../command.js';
import { readRunArguments } from './run-arguments.js';

describe('arguments of kilnyard run', () => {
  it('has a default for all', () => {
    expect(readRunArguments([])).toEqual({
      source: '.',
      secondarySources: [],
      variables: [],
      computeType: 'BUILD_GENERAL1_SMALL',
      timeoutMinutes: 60,
      privileged: false,
      pull: false,
    });
  });

  it('takes what CodeBuild’s local agent takes by the same letters', () => {
    const args = ['-i', 'image:1', '-a', 'out', '-b', 'ci.yml', '-s', 'app', '-s', 'lib:../lib', '-e', 'my.env'];
    expect(readRunArguments(args)).toMatchObject({
      image: 'image:1',
      artifacts: 'out',
      buildspec: 'ci.yml',
      source: 'app',
      secondarySources: [{ identifier: 'lib', dir: '../lib' }],
      variables: [{ file: 'my.env' }],
    });
  });

  it('keeps variables and files in the order in which they came', () => {
    const { variables } = readRunArguments(['-e', 'A=1', '-e', 'x.env', '--env', 'A=b=c', '-e', './A=1', '-e', 'E=']);
    expect(variables).toEqual([
      { name: 'A', value: '1' },
      { file: 'x.env' },
      { name: 'A', value: 'b=c' },
      { file: './A=1' },
      { name: 'E', value: '' },
    ]);
  });

  it('takes a folder with a colon in its name by a path', () => {
    expect(readRunArguments(['-s', './a:b'])).toMatchObject({ source: './a:b', secondarySources: [] });
  });

  it.each([
    [['-s', 'a', '-s', 'b'], 'expected one primary source, got a and b'],
    [['-s', 'x:a', '-s', 'x:b'], 'expected one source x, got several'],
    [Array.from({ length: 13 }, (_, n) => ['-s', `s${n}:d`]).flat(), 'expected at most 12 secondary sources, got 13'],
    [['--compute-type', 'LARGE'], 'expected one of BUILD_GENERAL1_SMALL'],
    [['--timeout', '0'], 'expected a timeout of 1 to 2160 minutes, got 0'],
    [['--timeout', '1.5'], 'expected a timeout of 1 to 2160 minutes, got 1.5'],
    [['--project', 'a b'], 'expected a project name'],
    [['-a', ''], '--artifacts is empty'],
  ])('%j is refused', (args, message) => {
    expect(() => readRunArguments(args)).toThrow(UsageError);
    expect(() => readRunArguments(args)).toThrow(message);
  });

  it.each([[['build']], [['--unknown']], [['-i']]])('%j is no way to ask', (args) => {
    expect(() => readRunArguments(args)).toThrow(
      expect.objectContaining({ code: expect.stringContaining('PARSE_ARGS') }),
    );
  });
});
