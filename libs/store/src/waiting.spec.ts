// A build's place in the queue, held against a plain simulation of the pick.
import { describe, expect, it } from '@jest/globals';
import { type Competitor, positionOf } from './waiting.js';

const competitor = (over: Partial<Competitor>): Competitor => ({
  projectName: 'x',
  running: 0,
  limit: null,
  above: 0,
  same: 0,
  older: 0,
  ...over,
});

describe('positionOf', () => {
  it.each([
    ['alone', {}, [], 1],
    ['behind two of its own project', { same: 3, older: 2 }, [], 3],
    ['behind its own project’s higher priorities', { above: 4 }, [], 5],
    ['beside an idle project that has nothing older', {}, [{ same: 5, older: 0 }], 1],
    ['beside an idle project with an older build', {}, [{ same: 5, older: 5 }], 2],
    ['a flood of another project, first of its own', { running: 0 }, [{ same: 1000, older: 1000, running: 3 }], 1],
    ['its project runs two more than the other', { running: 2 }, [{ same: 10, older: 0, running: 0 }], 3],
    ['the other is at its limit', { running: 2 }, [{ same: 10, older: 10, running: 1, limit: 1 }], 1],
    ['the other may start one more', { running: 5 }, [{ same: 10, older: 10, running: 1, limit: 2 }], 2],
    ['higher priorities elsewhere', {}, [{ above: 3, same: 1, older: 0 }], 4],
  ])('%s', (_, own, others, position) => {
    const mine = competitor({ same: 1, ...own });
    expect(positionOf(mine, [mine, ...others.map((other) => competitor({ projectName: 'y', ...other }))])).toBe(
      position,
    );
  });
});
