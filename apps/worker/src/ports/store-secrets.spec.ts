import { describe, expect, it } from '@jest/globals';
import { parseSecretReference } from './store-secrets.js';

describe('a secret reference', () => {
  it.each([
    ['a name alone', 'db/prod', { id: 'db/prod', jsonKey: null }],
    ['a key', 'db:password', { id: 'db', jsonKey: 'password' }],
    ['the present stage', 'db:password:AWSCURRENT', { id: 'db', jsonKey: 'password' }],
    ['an empty key', 'db::AWSCURRENT', { id: 'db', jsonKey: null }],
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

  it.each(['db:key:AWSPREVIOUS', 'db:key::some-version'])(
    '%s is refused: only the present version is kept',
    (reference) => {
      expect(() => parseSecretReference(reference)).toThrow('expected its present version');
    },
  );
});
