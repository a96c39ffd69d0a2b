import { describe, expect, it } from '@jest/globals';
import { parseSecretReference } from './secret-reference.js';

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
