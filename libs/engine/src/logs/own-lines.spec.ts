import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OwnLines } from './own-lines.js';

function through(...pieces: string[]): string {
  const lines = new OwnLines();
  return Buffer.concat([...pieces.map((piece) => lines.push(Buffer.from(piece, 'latin1'))), lines.end()]).toString(
    'latin1',
  );
}

describe("the script's own lines", () => {
  it.each([
    ['after a whole line nothing is added', 'a\n\x1e[Container] b\n', 'a\n[Container] b\n'],
    ['after a line without an end they begin a new one', 'a\x1e[Container] b\n', 'a\n[Container] b\n'],
    ['at the very beginning', '\x1e[Container] b\n', '[Container] b\n'],
    ['two in a row', '\x1e[Container] a\n\x1e[Container] b\n', '[Container] a\n[Container] b\n'],
    ['another mark stays as it is', 'a\x1eb\x1e[Cont', 'a\x1eb\x1e[Cont'],
  ])('%s', (_, input, output) => {
    expect(through(input)).toBe(output);
  });

  it('come out the same wherever the bytes are cut', () => {
    const text = fc.array(fc.constantFrom('\x1e[Container] x\n', 'a', '\n', '\x1e', '[Container] ', '\x1e[Con'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(text, fc.array(fc.nat(200), { maxLength: 6 }), (words, cuts) => {
        const whole = words.join('');
        const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end));
        expect(through(...pieces)).toBe(through(whole));
      }),
    );
  });
});
