import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../command.js';
import { FileSecrets } from './file-secrets.js';

const ARN = 'arn:aws:secretsmanager:eu-west-1:1:secret:db-a1';
const text = JSON.stringify({
  parameters: { '/app/key': 'p' },
  secrets: { plain: 'text', db: { user: 'me', port: 5 }, [ARN]: { user: 'you' } },
});

describe('a file of secrets', () => {
  const secrets = FileSecrets.parse('s.json', text);

  it('tells a parameter', async () => {
    expect(await secrets.parameter('/app/key')).toBe('p');
  });

  it.each([
    ['plain', 'text'],
    ['plain::AWSCURRENT', 'text'],
    ['db', '{"user":"me","port":5}'],
    ['db:user', 'me'],
    ['db:port', '5'],
    [`${ARN}:user`, 'you'],
  ])('tells the secret %s', async (reference, value) => {
    expect(await secrets.secret(reference)).toBe(value);
  });

  it.each([
    ['none', 'Secret does not exist: none (--secrets)'],
    ['toString', 'Secret does not exist: toString (--secrets)'],
    ['plain::AWSPREVIOUS', 'Secret does not exist: plain (version AWSPREVIOUS) (--secrets)'],
    ['plain:::v-1', 'Secret does not exist: plain (version v-1) (--secrets)'],
    ['db:password', 'The secret db has no key password'],
  ])('has no secret %s', async (reference, message) => {
    await expect(secrets.secret(reference)).rejects.toMatchObject({ code: 'CLIENT_ERROR', message });
  });

  it('has no parameter that is not there', async () => {
    const message = 'Parameter does not exist: /none (--secrets)';
    await expect(FileSecrets.none().parameter('/none')).rejects.toMatchObject({ code: 'CLIENT_ERROR', message });
  });

  it.each([
    ['no JSON', 'hunter2'],
    ['another shape', '{"parameters": {"a": ["hunter2"]}}'],
    ['another member', '{"hunter": "hunter2"}'],
  ])('refuses %s without showing a value', (_, wrong) => {
    const parse = (): unknown => FileSecrets.parse('s.json', wrong);
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(/^s\.json: (?!.*hunter2)/);
  });
});
