import { describe, expect, it } from '@jest/globals';
import { cursorAt, lineId, readPosition, resumeAfter } from './log-position.js';

describe('places in a log', () => {
  it.each([
    ['0', { attempt: 1, seq: 1 }],
    ['41', { attempt: 1, seq: 42 }],
    ['2:41', { attempt: 2, seq: 42 }],
    ['0:41', null],
    ['2:', null],
    [':2', null],
    ['1:2:3', null],
    ['-1', null],
    ['1e3', null],
    ['1.5', null],
    ['x', null],
    ['', null],
    ['9'.repeat(30), null],
  ])('after %s comes %j', (id, next) => {
    expect(resumeAfter(id)).toEqual(next);
  });

  it('are read as they are written', () => {
    for (const place of [
      { attempt: 1, seq: 0 },
      { attempt: 12, seq: 345 },
    ]) {
      expect(readPosition(cursorAt(place))).toEqual(place);
      expect(resumeAfter(lineId(place))).toEqual({ ...place, seq: place.seq + 1 });
    }
    expect([lineId({ attempt: 1, seq: 7 }), lineId({ attempt: 2, seq: 7 })]).toEqual(['7', '2:7']);
    expect(readPosition('7')).toEqual({ seq: 7 });
  });
});
