import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  chmod,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import tar from 'tar-stream';
import type { TarCodec } from '../ports.js';
import { programs } from './programs.js';
import { unpacked } from './unpacked.js';
import { isPlainPath, packWorkspace, unpackWorkspace } from './workspace-tar.js';

const has = await programs();
const CODECS = (['gzip', 'zstd'] as const).filter((codec) => has[codec]);
const prefix = 'codebuild/output';
const { signal } = new AbortController();

let dir: string;
let root: string;
let back: string;
let outside: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kilnyard-packing-'));
  [root, back, outside] = ['root', 'back', 'outside'].map((name) => join(dir, name)) as [string, string, string];
  for (const folder of [root, back, outside]) await mkdir(folder);
  await writeFile(join(outside, 'file'), 'of the host');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const pack = (names: string[], recursive: boolean, codec: TarCodec = 'gzip') =>
  packWorkspace({ root, prefix, codec, signal }, names, recursive);
const unpack = (bytes: Buffer, codec: TarCodec = 'gzip') =>
  unpackWorkspace({ root: back, prefix, signal }, { codec, workspaceOnly: true, bytes: Readable.from([bytes]) });

/** A tar as no tar program makes it. */
async function hostile(entries: (Partial<tar.Header> & { name: string; text?: string })[]): Promise<Buffer> {
  const packing = tar.pack();
  for (const { text, ...header } of entries) packing.entry(header, text ?? '');
  packing.finalize();
  return gzipSync(await buffer(packing));
}

describe('a part of a workspace', () => {
  it.each(CODECS)('comes back as it was, packed with %s', async (codec) => {
    const odd = ['-x', '--checkpoint-action=exec=false', 'new\nline', 'ünï', 'a b', '*', "quo'te"];
    await mkdir(join(root, 'src/modules/deep'), { recursive: true });
    for (const name of odd) await writeFile(join(root, 'src/modules', name), name);
    await writeFile(join(root, 'src/modules/deep/run'), '#!/bin/sh');
    await chmod(join(root, 'src/modules/deep/run'), 0o4751);
    await utimes(join(root, 'src/modules/deep/run'), 1_000, 1_000);
    await symlink('../deep/run', join(root, 'src/modules/link'));
    await symlink(join(outside, 'file'), join(root, 'src/modules/away'));
    await writeFile(join(root, 'src/other'), 'not asked for');
    const { bytes, files } = pack(['src/modules'], true, codec);
    await unpack(await buffer(bytes), codec);
    expect(files()).toBe(odd.length + 3);
    expect((await readdir(join(back, 'src'))).sort()).toEqual(['modules']);
    for (const name of odd) expect(await readFile(join(back, 'src/modules', name), 'utf8')).toBe(name);
    const run = await stat(join(back, 'src/modules/deep/run'));
    if (process.getuid?.() === 0) expect(run.mode & 0o7777).toBe(0o4751);
    expect(run.mtimeMs).toBe(1_000_000);
    expect(await readlink(join(back, 'src/modules/link'))).toBe('../deep/run');
    expect(await readlink(join(back, 'src/modules/away'))).toBe(join(outside, 'file'));
    expect(await readdir(back)).toEqual(['src']);
  });

  it.each(CODECS)('can be unpacked by a sandbox too, packed with %s', async (codec) => {
    await writeFile(join(root, 'a'), 'text');
    const bytes = await buffer(pack(['a'], false, codec).bytes);
    const names: string[] = [];
    const plain = await unpacked({ codec, workspaceOnly: true, bytes: Readable.from([bytes]) }, signal);
    for await (const entry of plain.pipe(tar.extract())) {
      names.push(entry.header.name);
      entry.resume();
    }
    expect(names).toEqual([`${prefix}/a`]);
  });

  it('is what is named, and no folder’s content, where it is named piece by piece', async () => {
    await mkdir(join(root, 'd'));
    await writeFile(join(root, 'd/in'), '');
    await writeFile(join(root, 'd/out'), '');
    await unpack(await buffer(pack(['d', 'd/in'], false).bytes));
    expect(await readdir(join(back, 'd'))).toEqual(['in']);
  });

  it('that cannot be read fails where its bytes are read, with the program’s words', async () => {
    await expect(buffer(pack(['absent'], true).bytes)).rejects.toThrow(/tar ended with exit status 2: tar: absent: /);
    const broken = (async function* () {
      yield 'a';
      throw new Error('the walk broke');
    })();
    await writeFile(join(root, 'a'), '');
    const { bytes } = packWorkspace({ root, prefix, codec: 'gzip', signal }, broken, false);
    await expect(buffer(bytes)).rejects.toThrow('the walk broke');
  });

  it('waits for its reader, also when the programs have long ended', async () => {
    await writeFile(join(root, 'a'), 'text');
    const { bytes } = pack(['a'], false);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await unpack(await buffer(bytes));
    expect(await readFile(join(back, 'a'), 'utf8')).toBe('text');
  });

  it('ends its programs when the build ends', async () => {
    const stop = new AbortController();
    const never = (async function* (): AsyncGenerator<string> {
      yield await new Promise<string>(() => undefined);
    })();
    const { bytes } = packWorkspace({ root, prefix, codec: 'gzip', signal: stop.signal }, never, false);
    const read = buffer(bytes);
    stop.abort(new Error('stopped'));
    await expect(read).rejects.toThrow('stopped');
  });
});

