// scripts/setup.mjs is plain JavaScript; what decides there whether something is done anew is tested here.
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

interface SetUp {
  checkNode(version: string): void;
  sourceStamp(home: string, sources: string[]): string;
}
const script = join(process.cwd(), 'scripts/setup.mjs');
const { checkNode, sourceStamp } = (await import(script)) as SetUp;

describe('the version of Node', () => {
  it.each([['20.19.0'], ['20.20.2'], ['22.12.0'], ['24.0.0']])('%s will do', (version) => {
    expect(() => checkNode(version)).not.toThrow();
  });
  it.each([['18.20.0'], ['20.18.9'], ['21.7.0'], ['22.11.0']])('%s will not', (version) => {
    expect(() => checkNode(version)).toThrow(`needs Node 20.19 or newer (20, 22 or 24); this is Node ${version}`);
  });
});

describe('the stamp of the sources', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kilnyard-stamp-'));
    await mkdir(join(home, 'apps/a'), { recursive: true });
    await writeFile(join(home, 'apps/a/x.ts'), 'one');
    await utimes(join(home, 'apps/a/x.ts'), 1, 1);
  });
  afterEach(() => rm(home, { recursive: true, force: true }));
  const stamp = () => sourceStamp(home, ['apps', 'missing']);

  it('stays while nothing changes', () => expect(stamp()).toBe(stamp()));
  it.each([
    ['a new size', async () => writeFile(join(home, 'apps/a/x.ts'), 'three')],
    ['a new time', async () => utimes(join(home, 'apps/a/x.ts'), 2, 2)],
    ['a new file', async () => writeFile(join(home, 'apps/y.ts'), '')],
    ['a file that is gone', async () => rm(join(home, 'apps/a/x.ts'))],
  ])('changes with %s', async (_reason, change) => {
    const before = stamp();
    await change();
    expect(stamp()).not.toBe(before);
  });
});
