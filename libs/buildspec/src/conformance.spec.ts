// docs/buildspec-conformance.md names the tests that show each row: they must be there.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const HOME = fileURLToPath(new URL('../../../', import.meta.url));
const table = readFileSync(`${HOME}docs/buildspec-conformance.md`, 'utf8');
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (key|-)/.test(line))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .map(([, key = '', behaviour = '', shownBy = '']) => ({ key, behaviour, shownBy }));

/** Files that may be named without their folders. */
const specs = ['apps', 'libs', 'test'].flatMap((room) =>
  readdirSync(`${HOME}${room}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.spec.ts'))
    .map((path) => basename(path)),
);
const isThere = (path: string) =>
  path.includes('/')
    ? existsSync(`${HOME}${path.replace(/^cases\//, 'test/cases/')}`)
    : specs.filter((name) => name === path).length === 1;

describe('the conformance table', () => {
  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('$key: is told, and shown by tests that are there', ({ behaviour, shownBy }) => {
    const paths = [...shownBy.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    expect(behaviour).not.toBe('');
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !isThere(path))).toEqual([]);
  });
});
