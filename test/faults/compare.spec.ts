import { describe, expect, it } from '@jest/globals';
import { RUN_LINE } from './builds.js';
import { bytesOf, ownOutput, ranTwice, wrongOutput, wrongReading } from './compare.js';

const lines = (...texts: string[]) => texts.map((text, seq) => ({ seq, stream: 'stdout', text }));

describe('the output of a log', () => {
  it('is without the system’s lines, with cut lines put together', () => {
    const log = [
      { seq: 0, stream: 'system', text: '[Container] begin' },
      { seq: 1, stream: 'stdout', text: 'one ', continues: true as const },
      { seq: 2, stream: 'stdout', text: 'two' },
      { seq: 3, stream: 'stdout', text: '' },
    ];
    expect(ownOutput(log)).toEqual(['one two', '']);
    expect(bytesOf(log).toString()).toBe('[Container] begin\none two\n\n');
  });

  it.each([
    ['is the expected one', 'whole', ['a', 'b'], ['a', 'b'], null],
    ['misses its end', 'whole', ['a', 'b'], ['a'], /line 2 of 2: expected "b", got nothing/],
    ['misses a line in the middle', 'whole', ['a', 'b', 'c'], ['a', 'c'], /line 2 of 3/],
    ['has a line twice', 'whole', ['a', 'b'], ['a', 'a', 'b'], /line 2 of 2: expected "b", got "a"/],
    ['has more than it should', 'whole', ['a'], ['a', 'b'], /expected nothing, got "b"/],
    ['was ended', 'beginning', ['a', 'b', 'c'], ['a'], null],
    ['was ended in a line', 'beginning', ['a', 'bcd'], ['a', 'bc'], null],
    ['was ended, and misses a line before', 'beginning', ['a', 'b', 'c'], ['a', 'c'], /line 2/],
    ['has half a line in the middle', 'beginning', ['a', 'bcd', 'e'], ['a', 'bc', 'e'], /line 2/],
    ['was spoilt by its own build', 'any', ['a'], ['x'], null],
  ] as const)('%s', (_reason, extent, output, got, wrong) => {
    const found = wrongOutput({ output, extent }, [...got]);
    if (wrong === null) expect(found).toBeNull();
    else expect(found).toMatch(wrong);
  });

  it('has one run at most', () => {
    expect(ranTwice([RUN_LINE, 'a'])).toBeNull();
    expect(ranTwice([])).toBeNull();
    expect(ranTwice([RUN_LINE, 'a', RUN_LINE])).toMatch(/2 times/);
  });
});

describe('a reader', () => {
  it.each([
    ['got everything once', lines('a', 'b'), lines('a', 'b'), null],
    [
      'got one twice',
      lines('a', 'b'),
      [...lines('a', 'b'), lines('a', 'b')[1]!],
      /place 2: the log has line undefined/,
    ],
    ['missed one', lines('a', 'b', 'c'), lines('a', 'b', 'c').filter(({ seq }) => seq !== 1), /place 1/],
    ['got another text', lines('a'), lines('b'), /"a", the reader got 0 "b"/],
  ])('%s', (_reason, log, read, wrong) => {
    const found = wrongReading(log, read);
    if (wrong === null) expect(found).toBeNull();
    else expect(found).toMatch(wrong);
  });
});
