import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availableMemory } from './free-memory.js';
import { MARK, WorkerMark } from './worker-mark.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kilnyard-mark-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the mark of a worker', () => {
  it('lives as long as it is held, however often it is asked', async () => {
    const mark = await WorkerMark.make(dir);
    for (let asked = 0; asked < 3; asked += 1) expect(await WorkerMark.lives(dir, mark.id)).toBe(true);
    expect((await readdir(dir)).every((name) => MARK.test(name))).toBe(true);
    await mark.close();
    expect(await WorkerMark.lives(dir, mark.id)).toBe(false);
    expect(await readdir(dir)).toEqual([]);
  });

  it('dies with its process, killed without a chance to tidy up', async () => {
    const id = '0123456789ab';
    const hold = `mkfifo "$0/alive-${id}"; exec 3<>"$0/alive-${id}"; echo up; read -r never`;
    const holder = spawn('/bin/sh', ['-c', hold, dir]);
    await once(holder.stdout, 'data');
    expect(await WorkerMark.lives(dir, id)).toBe(true);
    holder.kill('SIGSTOP');
    expect(await WorkerMark.lives(dir, id)).toBe(true);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(await WorkerMark.lives(dir, id)).toBe(false);
  });

  it('that was never made is no living one', async () => {
    expect(await WorkerMark.lives(dir, 'ffffffffffff')).toBe(false);
  });
});

describe('the memory that the host can give away', () => {
  it.each([
    ['as the kernel tells it', 'MemTotal: 10 kB\nMemAvailable:    2048 kB\n', 2048 * 1024],
    ['unknown on a kernel that does not', 'MemTotal: 10 kB\n', null],
  ])('is %s', async (_, text, expected) => {
    const path = join(dir, 'meminfo');
    await writeFile(path, text);
    expect(await availableMemory(path)).toBe(expected);
  });

  it('is unknown where there is no such file', async () => {
    expect(await availableMemory(join(dir, 'none'))).toBeNull();
  });
});
