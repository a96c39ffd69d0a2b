// Room: source. Archives by upload and by URL: what they may hold, and what bombs and traversals come to.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import { ZipFile } from 'yazl';
import { newWorld, type World } from './testing.js';

type TarEntry = Partial<Header> & { name: string; data?: string | Buffer };

let world: World;
beforeEach(async () => {
  world = await newWorld();
});
afterEach(() => world.close());

async function tar(entries: TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { data, ...header } of entries) archive.entry(header, data ?? '');
  archive.finalize();
  return gzipSync(await buffer(archive as unknown as AsyncIterable<Uint8Array>));
}

async function zip(
  entries: { name: string; data: string | Buffer; mode?: number }[],
  patch?: [string, string],
): Promise<Buffer> {
  const archive = new ZipFile();
  for (const { name, data, mode } of entries)
    archive.addBuffer(Buffer.from(data), name, mode === undefined ? {} : { mode });
  archive.end();
  const bytes = await buffer(archive.outputStream as Readable);
  // Names of the same length are exchanged afterwards: yazl itself refuses to write bad ones.
  return patch ? Buffer.from(bytes.toString('latin1').replaceAll(patch[0], patch[1]), 'latin1') : bytes;
}

const fetchUpload = (data: Buffer, maxBytes = 2 ** 24) =>
  world.fetch({ type: 'ARCHIVE', location: 'upload:abc' }, undefined, {
    maxBytes,
    upload: async () => ({ format: 'zip', open: async () => Readable.from([data]) }),
  });

it('unpacks a tar.gz: folders, modes, links; nothing is stripped', async () => {
  const { into } = await fetchUpload(
    await tar([
      { name: 'top/', type: 'directory' },
      { name: 'top/run.sh', mode: 0o4755, data: 'echo' },
      { name: './top/a/b.txt', data: 'b' },
      { name: 'top/link', type: 'symlink', linkname: 'a/b.txt' },
      { name: 'top/hard', type: 'link', linkname: 'top/run.sh' },
      { name: `top/${'long'.repeat(40)}.txt`, data: 'l' },
    ]),
  );
  expect(await readFile(join(into, 'top/link'), 'utf8')).toBe('b');
  expect(await readFile(join(into, 'top/hard'), 'utf8')).toBe('echo');
  expect((await lstat(join(into, 'top/run.sh'))).mode & 0o7777).toBe(0o755);
  expect(await readdir(into)).toEqual(['top']);
  expect(await readdir(join(world.folder, 'temp'))).toEqual([]);
});

it('unpacks a zip: folders, modes, symlinks', async () => {
  const { into } = await fetchUpload(
    await zip([
      { name: 'src/main.c', data: 'int main;' },
      { name: 'run', data: 'x', mode: 0o100755 },
      { name: 'link', data: 'src/main.c', mode: 0o120777 },
    ]),
  );
  expect(await readlink(join(into, 'link'))).toBe('src/main.c');
  expect((await lstat(join(into, 'run'))).mode & 0o777).toBe(0o755);
});

