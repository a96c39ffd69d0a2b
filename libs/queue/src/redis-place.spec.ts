import { describe, expect, it } from '@jest/globals';
import { keyPrefix, nodeOf } from './redis-place.js';

describe('keyPrefix', () => {
  it.each([
    ['single', 'kilnyard', 'kilnyard', 'as it is'],
    ['sentinel', 'kilnyard', 'kilnyard', 'as it is: one server holds all keys'],
    ['cluster', 'kilnyard', '{kilnyard}', 'braces keep all keys on one node'],
    ['cluster', 'ci-{a}', 'ci-{a}', 'braces of the operator’s own'],
    ['cluster', 'ci-{}', '{ci-{}}', 'empty braces decide nothing'],
  ] as const)('in mode %s, %s is %s: %s', (redisMode, prefix, expected, _why) => {
    expect(keyPrefix({ redisUrl: 'redis://x', redisMode }, prefix)).toBe(expected);
  });
});

describe('nodeOf', () => {
  it.each([
    ['redis-1', { host: 'redis-1', port: 6379 }],
    ['10.0.0.1:7000', { host: '10.0.0.1', port: 7000 }],
    ['[::1]:7000', { host: '::1', port: 7000 }],
  ])('reads %s', (text, node) => {
    expect(nodeOf(text, 6379)).toEqual(node);
  });
  it.each(['', 'a b', 'redis://x:1', 'x:0', 'x:70000', 'user@x', '::1'])('refuses %j', (text) => {
    expect(() => nodeOf(text, 6379)).toThrow('expected host:port');
  });
});
