import { describe, expect, it } from '@jest/globals';
import { BOUNDED, USAGE, readArguments } from './arguments.js';
import { FAULT_KINDS } from './kinds.js';

const draw = () => 42;

describe('the command line', () => {
  it.each([
    [
      'nothing: ten minutes of a drawn seed',
      [],
      { seed: 42, builds: 120, faults: 80, minutes: 15, kinds: FAULT_KINDS },
    ],
    ['the bounded form: always the same', ['--bounded'], { ...BOUNDED, kinds: FAULT_KINDS }],
    ['another seed for the bounded form', ['--bounded', '--seed', '7'], { ...BOUNDED, seed: 7 }],
    ['numbers', ['--seed', '1', '--minutes', '2', '--builds', '3', '--faults', '0'], { seed: 1, builds: 3, faults: 0 }],
    ['one kind', ['--only', 'kill-api'], { kinds: ['kill-api'] }],
  ])('%s', (_reason, args, expected) => {
    expect(readArguments(args, draw)).toMatchObject(expected);
  });

  it.each([
    ['not a number', ['--seed', '0x1'], /--seed: expected a whole number, got "0x1"/],
    ['an unknown kind', ['--only', 'meteor'], /no fault meteor/],
    ['an unknown option', ['--sed', '1'], /--sed/],
  ])('refuses %s', (_reason, args, expected) => {
    expect(() => readArguments(args, draw)).toThrow(expected);
  });

  it('explains every kind', () => {
    expect(readArguments(['--help'], draw)).toBe('help');
    for (const kind of FAULT_KINDS) expect(USAGE).toContain(`  ${kind} `);
  });
});
