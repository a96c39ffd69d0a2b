// A tree that strangers filled, and change while it is read.
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import type { SandboxFile } from '../backend.js';
import { entryOfWorkspace, walkWorkspace } from './workspace-files.js';

let dir: string;
let root: string;
let outside: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'workspace-files-'));
  [root, outside] = [join(dir, 'root'), join(dir, 'outside')];
  await mkdir(join(root, 'sub/deep'), { recursive: true });
  await mkdir(join(outside, 'deep'), { recursive: true });
  await writeFile(join(root, 'sub/deep/file'), 'of the build');
  await writeFile(join(outside, 'file'), 'of the host');
  await writeFile(join(outside, 'deep/file'), 'of the host');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function fileOf(): Promise<SandboxFile> {
  for await (const file of walkWorkspace(root, '')) if (file.type === 'file') return file;
  throw new Error('expected a file');
}
const read = async (file: SandboxFile): Promise<string> => text((await file.open()) as Readable);

it('reads what lies there, also by way of a link to the folder of all', async () => {
  expect(await read(await fileOf())).toBe('of the build');
  await symlink(root, join(dir, 'link'));
  expect(await read((await entryOfWorkspace(join(dir, 'link'), 'sub/deep/file'))!)).toBe('of the build');
});

it.each<[string, () => Promise<void>]>([
  [
    'the file is a link',
    async () => {
      await rm(join(root, 'sub/deep/file'));
      await symlink(join(outside, 'file'), join(root, 'sub/deep/file'));
    },
  ],
  [
    'its folder is a link',
    async () => {
      await rename(join(root, 'sub/deep'), join(root, 'away'));
      await symlink(outside, join(root, 'sub/deep'));
    },
  ],
  [
    'a folder further up is a link',
    async () => {
      await rename(join(root, 'sub'), join(root, 'away'));
      await symlink(outside, join(root, 'sub'));
    },
  ],
  [
    'the file is a FIFO',
    async () => {
      await rm(join(root, 'sub/deep/file'));
      execFileSync('mkfifo', [join(root, 'sub/deep/file')]);
    },
  ],
])('gives nothing when, by the time it is opened, %s', async (_, swap) => {
  const file = await fileOf();
  const entry = (await entryOfWorkspace(root, 'sub/deep/file'))!;
  await swap();
  await expect(read(file)).rejects.toThrow();
  await expect(read(entry)).rejects.toThrow();
});

it.each([
  ['sub/deep/file', 'file'],
  ['sub/./deep', 'directory'],
  ['link', 'symlink'],
  ['link/file', null],
  ['sub/../sub/deep/file', null],
  ['../outside/file', null],
  ['..', null],
  ['', null],
  ['absent/file', null],
  ['sub/deep/file/x', null],
])('one path is what it is, and no link on its way is followed: %j', async (path, type) => {
  await symlink(outside, join(root, 'link'));
  expect((await entryOfWorkspace(root, path))?.type ?? null).toBe(type);
});
