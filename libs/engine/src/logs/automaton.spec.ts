import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Automaton } from './automaton.js';

/** What a match at each end must be, found the slow way. */
function longestEnds(text: Buffer, sequences: Buffer[]): [number, number][] {
  const found: [number, number][] = [];
  for (let end = 1; end <= text.length; end += 1) {
    const lengths = sequences
      .map((s) => s.length)
      .filter((length, index) => {
        return length <= end && text.subarray(end - length, end).equals(sequences[index]!);
      });
    if (lengths.length > 0) found.push([end, Math.max(...lengths)]);
  }
  return found;
}

const bytesOf = (alphabet: number[], min: number, max: number) =>
  fc.array(fc.constantFrom(...alphabet), { minLength: min, maxLength: max }).map((bytes) => Buffer.from(bytes));

describe('Automaton', () => {
  it.each([
    ['letters that repeat', [97, 98], 1],
    ['letters that repeat, no short sequences: dense states', [97, 98], 4],
    ['bytes at the edges', [0, 127, 128, 255], 3],
  ])('finds the longest match at every end: %s', (_reason, alphabet, shortest) => {
    fc.assert(
      fc.property(
        fc.array(bytesOf(alphabet, shortest, 9), { minLength: 1, maxLength: 8 }),
        bytesOf(alphabet, 0, 60),
        fc.nat(60),
        (sequences, text, cut) => {
          const automaton = new Automaton(sequences);
          const found: [number, number][] = [];
          const hear = (end: number, length: number) => void found.push([end, length]);
          const middle = Math.min(cut, text.length);
          const state = automaton.scan(text, 0, middle, 0, hear);
          automaton.scan(text, middle, text.length, state, hear);
          expect(found).toEqual(longestEnds(text, sequences));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('tells how long the tail is that a sequence begins with', () => {
    const automaton = new Automaton([Buffer.from('abcabd'), Buffer.from('cabx')]);
    const depthAfter = (text: string) =>
      automaton.depthOf(automaton.scan(Buffer.from(text), 0, text.length, 0, () => {}));
    expect(['', 'x', 'a', 'abcab', 'abcabc', 'zcab', 'abcabd'].map(depthAfter)).toEqual([0, 0, 1, 5, 3, 3, 6]);
  });

  it('tells all 256 bytes apart', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const automaton = new Automaton([all]);
    const ends: number[] = [];
    automaton.scan(Buffer.concat([all, all.subarray(0, 255), Buffer.of(0)]), 0, 512, 0, (end) => ends.push(end));
    expect(ends).toEqual([256]);
  });

  it('stays small for long sequences', () => {
    const long = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7919) % 251));
    expect(new Automaton([long]).sizeBytes).toBeLessThan(3_000_000);
  });
});
