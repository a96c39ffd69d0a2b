import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { MAX_PARTS, partBytes, partsOf } from './s3-parts.js';

async function cut(pieces: string[], size: number): Promise<{ parts: string[]; whole: object }> {
  const parts: string[] = [];
  const all = partsOf(
    (async function* () {
      yield* pieces;
    })(),
    () => size,
  );
  for (;;) {
    const next = await all.next();
    if (next.done === true) return { parts, whole: next.value };
    parts.push(next.value.toString());
  }
}

describe('partsOf', () => {
  it.each([
    { pieces: [], parts: [], why: 'nothing' },
    { pieces: ['abc'], parts: ['abc'], why: 'less than a part' },
    { pieces: ['ab', 'cd'], parts: ['abcd'], why: 'exactly one part, and no empty one after it' },
    { pieces: ['a', 'b', 'c', 'd', 'e'], parts: ['abcd', 'e'], why: 'small pieces are put together' },
    { pieces: ['abcdefghij'], parts: ['abcd', 'efgh', 'ij'], why: 'a large piece is cut' },
    { pieces: ['abc', 'defgh', 'ij'], parts: ['abcd', 'efgh', 'ij'], why: 'cuts do not follow pieces' },
  ])('$why', async ({ pieces, parts }) => {
    const text = pieces.join('');
    const hash = (algorithm: string): string => createHash(algorithm).update(text).digest('hex');
    expect(await cut(pieces, 4)).toEqual({
      parts,
      whole: { sizeBytes: text.length, sha256: hash('sha256'), md5: hash('md5') },
    });
  });
});

describe('partBytes', () => {
  it('holds 0.8 TiB in the parts that S3 allows, none below its smallest', () => {
    let sum = 0;
    for (let n = 1; n <= MAX_PARTS; n += 1) {
      expect(partBytes(n)).toBeGreaterThanOrEqual(5 * 2 ** 20);
      sum += partBytes(n);
    }
    expect(sum).toBeGreaterThan(0.8 * 2 ** 40);
  });
});
