import { describe, expect, it } from '@jest/globals';
import { utf8Cut } from './utf8.js';

describe('utf8Cut', () => {
  it.each([
    ['plain text', 'abc', 3, 3],
    ['behind a whole sequence', 'aé', 3, 3],
    ['inside one of two', 'aé', 2, 1],
    ['inside one of three, behind the first', 'a€', 2, 1],
    ['inside one of three, behind the second', 'a€', 3, 1],
    ['inside one of four, behind the third', 'a😀', 4, 1],
    ['behind one of four', 'a😀', 5, 5],
    ['at the beginning', 'é', 0, 0],
    ['only the beginning of a sequence', '😀', 3, 0],
  ])('%s', (_reason, text, end, expected) => {
    expect(utf8Cut(Buffer.from(text), end)).toBe(expected);
  });

  it.each([
    ['bytes that begin nothing', [0x61, 0xff], 2, 2],
    ['an overlong beginning', [0x61, 0xc0], 2, 2],
    ['continuations alone', [0x80, 0x80, 0x80, 0x80], 4, 4],
    ['continuations in front of a beginning', [0x80, 0xe2], 2, 1],
  ])('%s', (_reason, bytes, end, expected) => {
    expect(utf8Cut(Buffer.from(bytes), end)).toBe(expected);
  });
});
