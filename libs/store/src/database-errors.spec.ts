// What the driver and Prisma throw, and what becomes of it.
import { describe, expect, it } from '@jest/globals';
import { Fault, Refusal } from '#core/errors.js';
import { fromDatabaseError, isUniqueViolation } from './database-errors.js';
import { storedJson, storedText } from './stored-json.js';

const coded = (code: string, message = ''): Error => Object.assign(new Error(message), { code });

describe('fromDatabaseError', () => {
  it.each([
    ['connection refused', coded('ECONNREFUSED')],
    ['an admin’s shutdown', coded('57P01')],
    ['starting up', coded('57P03')],
    ['too many clients', coded('53300')],
    ['a deadlock', coded('40P01')],
    ['a read-only standby after a failover', coded('25006')],
    ['a connection cut by the other side, which has no code', new Error('Connection terminated unexpectedly')],
    ['a pool with no connection free', new Error('timeout exceeded when trying to connect')],
    ['happy eyeballs’ list', new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])],
    ['Prisma’s not reachable', coded('P1001')],
    [
      'Prisma’s wrapping of the driver',
      Object.assign(coded('P2010'), { meta: { driverAdapterError: { cause: { originalCode: '57P01' } } } }),
    ],
  ])('%s may be tried again', (_, thrown) => {
    expect(fromDatabaseError(thrown)).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true, cause: thrown });
  });

  it('knows a full disk', () => {
    expect(fromDatabaseError(coded('53100'))).toMatchObject({ code: 'STORAGE_FULL' });
  });

  it.each([
    ['a bug', coded('42P01', 'relation does not exist')],
    ['our own fault', new Fault('LEASE_LOST', 'x')],
    ['our own refusal, whatever caused it', new Refusal('PROJECT_EXISTS', 'x', { cause: coded('ECONNRESET') })],
    ['no error at all', 'x'],
  ])('leaves %s as it is', (_, thrown) => {
    expect(fromDatabaseError(thrown)).toBe(thrown);
  });

  it('knows a unique violation from both', () => {
    expect([coded('23505'), coded('P2002'), coded('23503')].map(isUniqueViolation)).toEqual([true, true, false]);
  });
});

describe('stored text', () => {
  it.each([
    ['plain', 'a\nb "ü" 🔑', 'a\nb "ü" 🔑'],
    ['NUL', 'a\0b', 'a\uFFFDb'],
    ['lone surrogates', '\ud800a\udc00', '\uFFFDa\uFFFD'],
    ['backslashes before what looks like an escape', '\\u0000 \\\\ud800', '\\u0000 \\\\ud800'],
    ['a backslash before a NUL', '\\\0', '\\\uFFFD'],
  ])('%s', (_, text, expected) => {
    expect(storedText(text)).toBe(expected);
    expect(JSON.parse(storedJson({ [text]: [text] }))).toEqual({ [expected]: [expected] });
  });
});
