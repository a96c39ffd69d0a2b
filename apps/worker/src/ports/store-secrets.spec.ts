import { describe, expect, it } from '@jest/globals';
import type { Clock } from '#core/clock.js';
import { Fault } from '#core/errors.js';
import type { ParametersStore } from '#store/parameters.store.js';
import type { SecretsStore } from '#store/secrets.store.js';
import { parseSecretReference, StoreSecrets } from './store-secrets.js';
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

describe('a secret reference', () => {
  it.each([
    ['a name alone', 'db/prod', { id: 'db/prod', jsonKey: null }],
    ['a key', 'db:password', { id: 'db', jsonKey: 'password' }],
    ['the present stage', 'db:password:AWSCURRENT', { id: 'db', jsonKey: 'password', stage: 'AWSCURRENT' }],
    ['an empty key', 'db::AWSPREVIOUS', { id: 'db', jsonKey: null, stage: 'AWSPREVIOUS' }],
    ['a version', 'db:password::v-1', { id: 'db', jsonKey: 'password', versionId: 'v-1' }],
    ['nothing but colons', 'db:::', { id: 'db', jsonKey: null }],
    [
      'an ARN',
      'arn:aws:secretsmanager:eu-west-1:1:secret:db-a1',
      { id: 'arn:aws:secretsmanager:eu-west-1:1:secret:db-a1', jsonKey: null },
    ],
    [
      'an ARN with a key',
      'arn:aws:secretsmanager:eu-west-1:1:secret:db-a1:user',
      { id: 'arn:aws:secretsmanager:eu-west-1:1:secret:db-a1', jsonKey: 'user' },
    ],
  ])('%s', (_, reference, expected) => {
    expect(parseSecretReference(reference)).toEqual(expected);
  });

  it.each([
    ['db:key:STAGING', 'expected the stage AWSCURRENT or AWSPREVIOUS, got STAGING'],
    ['db:key:AWSCURRENT:v-1', 'expected a stage or a version, not both'],
    ['db:key:::more', 'expected <secret>[:<json-key>[:<stage>[:<version-id>]]]'],
  ])('%s is refused', (reference, message) => {
    expect(() => parseSecretReference(reference)).toThrow(expect.objectContaining({ code: 'CLIENT_ERROR' }));
    expect(() => parseSecretReference(reference)).toThrow(message);
  });
});
