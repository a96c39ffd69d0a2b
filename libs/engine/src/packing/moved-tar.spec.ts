import { expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import tar from 'tar-stream';
import { movedTar } from './moved-tar.js';

const prefix = 'codebuild/output';
const MOVED = { from: 'src1/src', to: 'src2/src/github.com/a/b' };
const { signal } = new AbortController();

it('moves what lay beside the source, keeps what lay elsewhere, and leaves other sources out', async () => {
  const long = 'n'.repeat(150);
  const pack = tar.pack();
  pack.entry({ name: `${prefix}/src1/src/store`, type: 'directory' });
  pack.entry({ name: `${prefix}/src1/src/store/file`, mode: 0o755 }, 'x'.repeat(200_000));
  pack.entry({ name: `${prefix}/src1/src/store/${long}`, type: 'file' }, 'long');
  pack.entry({ name: `${prefix}/src1/src/store/link`, type: 'symlink', linkname: '../file' });
  pack.entry({ name: `${prefix}/src1/src/store/hard`, type: 'link', linkname: `${prefix}/src1/src/store/file` });
  pack.entry({ name: `${prefix}/src9/src/file` }, 'of another source');
  pack.entry({ name: 'root/.store/file' }, 'elsewhere');
  pack.finalize();
  const found: unknown[] = [];
  const bytes = await buffer(movedTar(Readable.from(pack), prefix, MOVED, signal));
  for await (const entry of Readable.from([bytes]).pipe(tar.extract())) {
    const { name, type, linkname, mode } = entry.header;
    found.push([name.replace(`${prefix}/${MOVED.to}/`, '> '), type, linkname ?? (await buffer(entry)).length, mode]);
    entry.resume();
  }
  expect(found).toEqual([
    ['> store', 'directory', 0, 0o755],
    ['> store/file', 'file', 200_000, 0o755],
    [`> store/${long}`, 'file', 4, 0o644],
    ['> store/link', 'symlink', '../file', 0o644],
    ['> store/hard', 'link', `${prefix}/${MOVED.to}/store/file`, 0o644],
    ['root/.store/file', 'file', 9, 0o644],
  ]);
});

it('tells what is wrong with the bytes', async () => {
  const moved = movedTar(Readable.from([Buffer.alloc(2000, 'x')]), prefix, MOVED, signal);
  await expect(buffer(moved)).rejects.toThrow();
});
