import { describe, expect, it } from '@jest/globals';
import type { ClaimedBuild } from '#core/build.js';
import { Fault } from '#core/errors.js';
import { asBuildId, asWorkerId } from '#core/ids.js';
import { SILENT } from '#observe/logger.js';
import type { HeldBuild } from '#store/adopt.js';
import { Adoption, type AdoptionOptions } from './adoption.js';
import type { Sign } from './liveness.js';

const ID = asBuildId('0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f');
const LEASE_MS = 45_000;
const held = (over: Partial<HeldBuild> = {}): HeldBuild => ({
  buildId: ID,
  attempt: 1,
  workerId: asWorkerId('other'),
  expiredMs: -10_000,
  ...over,
});
const alive = (...runs: string[]): Sign => ({ state: 'alive', runs: new Set(runs) });
const MINE = `${ID}/1`;

function setUp(found: HeldBuild[], sign: Sign, over: Partial<AdoptionOptions> = {}) {
  const asked: { evenHeld: boolean }[] = [];
  const taken: string[] = [];
  const adoption = new Adoption({
    workerId: asWorkerId('me'),
    host: 'here',
    leaseMs: LEASE_MS,
    builds: {
      heldOnHost: async () => found,
      adopt: async ({ evenHeld, buildId }: { evenHeld: boolean; buildId: string }) => {
        asked.push({ evenHeld });
        return { lease: { buildId } } as unknown as ClaimedBuild;
      },
    } as unknown as AdoptionOptions['builds'],
    listener: { onReleased: () => () => undefined } as unknown as AdoptionOptions['listener'],
    liveness: { ask: async () => sign } as unknown as AdoptionOptions['liveness'],
    logger: SILENT,
    owns: () => false,
    take: ({ lease }) => taken.push(lease.buildId),
    mayTake: () => true,
    ...over,
  });
  return { adoption, asked, taken };
}

describe('a build of this host is adopted', () => {
  it.each<[string, HeldBuild, Sign, boolean]>([
    ['at once when its worker is gone, though its lease holds', held(), { state: 'gone' }, true],
    ['when its worker is stopped and the lease ran out', held({ expiredMs: 1 }), { state: 'silent' }, false],
    ['when its worker let it go', held({ expiredMs: 1 }), alive(), false],
    [
      'when its worker lives but could not renew for as long again',
      held({ expiredMs: LEASE_MS + 1 }),
      alive(MINE),
      false,
    ],
    [
      'when it is this worker’s own and was dropped',
      held({ workerId: asWorkerId('me'), expiredMs: 1 }),
      alive(MINE),
      false,
    ],
  ])('%s', async (_, build, sign, evenHeld) => {
    const { adoption, asked, taken } = setUp([build], sign);
    await adoption.look();
    expect(asked).toEqual([{ evenHeld }]);
    expect(taken).toEqual([ID]);
  });

  it.each<[string, HeldBuild, Sign, Partial<AdoptionOptions>]>([
    ['while its worker is well', held(), alive(MINE), {}],
    ['while its worker is stopped within its lease', held(), { state: 'silent' }, {}],
    ['right after it was claimed, before its worker lists it', held(), alive(), {}],
    ['when its worker is late to renew', held({ expiredMs: 1_000 }), alive(MINE), {}],
    ['when this worker runs it', held({ expiredMs: 1 }), { state: 'gone' }, { owns: () => true }],
    ['while this worker takes nothing', held({ expiredMs: 1 }), { state: 'gone' }, { mayTake: () => false }],
  ])('not %s', async (_, build, sign, over) => {
    const { adoption, asked } = setUp([build], sign, over);
    await adoption.look();
    expect(asked).toEqual([]);
  });

  it('not from a live worker soon after the database was away for all', async () => {
    const { adoption, asked } = setUp([held({ expiredMs: LEASE_MS + 1 })], alive(MINE));
    const { builds } = (adoption as unknown as { options: { builds: { heldOnHost: () => unknown } } }).options;
    const heldOnHost = builds.heldOnHost;
    builds.heldOnHost = async () => {
      throw new Fault('DATABASE_UNAVAILABLE', 'away');
    };
    await adoption.look();
    builds.heldOnHost = heldOnHost;
    await adoption.look();
    expect(asked).toEqual([]);
  });
});