describe('refuses', () => {
  const bad: { why: string; entries: TarEntry[] }[] = [
    { why: 'a name that climbs', entries: [{ name: '../evil', data: 'x' }] },
    { why: 'a name that climbs later', entries: [{ name: 'a/../../evil', data: 'x' }] },
    { why: 'an absolute name', entries: [{ name: '/tmp/evil', data: 'x' }] },
    { why: 'an absolute symlink', entries: [{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }] },
    { why: 'a symlink that climbs out', entries: [{ name: 'a/l', type: 'symlink', linkname: '../../x' }] },
    {
      why: 'writing through a symlink',
      entries: [
        { name: 'l', type: 'symlink', linkname: 'a' },
        { name: 'l/x', data: 'x' },
      ],
    },
    {
      why: 'a chain of symlinks that climbs out',
      entries: [
        { name: 'a/b/l', type: 'symlink', linkname: '../..' },
        { name: 'm', type: 'symlink', linkname: 'a/b/l/../x' },
      ],
    },
    { why: 'a hard link to nothing', entries: [{ name: 'h', type: 'link', linkname: '../../etc/passwd' }] },
    { why: 'a device', entries: [{ name: 'd', type: 'character-device' }] },
    { why: 'a FIFO', entries: [{ name: 'f', type: 'fifo' }] },
    {
      why: 'a file where a folder was',
      entries: [
        { name: 'a/b', data: 'x' },
        { name: 'a', data: 'x' },
      ],
    },
  ];
  it.each(bad)('$why in a tar', async ({ entries }) => {
    await expect(fetchUpload(await tar(entries))).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
      message: expect.stringContaining('archive entry'),
    });
  });

  it('bad names, symlinks and encryption in a zip', async () => {
    await expect(
      fetchUpload(await zip([{ name: 'aaaevil', data: 'x' }], ['aaaevil', '../evil'])),
    ).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
    await expect(fetchUpload(await zip([{ name: 'l', data: '/etc/passwd', mode: 0o120777 }]))).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
    });
    const encrypted = await zip([{ name: 'secret', data: 'x' }]);
    encrypted.writeUInt16LE(
      encrypted.readUInt16LE(encrypted.indexOf('PK\x01\x02') + 8) | 1,
      encrypted.indexOf('PK\x01\x02') + 8,
    );
    await expect(fetchUpload(encrypted)).rejects.toMatchObject({ message: expect.stringContaining('encrypted') });
  });

  it('bombs', async () => {
    const zeros = Buffer.alloc(8_000_000);
    for (const bomb of [await zip([{ name: 'z', data: zeros }]), await tar([{ name: 'z', data: zeros }])]) {
      expect(bomb.length).toBeLessThan(100_000);
      await expect(fetchUpload(bomb, 1_000_000)).rejects.toMatchObject({ code: 'SOURCE_TOO_LARGE' });
    }
    const header = await tar([{ name: 'x', pax: { comment: 'c'.repeat(6_000_000) } }]);
    await expect(fetchUpload(header)).rejects.toMatchObject({
      message: expect.stringContaining('Header exceeds max size'),
    });
  });

  it('what is no archive, or half of one', async () => {
    await expect(fetchUpload(Buffer.from('hello'))).rejects.toMatchObject({
      message: expect.stringContaining('expected zip, tar or tar.gz'),
    });
    const whole = await tar([{ name: 'a', data: Buffer.alloc(100_000, 'x') }]);
    await expect(fetchUpload(whole.subarray(0, whole.length - 50))).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
    const zipped = await zip([{ name: 'a', data: 'x' }]);
    await expect(fetchUpload(zipped.subarray(0, zipped.length - 10))).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
  });
});

describe('by URL', () => {
  const servers: Server[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)))));
  async function listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('fetches through a redirect, with the credential for the first host only', async () => {
    const archive = await zip([{ name: 'a', data: 'x' }]);
    const seen: (string | undefined)[] = [];
    const store = await listen((request, response) => {
      seen.push(request.headers.authorization);
      response.end(archive);
    });
    const front = await listen((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${store}/x?sig=1` }).end();
    });
    const { into } = await world.fetch({ type: 'S3', location: front.replace('//', '//u:p@') + '/a.zip?token=hidden' });
    expect(await readdir(into)).toEqual(['a']);
    expect(seen).toEqual([`Basic ${Buffer.from('u:p').toString('base64')}`, undefined]);
    expect(world.lines.join()).not.toContain('hidden');
  });

  it.each([
    {
      answer: [302, 'http://169.254.169.254/latest'],
      code: 'SOURCE_NOT_ALLOWED',
      why: 'a redirect to the metadata address',
    },
    { answer: [302, 'file:///etc/passwd'], code: 'SOURCE_NOT_ALLOWED', why: 'a redirect to another protocol' },
    { answer: [302, '/again'], code: 'SOURCE_FETCH_FAILED', why: 'redirects without end' },
    { answer: [404, ''], code: 'CLIENT_ERROR', why: 'nothing there' },
    { answer: [503, ''], code: 'SOURCE_FETCH_FAILED', why: 'a host in trouble' },
  ] as const)('says what is wrong with $why', async ({ answer, code }) => {
    const url = await listen(
      (_request, response) => void response.writeHead(answer[0], answer[1] ? { location: answer[1] } : {}).end(),
    );
    await expect(world.fetch({ type: 'ARCHIVE', location: `${url}/a.zip` })).rejects.toMatchObject({ code });
  });

  it.each(['file:///etc/passwd', 'bucket/key.zip', '', 'upload:../x'])('refuses the location %j', async (location) => {
    await expect(world.fetch({ type: 'ARCHIVE', location })).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
  });
});

it('leaves the folder empty for no source', async () => {
  const { into } = await world.fetch({ type: 'NO_SOURCE' });
  expect(await readdir(into)).toEqual([]);
});
