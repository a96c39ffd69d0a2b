import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from './mirror-lock.js';
import { sweepMirrors } from './mirror-sweep.js';
import { sweepTemp } from './temp-sweep.js';

const SIGNAL = new AbortController().signal;
const HOUR_MS = 3_600_000;
const MB = 1_000_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sweeps-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const ago = (ms: number) => new Date(Date.now() - ms);

async function newMirror(name: string, usedMsAgo: number, bytes = MB): Promise<void> {
  await mkdir(join(dir, name, 'objects'), { recursive: true });
  await writeFile(join(dir, name, 'objects', 'pack'), Buffer.alloc(bytes, 1));
  await use(name, usedMsAgo);
}
async function use(name: string, usedMsAgo: number): Promise<void> {
  await writeFile(join(dir, name, 'kilnyard-last-used'), '');
  await utimes(join(dir, name, 'kilnyard-last-used'), ago(usedMsAgo), ago(usedMsAgo));
}
const names = async () => (await readdir(dir)).sort();

describe('sweepMirrors', () => {
  it('removes the least recently used until the rest fits', async () => {
    for (const [name, hours] of [
      ['a', 3],
      ['b', 9],
      ['c', 6],
    ] as const)
      await newMirror(name, hours * HOUR_MS);
    const swept = await sweepMirrors(dir, 1.5 * MB, SIGNAL);
    expect(swept.removed.map(({ name }) => name)).toEqual(['b', 'c']);
    expect(swept).toMatchObject({ mirrors: 1 });
    expect(swept.bytes).toBeLessThanOrEqual(1.5 * MB);
    expect(await names()).toEqual(['a']);
  });

  it.each([
    ['no budget', 0],
    ['room enough', 100 * MB],
  ])('removes nothing with %s', async (_, budget) => {
    await newMirror('a', 900 * HOUR_MS);
    expect((await sweepMirrors(dir, budget, SIGNAL)).removed).toEqual([]);
  });

  it('leaves a mirror that a fetch holds, that was just used, and a folder that is not ours', async () => {
    await newMirror('held', 9 * HOUR_MS);
    await newMirror('warm', 1_000);
    await mkdir(join(dir, 'foreign'));
    await writeFile(join(dir, 'foreign', 'data'), Buffer.alloc(MB, 1));
    await writeFile(join(dir, 'known_hosts'), 'x');
    const lock = await takeLock(join(dir, 'held.lock'), SIGNAL);
    expect((await sweepMirrors(dir, 1, SIGNAL)).removed).toEqual([]);
    await lock.release();
    expect((await sweepMirrors(dir, 1, SIGNAL)).removed.map(({ name }) => name)).toEqual(['held']);
    expect(await names()).toEqual(['foreign', 'known_hosts', 'warm']);
  });

  it('leaves a mirror that a fetch used while the sweep looked', async () => {
    await newMirror('a', 9 * HOUR_MS);
    const lock = await takeLock(join(dir, 'a.lock'), SIGNAL);
    const sweeping = sweepMirrors(dir, 1, SIGNAL);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await use('a', 0);
    await lock.release();
    expect((await sweeping).removed).toEqual([]);
    expect(await names()).toEqual(['a']);
  });

  it('is done by several at once, and ends what a dead one left', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await newMirror(name, 9 * HOUR_MS);
    await mkdir(join(dir, '.removed-x', 'objects'), { recursive: true });
    await Promise.all([1, 2, 3].map(() => sweepMirrors(dir, 1, SIGNAL)));
    expect(await names()).toEqual([]);
    expect(await sweepMirrors(join(dir, 'missing'), 1, SIGNAL)).toEqual({ removed: [], mirrors: 0, bytes: 0 });
  });
});

describe('sweepTemp', () => {
  it('removes what nobody has written to for long, by the newest in a folder', async () => {
    for (const name of ['old', 'busy']) {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, 'download'), 'x');
      await utimes(join(dir, name, 'download'), ago(9 * HOUR_MS), ago(9 * HOUR_MS));
      await utimes(join(dir, name), ago(9 * HOUR_MS), ago(9 * HOUR_MS));
    }
    await utimes(join(dir, 'busy', 'download'), ago(0), ago(0));
    await writeFile(join(dir, 'file'), 'x');
    expect(await sweepTemp(dir, HOUR_MS)).toMatchObject({ items: 1, bytes: expect.any(Number) });
    expect(await names()).toEqual(['busy', 'file']);
    expect(await sweepTemp(join(dir, 'missing'), 0)).toEqual({ items: 0, bytes: 0 });
  });
});
