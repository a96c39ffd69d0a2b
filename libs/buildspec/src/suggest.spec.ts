import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { closest, suggestKey } from './suggest.js';

const KEYS = ['commands', 'finally', 'run-as', 'on-failure'];

describe('closest', () => {
  it.each<[string, string | null, string]>([
    ['comands', 'commands', 'one missing'],
    ['commmands', 'commands', 'one too many'],
    ['commadns', 'commands', 'two swapped'],
    ['command', 'commands', 'the end missing'],
    ['Finally', 'finally', 'another case'],
    ['run_as', 'run-as', 'another hyphen'],
    ['onFailure', 'on-failure', 'written together'],
    ['on-fail', 'on-failure', 'the beginning alone'],
    ['fi', null, 'a beginning too short'],
    ['cnds', null, 'too little left'],
    ['script', null, 'another word'],
    ['', null, 'nothing'],
    ['x'.repeat(65), null, 'too long to compare'],
  ])('%s is %s: %s', (word, known) => {
    expect(closest(word, KEYS)).toBe(known);
  });

  it('gives a known word for itself, and only known words', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), fc.string({ maxLength: 70 }), (key, word) => {
        expect(closest(key, KEYS)).toBe(key);
        expect([...KEYS, null]).toContain(closest(word, KEYS));
      }),
    );
  });
});

describe('suggestKey', () => {
  it.each([
    ['', 'commands', 'phases.build.commands'],
    ['phases.build', 'comands', 'commands'],
    ['phases', 'cache', 'cache'],
    ['env', '__proto__', null],
    ['', 'constructor', null],
  ])('in %j, for %s: %s', (section, key, suggestion) => {
    expect(suggestKey(section, key, section === 'phases.build' ? KEYS : ['version', 'env'])).toBe(suggestion);
  });
});
