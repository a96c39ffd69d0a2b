import { describe, expect, it } from '@jest/globals';
import { serialize } from 'pg-protocol';
import { bindMessage, type Parameter } from './unbuffered-query.js';

/** What the driver itself would send for the same statement and values. */
function driversBind(name: string, values: readonly Parameter[]): Buffer {
  return Buffer.from(
    serialize.bind({
      statement: name,
      values: values as (Buffer | string | null)[],
      valueMapper: (value: unknown) => (typeof value === 'number' ? String(value) : value),
    }),
  );
}

describe('bindMessage', () => {
  const large = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251));

  it.each<[string, Parameter[]]>([
    ['no value', []],
    ['texts, numbers and nothing', ['a', 7, null, 'ä ∅ 😀', '', 2 ** 40]],
    ['small binary values', [Buffer.alloc(0), Buffer.from([0, 1, 255])]],
    ['large values between small ones', ['x', large, 3, large, large, null]],
    ['values at the size from which they go by themselves', [large.subarray(0, 4_095), large.subarray(0, 4_096)]],
  ])('says of %s what the driver says', (_, values) => {
    expect(Buffer.concat(bindMessage('log-append-2', values)).equals(driversBind('log-append-2', values))).toBe(true);
  });

  it('hands large values on as they lie in memory', () => {
    expect(bindMessage('s', ['x', large]).some((piece) => piece === large)).toBe(true);
  });
});
