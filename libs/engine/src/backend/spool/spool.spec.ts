import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OutputPiece } from '../backend.js';
import { followSpool } from './spool.js';

let folder: string;
let path: string;
let end: () => void;
let pieces: OutputPiece[];
let following: Promise<void>;
const stop = new AbortController();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
  path = join(folder, 'output');
});
afterEach(async () => {
  end();
  await following.catch(() => undefined);
  await rm(folder, { recursive: true });
});

function follow(from = 0, signal: AbortSignal = stop.signal): void {
  const ended = new Promise<void>((resolve) => (end = resolve));
  pieces = [];
  following = (async () => {
    // a piece's bytes are valid until the next one is asked for
    for await (const { at, bytes } of followSpool({ path, from, ended, signal }))
      pieces.push({ at, bytes: Buffer.from(bytes) });
  })();
}
const text = (): string => Buffer.concat(pieces.map(({ bytes }) => bytes)).toString();
async function until(true_: () => boolean): Promise<void> {
  while (!true_()) await sleep(2);
}

describe('a spool that is followed', () => {
  it('gives all of a file larger than a read, from where it was asked, and ends', async () => {
    const all = Array.from({ length: 400_000 }, (_, line) => `${line}\n`).join('');
    await writeFile(path, all);
    follow(10);
    end();
    await following;
    expect(text() === all.slice(10)).toBe(true);
    expect(pieces[0]?.at).toBe(10);
    pieces.slice(1).forEach((piece, index) => expect(piece.at).toBe(pieces[index]!.at + pieces[index]!.bytes.length));
  });

  it('gives what is written line by line in fewer pieces than lines, and the last of it at the end', async () => {
    await writeFile(path, '');
    follow();
    let all = '';
    for (let line = 0; line < 300; line += 1) {
      all += `line ${line}\n`;
      await appendFile(path, `line ${line}\n`);
    }
    await until(() => text() === all);
    await appendFile(path, 'last');
    end();
    await following;
    expect(text()).toBe(`${all}last`);
    expect(pieces.length).toBeLessThan(200);
  });

  it('goes on from the new end of a file that was cut short', async () => {
    await writeFile(path, 'some output');
    follow();
    await until(() => text() === 'some output');
    await truncate(path, 4);
    await sleep(30); // it has seen the cut
    await appendFile(path, ' more');
    await until(() => pieces.length === 2);
    expect([pieces[1]!.at, pieces[1]!.bytes.toString()]).toEqual([4, ' more']);
  });

  it('ends with the reason of its signal, also while it waits', async () => {
    await writeFile(path, 'x');
    const own = new AbortController();
    follow(0, own.signal);
    await until(() => pieces.length === 1);
    own.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
  });
});
