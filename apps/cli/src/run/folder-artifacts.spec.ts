import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock } from '#core/clock.js';
import type { ProjectSettings } from '#core/project.js';
import type { SandboxFile } from '#engine/backend/backend.js';
import { FolderArtifacts } from './folder-artifacts.js';

let dir: string;
let artifacts: FolderArtifacts;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kilnyard-artifacts-'));
  artifacts = new FolderArtifacts(join(dir, 'out'), { now: () => new Date(0) } as Clock);
});
afterEach(() => rm(dir, { recursive: true }));

function fileOf(path: string, content: string | Error, mode = 0o644): SandboxFile {
  const open = async () =>
    new Readable({
      read() {
        if (content instanceof Error) return void this.destroy(content);
        this.push(content);
        this.push(null);
      },
    });
  return { path, type: 'file', mode, sizeBytes: 0, mtime: new Date(0), open };
}

function save(identifier: string, files: Record<string, string | Error>, mode?: number) {
  return artifacts.save({
    settings: {} as ProjectSettings,
    identifier,
    name: 'app',
    packaging: 'NONE',
    files: Readable.from(Object.entries(files).map(([name, text]) => ({ name, file: fileOf(name, text, mode) }))),
    signal: new AbortController().signal,
  });
}

describe('artifacts in a folder', () => {
  it('puts the primary one’s files right in it, a secondary’s in a folder of its name', async () => {
    const out = join(dir, 'out');
    expect(await save('', { 'a.txt': 'one', 'deep/b.sh': 'two!' }, 0o755)).toEqual({
      ...{ identifier: '', name: 'app', packaging: 'NONE', createdAt: new Date(0) },
      ...{ fileCount: 2, sizeBytes: 7, location: out },
    });
    await save('docs', { 'a.txt': 'docs' });
    expect(await readFile(join(out, 'deep/b.sh'), 'utf8')).toBe('two!');
    expect((await stat(join(out, 'deep/b.sh'))).mode & 0o100).toBe(0o100);
    expect(await readFile(join(out, 'docs/a.txt'), 'utf8')).toBe('docs');
    expect((await readdir(out)).sort()).toEqual(['a.txt', 'deep', 'docs']);
  });

  it('replaces files of the same name, and leaves the others alone', async () => {
    await mkdir(join(dir, 'out'));
    await writeFile(join(dir, 'out', 'a.txt'), 'old');
    await writeFile(join(dir, 'out', 'mine.txt'), 'mine');
    await save('', { 'a.txt': 'new' });
    expect(await readFile(join(dir, 'out', 'a.txt'), 'utf8')).toBe('new');
    expect(await readFile(join(dir, 'out', 'mine.txt'), 'utf8')).toBe('mine');
  });

  it('puts no file there when one of them failed', async () => {
    await expect(save('', { 'a.txt': 'one', 'b.txt': new Error('gone') })).rejects.toThrow('gone');
    expect(await readdir(join(dir, 'out'))).toEqual([]);
  });

  it('lets no artifact of a build replace another’s file', async () => {
    await save('', { 'docs/a.txt': 'primary' });
    await expect(save('docs', { 'a.txt': 'secondary' })).rejects.toThrow('Two artifacts have a file docs/a.txt');
    expect(await readFile(join(dir, 'out', 'docs/a.txt'), 'utf8')).toBe('primary');
  });

  it('says when a folder is in the way', async () => {
    await mkdir(join(dir, 'out', 'a.txt', 'x'), { recursive: true });
    await expect(save('', { 'a.txt': 'one' })).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
  });
});
