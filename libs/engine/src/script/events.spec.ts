// Lines of the events file that tell of pauses: a build can write any of them.
import { describe, expect, it } from '@jest/globals';
import { MAX_PAUSES, readEvent, resumeLine } from './events.js';

describe('readEvent', () => {
  it('reads a pause and its end', () => {
    expect(readEvent('pause 3 1700000000')).toEqual({ kind: 'pause', number: 3, at: new Date(1_700_000_000_000) });
    expect(readEvent(resumeLine(3, 'api'))).toEqual({ kind: 'resume', number: 3, by: 'api' });
  });

  it.each([
    ['no number', 'pause x 1700000000'],
    ['none', 'pause 0 1700000000'],
    ['too high a number', `pause ${MAX_PAUSES + 1} 1700000000`],
    ['no time', 'pause 1'],
    ['a time beyond all', 'pause 1 999999999999'],
    ['nobody', 'resume 1'],
    ['somebody unknown', 'resume 1 root'],
    ['a number that is none', 'resume 1e1 api'],
  ])('takes no pause with %s', (_, line) => {
    expect(readEvent(line)).toBeNull();
  });
});
