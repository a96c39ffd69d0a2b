import { describe, expect, it } from '@jest/globals';
import { Fault } from '#core/errors.js';
import { SILENT } from '#observe/logger.js';
import { RowUpkeep } from './row-upkeep.js';

const LEASE_MS = 45_000;
const FULL = new Fault('STORAGE_FULL', 'full', { retryable: true, details: { disk: 'database' } });
const AWAY = new Fault('DATABASE_UNAVAILABLE', 'away', { retryable: true });

/** What a round did, in order. `fails` names calls that throw. */
function upkeep(over: { graceAtStart?: boolean; fails?: Record<string, Error> } = {}) {
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
    },
    batches: {
      expire: () => did('batches', []),
      mend: () => did('mend', { stopped: [], settled: [] }),
    },
    logger: SILENT,
    leaseMs: LEASE_MS,
    hostLostMs: 7,
    graceAtStart: over.graceAtStart ?? false,
  });
  const round = async (laterMs = 0, lateMs = 0): Promise<string[]> => {
    done.length = 0;
    await rows.round(lateMs, new Date(Date.now() + laterMs));
    return [...done];
  };
  return { round, fails };
}

describe('a round', () => {
  it('does each part in order', async () => {
    expect(await upkeep().round()).toEqual(['expire', 'batches', 'mend', 'settle 7']);
  });

  it('settles nothing for as long as a lease after a start that may follow trouble', async () => {
    const { round } = upkeep({ graceAtStart: true });
    expect(await round()).toEqual(['expire', 'batches', 'mend']);
    expect(await round(LEASE_MS + 1)).toEqual(['expire', 'batches', 'mend', 'settle 7']);
  });

  it.each([
    ['was away', AWAY],
    ['was full', FULL],
  ])('settles nothing for as long as a lease after the database %s', async (_, trouble) => {
    const { round, fails } = upkeep({ fails: { expire: trouble } });
    expect(await round()).toEqual(['batches', 'mend']);
    delete fails['expire'];
    expect(await round()).toEqual(['expire', 'batches', 'mend']);
    expect(await round(LEASE_MS + 1)).toEqual(['expire', 'batches', 'mend', 'settle 7']);
  });

  it('settles nothing for as long as a lease after it came much too late, as on a machine that slept', async () => {
    const { round } = upkeep();
    expect(await round(0, LEASE_MS)).toEqual(['expire', 'batches', 'mend', 'settle 7']);
    expect(await round(0, LEASE_MS + 1)).toEqual(['expire', 'batches', 'mend']);
    expect(await round(LEASE_MS + 1)).toEqual(['expire', 'batches', 'mend', 'settle 7']);
  });

  it('goes on with the other part when one fails for another reason', async () => {
    const { round } = upkeep({ fails: { expire: new Fault('INTERNAL', 'a bug') } });
    expect(await round()).toEqual(['batches', 'mend', 'settle 7']);
  });
});
