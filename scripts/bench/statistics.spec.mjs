import { describe, expect, it } from '@jest/globals';
import { inTurns, median, meets, percentile, summary } from './statistics.mjs';

const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

describe('percentile, by nearest rank', () => {
  it.each([
    ['one sample is every percentile', [7], 0.99, 7],
    ['of a hundred the 99th', upTo(100), 0.99, 99],
    ['of fewer than a hundred the largest', upTo(99), 0.99, 99],
    ['of two hundred the 198th', upTo(200), 0.99, 198],
    ['the order does not matter', [9, 1, 5], 0.5, 5],
    ['numbers, not texts, are compared', [100, 9, 20], 0.3, 9],
    ['all of them', [3, 1, 2], 1, 3],
    ['a share that is no round binary number', upTo(10), 0.7, 7],
  ])('%s', (_, samples, share, expected) => {
    expect(percentile(samples, share)).toBe(expected);
  });

  it.each([
    ['no samples', [], 0.5],
    ['a share of nothing', [1], 0],
    ['a share above all', [1], 1.01],
    ['no number', [1], Number.NaN],
  ])('refuses %s', (_, samples, share) => {
    expect(() => percentile(samples, share)).toThrow(RangeError);
  });
});

describe('median', () => {
  it.each([
    ['the middle one', [9, 1, 5], 5],
    ['the mean of two in the middle', [4, 1, 3, 2], 2.5],
    ['numbers, not texts, are compared', [100, 9, 20], 20],
  ])('%s', (_, samples, expected) => {
    expect(median(samples)).toBe(expected);
  });

  it('leaves the samples as they were', () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it('refuses no samples', () => {
    expect(() => median([])).toThrow('at least one sample');
  });
});

describe('summary', () => {
  it('tells count, median, p99 and the ends', () => {
    expect(summary(upTo(200))).toEqual({ count: 200, median: 100.5, p99: 198, min: 1, max: 200 });
  });

  it('refuses a sample that is no number: a row must not look measured when it was not', () => {
    expect(() => summary([1, Number.NaN])).toThrow('got NaN');
    expect(() => summary([1, undefined])).toThrow('got undefined');
  });
});

describe('meets', () => {
  it.each([
    ['at most, on the line', 0.15, { atMost: 0.15 }, true],
    ['at most, above', 0.151, { atMost: 0.15 }, false],
    ['at least, on the line', 2, { atLeast: 2 }, true],
    ['at least, below', 1.99, { atLeast: 2 }, false],
    ['no target', 5, undefined, null],
  ])('%s', (_, value, target, expected) => {
    expect(meets(value, target)).toBe(expected);
  });

  it('refuses a target that says neither', () => {
    expect(() => meets(1, {})).toThrow(RangeError);
  });
});

describe('inTurns', () => {
  it('alternates the order, counts no warm-up, and pauses before each', async () => {
    const order = [];
    const way = (name) => async (round) => {
      order.push(`${name}${round}`);
      return round;
    };
    let pauses = 0;
    const samples = await inTurns({
      ways: { a: way('a'), b: way('b') },
      rounds: 3,
      warmUps: 1,
      between: async () => void (pauses += 1),
    });
    expect(order).toEqual(['b-1', 'a-1', 'a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(samples).toEqual({ a: [0, 1, 2], b: [0, 1, 2] });
    expect(pauses).toBe(8);
  });

  it('passes an error on', async () => {
    const broken = async () => {
      throw new Error('the engine went away');
    };
    await expect(inTurns({ ways: { broken }, rounds: 1 })).rejects.toThrow('the engine went away');
  });
});
