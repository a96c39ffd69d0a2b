import { describe, expect, it } from '@jest/globals';
import { readRange } from './byte-range.js';

describe('readRange', () => {
  it.each([
    ['no header is the whole', undefined, 10, null],
    ['both ends', 'bytes=0-3', 10, { start: 0, end: 3 }],
    ['one byte', 'bytes=9-9', 10, { start: 9, end: 9 }],
    ['open end', 'bytes=4-', 10, { start: 4, end: 9 }],
    ['the last bytes', 'bytes=-3', 10, { start: 7, end: 9 }],
    ['more last bytes than there are', 'bytes=-30', 10, { start: 0, end: 9 }],
    ['an end behind the end is cut', 'bytes=4-99', 10, { start: 4, end: 9 }],
    ['several ranges are answered with the whole', 'bytes=0-1,3-4', 10, null],
    ['another unit is not ours', 'lines=0-1', 10, null],
    ['backwards is no range', 'bytes=5-2', 10, null],
    ['nothing on either side is no range', 'bytes=-', 10, null],
    ['signs are no digits', 'bytes=+1-2', 10, null],
  ])('%s', (_, header, size, expected) => {
    expect(readRange(header, size)).toEqual(expected);
  });

  it.each([
    ['a start at the end', 'bytes=10-', 10],
    ['the last no bytes', 'bytes=-0', 10],
    ['anything of nothing', 'bytes=0-', 0],
    ['the last bytes of nothing', 'bytes=-5', 0],
  ])('refuses %s', (_, header, size) => {
    expect(() => readRange(header, size)).toThrow(expect.objectContaining({ code: 'RANGE_NOT_SATISFIABLE' }));
  });
});
