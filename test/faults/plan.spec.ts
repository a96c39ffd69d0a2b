import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS, readKinds } from './kinds.js';
import { WORKERS, makePlan } from './plan.js';
import { Random } from './random.js';

const request = { seed: 7, builds: 24, faults: 2 * FAULT_KINDS.length, kinds: FAULT_KINDS, maxOutageMs: 4_000 };

describe('a plan', () => {
  it('follows from its seed alone', () => {
    expect(makePlan(request)).toEqual(makePlan({ ...request }));
    expect(makePlan({ ...request, seed: 8 })).not.toEqual(makePlan(request));
  });

  it('has every kind equally often, and a build for each fault that needs its own', () => {
    const { builds, faults } = makePlan(request);
    for (const kind of FAULT_KINDS) expect(faults.filter((fault) => fault.kind === kind)).toHaveLength(2);
    for (const [fault, kind] of [
      ['kill-container', 'victim'],
      ['kill-attempt', 'retried'],
      ['full-disk', 'writer'],
      ['garbage', 'vandal'],
    ]) {
      const struck = faults.filter((planned) => planned.kind === fault).map(({ when }) => when.build);
      expect(struck.sort((a, b) => a - b)).toEqual(
        builds.filter((build) => build.kind === kind).map(({ number }) => number),
      );
    }
    expect(builds).toHaveLength(24 + 2 * 4);
  });

  it('puts each fault at a point of a build that there is, in order', () => {
    const { builds, faults } = makePlan(request);
    for (const { when, worker, forMs } of faults) {
      expect(builds[when.build - 1]?.number).toBe(when.build);
      expect(when.percent).toBeGreaterThanOrEqual(3);
      expect(when.percent).toBeLessThanOrEqual(95);
      expect([0, WORKERS - 1]).toContain(worker);
      expect(forMs).toBeLessThanOrEqual(request.maxOutageMs);
    }
    expect(faults.map(({ number }) => number)).toEqual(faults.map((_, index) => index + 1));
    expect(faults.map(({ when }) => when.build)).toEqual(faults.map(({ when }) => when.build).sort((a, b) => a - b));
  });

  it.each([
    ['no faults at all', { faults: 0 }, 24, 0],
    ['one kind alone', { kinds: ['kill-worker' as const], faults: 3 }, 24, 3],
    ['victims alone', { builds: 0, kinds: ['kill-container' as const], faults: 3 }, 3, 3],
  ])('may have %s', (_reason, over, builds, faults) => {
    const plan = makePlan({ ...request, ...over });
    expect([plan.builds.length, plan.faults.length]).toEqual([builds, faults]);
  });
});

describe('random numbers', () => {
  it('of a seed are always the same, on every machine', () => {
    const random = new Random(1);
    expect([random.whole(0, 999), random.whole(0, 999), random.whole(0, 999)]).toEqual([627, 2, 527]);
  });
  it('reach both ends', () => {
    const random = new Random(3);
    const drawn = new Set(Array.from({ length: 200 }, () => random.whole(-1, 1)));
    expect([...drawn].sort()).toEqual([-1, 0, 1]);
  });
  it('shuffle without loss', () => {
    expect(new Random(5).shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });
});

it('kinds are read from the command line, an unknown one is refused with those there are', () => {
  expect(readKinds('kill-worker, garbage')).toEqual(['kill-worker', 'garbage']);
  expect(() => readKinds('kill-wroker')).toThrow(/no fault kill-wroker; there are kill-worker, /);
});
