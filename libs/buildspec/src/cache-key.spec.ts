import { describe, expect, it } from '@jest/globals';
import { withFileHashes, withoutShell } from './cache-key.js';

const VALUES = new Map([
  ['CODEBUILD_BUILD_NUMBER', '7'],
  ['LOCK', 'package-lock.json'],
  ['EMPTY', ''],
]);

describe('withFileHashes', () => {
  it.each([
    ['npm-$(codebuild-hash-files package-lock.json)', [['package-lock.json']], 'npm-<0>'],
    ['npm-$( codebuild-hash-files  a.json b.json )-$X', [['a.json', 'b.json']], 'npm-<0>-$X'],
    [
      '$(codebuild-hash-files \'**/*.lock\' "web/$LOCK" ${LOCK})',
      [['**/*.lock', 'web/package-lock.json', 'package-lock.json']],
      '<0>',
    ],
    ["$(codebuild-hash-files '$LOCK')", [['$LOCK']], '<0>'],
    ['$(codebuild-hash-files a)-$(codebuild-hash-files b)', [['a'], ['b']], '<0>-<1>'],
    ['k-$(codebuild-hash-files a | cut -c1-8)', [['a']], "k-$(printf '%s\\n' <0> | cut -c1-8)"],
    ['k-$(echo x; codebuild-hash-files a)', [['a']], "k-$(echo x; printf '%s\\n' <0> )"],
    ['plain', [], 'plain'],
  ])('%s', async (text, patterns, expected) => {
    const asked: string[][] = [];
    const hash = async (one: string[]): Promise<string> => `<${asked.push(one) - 1}>`;
    expect(await withFileHashes(text, VALUES, hash)).toBe(expected);
    expect(asked).toEqual(patterns);
  });

  it.each([
    '$(codebuild-hash-files)',
    '$(codebuild-hash-files $(ls))',
    '$(codebuild-hash-files "a"b)',
    '$(codebuild-hash-files $UNKNOWN)',
    '$(codebuild-hash-files ${LOCK:-x})',
    '`codebuild-hash-files a`',
  ])('refuses what only a shell could tell: %s', async (text) => {
    await expect(withFileHashes(text, VALUES, async () => 'hash')).rejects.toThrow('codebuild-hash-files');
  });
});

describe('withoutShell', () => {
  it.each([
    ['npm-${CODEBUILD_BUILD_NUMBER}-$LOCK', 'npm-7-package-lock.json'],
    ['a$EMPTY-b', 'a-b'],
    ['it\'s "so" #1 *', 'it\'s "so" #1 *'],
    ['two\n', 'two'],
    // a shell's business
    ['$(date +%Y)', null],
    ['${LOCK%.json}', null],
    ['$UNKNOWN', null],
    ['`date`', null],
    ['a\\$b', null],
    ['cost: 5$', null],
  ])('%s', (text, expected) => {
    expect(withoutShell(text, VALUES)).toBe(expected);
  });
});
