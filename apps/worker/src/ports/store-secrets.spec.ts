import { expect, it } from '@jest/globals';
import type { Clock } from '#core/clock.js';
import { Fault } from '#core/errors.js';
import type { ParametersStore } from '#store/parameters.store.js';
import type { SecretsStore } from '#store/secrets.store.js';
import { StoreSecrets } from './store-secrets.js';
import { whileAway } from './while-away.js';

it('a value is read again while the database is away, and no build ends for that', async () => {
  let nowMs = 0;
  const clock = { now: () => new Date(nowMs), sleep: async (ms: number) => void (nowMs += ms) } as Clock;
  let away = 3;
  const value = async (): Promise<string> => {
    away -= 1;
    if (away >= 0) throw new Fault('DATABASE_UNAVAILABLE', 'away', { retryable: true });
    return 'the value';
  };
  const store = { value } as unknown as ParametersStore & SecretsStore;
  const secrets = new StoreSecrets(store, store, (read) => whileAway(clock, 10_000, read));
  expect(await secrets.parameter('name')).toBe('the value');
  away = Infinity;
  await expect(secrets.secret('name')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  expect(nowMs).toBeGreaterThan(10_000);
});
