import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Liveness } from './liveness.js';

describe('the liveness of workers', () => {
  let dir: string;
  const open: Liveness[] = [];

  beforeEach(async () => {
    // longer than a socket's path may be
    dir = join(await mkdtemp(join(tmpdir(), 'liveness-')), 'a-folder-with-a-long-name-'.repeat(5));
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function worker(id: string, runs: string[] = []): Promise<Liveness> {
    const one = await Liveness.start(dir, id, () => runs);
    open.push(one);
    return one;
  }

  /** A process that listens as worker `id`, and does with its connections what `body` says. */
  async function process(id: string, body: string): Promise<ReturnType<typeof spawn>> {
    const script = `process.chdir(${JSON.stringify(join(dir, 'workers'))}); require('net').createServer((socket) => {${body}}).listen('${id}.sock', () => console.log('up'))`;
    const child = spawn(globalThis.process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
    return child;
  }

  it('shows what another runs', async () => {
    const asking = await worker('a');
    await worker('b', ['x/1', 'y/2']);
    expect(await asking.ask('b')).toEqual({ state: 'alive', runs: new Set(['x/1', 'y/2']) });
  });

  it('tells a worker that was never there, or closed, from one that is', async () => {
    const asking = await worker('a');
    const other = await worker('b');
    expect(await asking.ask('c')).toEqual({ state: 'gone' });
    await other.close();
    open.splice(open.indexOf(other), 1);
    expect(await asking.ask('b')).toEqual({ state: 'gone' });
  });

  it('tells a killed process from one that is stopped, and tidies up after the first', async () => {
    const asking = await worker('a');
    const child = await process('b', "socket.end('[]')");
    expect(await asking.ask('b')).toEqual({ state: 'alive', runs: new Set() });
    child.kill('SIGSTOP');
    expect(await asking.ask('b')).toEqual({ state: 'silent' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await asking.ask('b')).toEqual({ state: 'gone' });
    expect(await asking.tidy()).toBe(1);
    expect(await readdir(join(dir, 'workers'))).toEqual(['a.sock']);
  });

  it('takes words that mean nothing for silence', async () => {
    const asking = await worker('a');
    const child = await process('b', "socket.end('[\"half of')");
    expect(await asking.ask('b')).toEqual({ state: 'silent' });
    child.kill('SIGKILL');
  });
});
