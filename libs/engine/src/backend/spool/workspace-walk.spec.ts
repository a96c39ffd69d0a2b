import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WalkChoice } from '../backend.js';
import { walkWorkspace } from './workspace-files.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kilnyard-walk-'));
  await mkdir(join(root, 'a/skipped/deep'), { recursive: true });
  for (const name of ['a/x.xml', 'a/y.txt', 'a/skipped/z.xml', 'top.xml']) await writeFile(join(root, name), 'text');
  await symlink('/etc', join(root, 'out'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function walked(dir: string, choice?: WalkChoice): Promise<string[]> {
  const found: string[] = [];
  for await (const { path, type } of walkWorkspace(root, dir, choice)) found.push(`${type} ${path}`);
  return found;
}

describe('walkWorkspace', () => {
  it('tells of all there is, and follows no link', async () => {
    expect(await walked('.')).toEqual([
      'directory a',
      'directory a/skipped',
      'directory a/skipped/deep',
      'file a/skipped/z.xml',
      'file a/x.xml',
      'file a/y.txt',
      'symlink out',
      'file top.xml',
    ]);
    expect(await walked('out')).toEqual([]);
    expect(await walked('a/../..')).toEqual([]);
  });

  it('passes over what is not wanted', async () => {
    const choice = {
      enters: (folder: string) => folder !== 'a/skipped',
      wants: (file: string) => file.endsWith('.xml'),
    };
    expect(await walked('.', choice)).toEqual([
      'directory a',
      'directory a/skipped',
      'file a/x.xml',
      'symlink out',
      'file top.xml',
    ]);
  });
});
