import { describe, expect, it } from '@jest/globals';
import { Fault } from '#core/errors.js';
import { asBuildId } from '#core/ids.js';
import { SILENT } from '#observe/logger.js';
import { RowUpkeep } from './row-upkeep.js';

const LEASE_MS = 45_000;
const IDS = ['a', 'b'].map(asBuildId);
const AWAY = new Fault('DATABASE_UNAVAILABLE', 'away', { retryable: true });

/** What a round did, in order. `fails` names calls that throw. */
function upkeep(over: { graceAtStart?: boolean; fails?: Record<string, Error>; claimable?: boolean } = {}) {
  const done: string[] = [];
  const fails = over.fails ?? {};
  const did = async <T>(what: string, out: T): Promise<T> => {
    const error = fails[what.split(' ')[0]!];
    if (error !== undefined) throw error;
    done.push(what);
    return out;
  };
  const rows = new RowUpkeep({
    builds: {
      expireQueued: () => did('expire', []),
      settleLost: (_, hostLostMs) => did(`settle ${hostLostMs}`, []),
      hasClaimable: () => did('ask', over.claimable ?? true),
      queuedIds: () => did('list', IDS),
    },
    queue: { add: (id) => did(`add ${id}`, undefined), wake: () => did('wake', undefined) },
    logger: SILENT,
    leaseMs: LEASE_MS,
    hostLostMs: 7,
    graceAtStart: over.graceAtStart ?? false,
  });
  const round = async (laterMs = 0): Promise<string[]> => {
    done.length = 0;
    await rows.round(new Date(Date.now() + laterMs));
    return [...done];
  };
  return { round, fails };
}

describe('a round', () => {
  it('does each part in order, and puts back what can start', async () => {
    expect(await upkeep().round()).toEqual(['expire', 'settle 7', 'ask', 'list', 'add a', 'add b', 'wake']);
    expect(await upkeep({ claimable: false }).round()).toEqual(['expire', 'settle 7', 'ask']);
  });

  it('settles nothing for as long as a lease after a start that may follow trouble', async () => {
    const { round } = upkeep({ graceAtStart: true, claimable: false });
    expect(await round()).toEqual(['expire', 'ask']);
    expect(await round(LEASE_MS + 1)).toEqual(['expire', 'settle 7', 'ask']);
  });

  it('settles nothing for as long as a lease after the database was away', async () => {
    const { round, fails } = upkeep({ claimable: false, fails: { expire: AWAY } });
    expect(await round()).toEqual(['ask']);
    delete fails['expire'];
    expect(await round()).toEqual(['expire', 'ask']);
    expect(await round(LEASE_MS + 1)).toEqual(['expire', 'settle 7', 'ask']);
  });

  it('goes on with the other parts when one fails, and a queue that is away is no trouble of the database', async () => {
    const { round } = upkeep({ fails: { add: new Fault('QUEUE_UNAVAILABLE', 'away', { retryable: true }) } });
    expect(await round()).toEqual(['expire', 'settle 7', 'ask', 'list']);
    expect(await round()).toContain('settle 7');
  });
});
