import { describe, expect, it } from '@jest/globals';
import { matchesError } from './error-match.js';

const MESSAGE = 'Error while executing command: npm ci. Reason: exit status 254';

describe('a pattern of on-failure', () => {
  it.each([
    ['a part of the message', 'exit status 25', true],
    ['a pattern, found anywhere', 'npm (ci|install)\\. Reason', true],
    ['the whole of it', '^Error.*254$', true],
    ['another status', 'exit status 1$', false],
    ['another case', 'NPM CI', false],
    ['another case with (?i)', '(?i)NPM CI', true],
    ['no pattern at all', '(', null],
    ['one that JavaScript does not know', '(?P<a>x)', null],
  ])('%s', (_, pattern, matches) => {
    expect(matchesError(pattern, MESSAGE)).toBe(matches);
  });

  it('that takes for ever is given up', () => {
    expect(matchesError('^(a+)+$', `${'a'.repeat(60)}!`)).toBeNull();
  });

  it('sees the beginning and the end of a message of any length', () => {
    const long = `begin ${'x'.repeat(1_000_000)} end`;
    expect([matchesError('^begin', long), matchesError(' end$', long)]).toEqual([true, true]);
  });
});