describe('unpacking', () => {
  it('follows no link that lies in the workspace', async () => {
    await mkdir(join(root, 'src/modules'), { recursive: true });
    await writeFile(join(root, 'src/modules/file'), 'of the cache');
    const bytes = await buffer(pack(['src/modules/file'], false).bytes);
    await symlink(outside, join(back, 'src'));
    await unpack(bytes);
    expect(await readFile(join(outside, 'file'), 'utf8')).toBe('of the host');
    expect(await readdir(outside)).toEqual(['file']);
    expect(await readFile(join(back, 'src/modules/file'), 'utf8')).toBe('of the cache');
  });

  it('leaves beside it what is there already, and replaces what is of another kind', async () => {
    await mkdir(join(root, 'src/modules/one'), { recursive: true });
    await writeFile(join(root, 'src/modules/two'), 'of the cache');
    const bytes = await buffer(pack(['src/modules'], true).bytes);
    await mkdir(join(back, 'src/modules/two'), { recursive: true });
    await writeFile(join(back, 'src/modules/one'), 'of the source');
    await writeFile(join(back, 'src/modules/three'), 'of the source');
    await unpack(bytes);
    expect((await stat(join(back, 'src/modules/one'))).isDirectory()).toBe(true);
    expect(await readFile(join(back, 'src/modules/two'), 'utf8')).toBe('of the cache');
    expect(await readFile(join(back, 'src/modules/three'), 'utf8')).toBe('of the source');
  });

  it.each([
    ['a name that climbs', (): object[] => [{ name: `${prefix}/../../../outside/file`, text: 'evil' }]],
    ['an absolute name', () => [{ name: join(outside, 'file'), text: 'evil' }]],
    [
      'a link that leads away, and a file behind it',
      () => [
        { name: `${prefix}/link`, type: 'symlink', linkname: outside },
        { name: `${prefix}/link/file`, text: 'evil' },
      ],
    ],
    [
      'a link that climbs, and a file behind it',
      () => [
        { name: `${prefix}/link`, type: 'symlink', linkname: '../../outside' },
        { name: `${prefix}/link/file`, text: 'evil' },
      ],
    ],
    [
      'links in two steps',
      () => [
        { name: `${prefix}/a`, type: 'symlink', linkname: '..' },
        { name: `${prefix}/b`, type: 'symlink', linkname: 'a/../outside' },
        { name: `${prefix}/b/file`, text: 'evil' },
      ],
    ],
    [
      'a hard link to a file of the host, written through',
      () => [
        { name: `${prefix}/hard`, type: 'link', linkname: join(outside, 'file') },
        { name: `${prefix}/hard`, text: 'evil' },
      ],
    ],
  ])('writes nothing outside: %s', async (_, entries) => {
    await unpack(await hostile(entries() as (Partial<tar.Header> & { name: string })[])).catch(() => undefined); // refused or made harmless
    expect(await readFile(join(outside, 'file'), 'utf8')).toBe('of the host');
    expect(await readdir(outside)).toEqual(['file']);
    expect((await readdir(dir)).sort()).toEqual(['back', 'outside', 'root']);
  });

  it.each([
    ['bytes that are not packed', async () => Buffer.from('nonsense')],
    ['half a tar', async () => gzipSync((await hostile([{ name: `${prefix}/a`, text: 'x' }])).subarray(0, 40))],
  ])('of %s changes nothing', async (_, bytes) => {
    await expect(unpack(await bytes())).rejects.toThrow(/(gzip|tar) ended with exit status/);
    expect(await readdir(back)).toEqual([]);
  });

  it('tells why the bytes did not come', async () => {
    const bytes = new Readable({ read: () => undefined });
    const packed = { codec: 'gzip', workspaceOnly: true, bytes } as const;
    const unpacking = unpackWorkspace({ root: back, prefix, signal }, packed);
    bytes.destroy(new Error('the storage is away'));
    await expect(unpacking).rejects.toThrow('the storage is away');
  });
});

