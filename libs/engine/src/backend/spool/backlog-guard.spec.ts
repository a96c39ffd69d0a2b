import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BacklogGuard } from './backlog-guard.js';

describe('the guard of a spool', () => {
  let dir: string;
  let path: string;
  let guard: BacklogGuard;
  let said: string[];
  let now: number;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'backlog-guard-'));
    path = join(dir, 'output');
    await writeFile(path, '');
    said = [];
    now = 1_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    guard = new BacklogGuard({
      path,
      limitBytes: 100,
      pause: async () => void said.push('pause'),
      resume: async () => void said.push('resume'),
      onError: (error) => said.push(String(error)),
    });
    guard.stop(); // the test is its timer
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await rm(dir, { recursive: true, force: true });
  });

  async function checkAfter(ms: number): Promise<string[]> {
    now += ms;
    await guard.check();
    return said.splice(0);
  }

  it('pauses at its limit and resumes when half of it is stored', async () => {
    await appendFile(path, 'x'.repeat(101));
    expect(await checkAfter(100)).toEqual(['pause']);
    guard.reached(50);
    expect(await checkAfter(100)).toEqual([]);
    guard.reached(52);
    expect(await checkAfter(100)).toEqual(['resume']);
  });

  it('does nothing right after it was held up: the sandbox may be another worker’s by now', async () => {
    await appendFile(path, 'x'.repeat(101));
    expect(await checkAfter(60_000)).toEqual([]);
    expect(await checkAfter(100)).toEqual(['pause']);
  });

  it('wakes a sandbox that another may have paused, when its output stands still', async () => {
    for (let round = 0; round < 10; round += 1) expect(await checkAfter(1_000)).toEqual([]);
    expect(await checkAfter(1_000)).toEqual(['resume']);
    guard.reached(10);
    expect(await checkAfter(5_000)).toEqual([]);
    expect(await checkAfter(5_000)).toEqual([]);
  });

  it('tells of a spool that it cannot look at', async () => {
    await rm(path);
    expect(await checkAfter(100)).toEqual([expect.stringContaining('ENOENT')]);
  });
});