describe('a part that lay beside another source', () => {
  const moved = { from: 'src1/src', to: 'src2/src/github.com/a/b' };
  const unpackMoved = (bytes: Buffer) =>
    unpackWorkspace(
      { root: back, prefix, signal },
      { codec: 'gzip', workspaceOnly: true, bytes: Readable.from([bytes]) },
      moved,
    );

  it('comes to lie beside this one, and what lay elsewhere is left out', async () => {
    await mkdir(join(back, moved.to, 'modules'), { recursive: true });
    await writeFile(join(back, moved.to, 'modules/old'), 'stays');
    const file = { name: `${prefix}/src1/src/modules/new`, text: 'cached' };
    await unpackMoved(await hostile([file, { name: `${prefix}/src9/src/other`, text: 'another source' }]));
    expect(await readFile(join(back, moved.to, 'modules/new'), 'utf8')).toBe('cached');
    expect((await readdir(join(back, moved.to, 'modules'))).sort()).toEqual(['new', 'old']);
    expect(await readdir(back)).toEqual(['src2']);
  });

  it.each([
    ['its place is a link', () => [{ name: `${prefix}/src1`, type: 'symlink', linkname: '../../outside' }]],
    ['its place is a file', () => [{ name: `${prefix}/src1/src`, text: 'x' }]],
    [
      'the new place is a link',
      () => [
        { name: `${prefix}/src2`, type: 'symlink', linkname: '../../outside' },
        { name: `${prefix}/src1/src/src`, text: 'x' },
      ],
    ],
  ])('writes nothing outside: %s', async (_, entries) => {
    await unpackMoved(await hostile(entries() as (Partial<tar.Header> & { name: string })[]));
    expect(await readdir(outside)).toEqual(['file']);
    expect((await readdir(back)).filter((name) => name !== 'src2')).toEqual([]);
  });
});

it.each([
  ['src', true],
  ['src/deep', true],
  ['src/absent', false],
  ['link', false],
  ['link/deep', false],
  ['src/file', false],
  ['../root/src', false],
])('takes a path only when all of it is folders: %s', async (path, plain) => {
  await mkdir(join(root, 'src/deep'), { recursive: true });
  await writeFile(join(root, 'src/file'), '');
  await symlink('src', join(root, 'link'));
  expect(await isPlainPath(root, path)).toBe(plain);
});
