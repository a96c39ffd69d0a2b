// Real small processes: what is kept is started again, and nothing is left when it is stopped.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KeptProcess, type KeptProgram } from './kept-process.js';
import { lockFolder } from './lock.js';
import { ProcessTable, endLeftovers, startTimeOf } from './process-table.js';

let folder: string;
let table: ProcessTable;
const started: KeptProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-kept-'));
  table = new ProcessTable(join(folder, 'processes.json'));
});
afterEach(async () => {
  for (const kept of started.splice(0)) await kept.stop(AbortSignal.abort());
  await rm(folder, { recursive: true, force: true });
});

async function keep(script: string, more: Partial<KeptProgram> = {}, said: string[] = []): Promise<KeptProcess> {
  const program = {
    name: 'thing',
    command: process.execPath,
    args: ['-e', script],
    logFile: join(folder, 'thing.log'),
    graceMs: 20_000,
  };
  const kept = await KeptProcess.start({ ...program, ...more }, table, (line) => said.push(line));
  started.push(kept);
  return kept;
}
async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600 && !(await what()); i++) await sleep(25);
  expect(await what()).toBe(true);
}
const WAIT = 'setInterval(() => undefined, 1000); console.log("up");';
const isUp = async (kept: KeptProcess) => (await kept.lastLines()).includes('up');

describe('a kept process', () => {
  it('is gone after a stop, with the children in its group', async () => {
    const child = `const c = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']); console.log('child', c.pid, 'up');`;
    const kept = await keep(`${child} setInterval(() => undefined, 1000);`);
    await until(() => isUp(kept));
    const grandchild = Number(/child (\d+)/.exec(await kept.lastLines())?.[1]);
    const pid = kept.pid ?? 0;
    expect(startTimeOf(grandchild)).toBeDefined();
    await kept.stop();
    expect(startTimeOf(pid)).toBeUndefined();
    await until(() => startTimeOf(grandchild) === undefined);
    expect(await readFile(join(folder, 'processes.json'), 'utf8')).toBe('[]\n');
  });

  it('that does not listen is killed when the wait is cut short', async () => {
    const kept = await keep(`process.on('SIGTERM', () => undefined); ${WAIT}`);
    await until(() => isUp(kept));
    const now = new AbortController();
    const stopped = kept.stop(now.signal);
    now.abort();
    await stopped;
    expect(kept.running).toBe(false);
  });

  it('is started again when it dies, and says so', async () => {
    const said: string[] = [];
    const kept = await keep(WAIT, {}, said);
    const first = kept.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until(() => kept.running && kept.pid !== first);
    expect(said[0]).toContain('thing ended by SIGKILL; starting it again in 0.5 s');
  });

  it('is started once again, and no more, when the list of processes cannot be written', async () => {
    const lists = join(folder, 'lists');
    await mkdir(lists);
    table = new ProcessTable(join(lists, 'processes.json'));
    const said: string[] = [];
    const kept = await keep(
      `require('node:fs').appendFileSync('${folder}/pids', process.pid + '\\n'); ${WAIT}`,
      {},
      said,
    );
    const pids = async (): Promise<number[]> =>
      (await readFile(join(folder, 'pids'), 'utf8')).trim().split('\n').map(Number);
    await until(() => isUp(kept));
    await rm(lists, { recursive: true });
    process.kill(kept.pid!, 'SIGKILL');
    await until(async () => (await pids()).length === 2);
    await until(() => said.some((line) => line.startsWith('the list of started processes cannot be written')));
    expect(kept.running).toBe(true);
    // what could not be written is written with what comes next
    await mkdir(lists);
    await table.add('another', process.pid);
    expect(JSON.parse(await readFile(join(lists, 'processes.json'), 'utf8'))).toMatchObject([
      { name: 'thing', pid: kept.pid },
      { name: 'another' },
    ]);
    await kept.stop();
    for (const pid of await pids()) expect(startTimeOf(pid)).toBeUndefined();
    expect(await pids()).toHaveLength(2);
  });

  it('reads its input from standard input', async () => {
    const kept = await keep(`process.stdin.on('data', (d) => console.log('got ' + d)); ${WAIT}`, { input: 'secret' });
    await until(async () => (await kept.lastLines()).includes('got secret'));
  });

  it('cannot be started: the error comes at once', async () => {
    await expect(keep('', { command: join(folder, 'no-such-program') })).rejects.toThrow('ENOENT');
  });
});

describe('leftovers of an earlier run', () => {
  it('are ended by pid and start time', async () => {
    const kept = await keep(WAIT);
    await kept.letLive();
    await table.add('thing', kept.pid ?? 0);
    expect(await endLeftovers(join(folder, 'processes.json'))).toEqual(['thing']);
    await until(() => !kept.running);
  });

  it('with another start time are somebody else: untouched', async () => {
    const kept = await keep(WAIT);
    const file = join(folder, 'other.json');
    await writeFile(file, JSON.stringify([{ name: 'thing', pid: kept.pid, startTime: '1' }]));
    expect(await endLeftovers(file)).toEqual([]);
    expect(kept.running).toBe(true);
  });
});

describe('the lock of a folder', () => {
  it('is refused while its holder lives, naming it, and free afterwards', async () => {
    const unlock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`runs already from this folder (pid ${process.pid})`);
    await unlock();
    await (
      await lockFolder(folder)
    )();
  });

  it.each([
    ['a pid that is gone', '4194303 1'],
    ['a pid of another process', `${process.pid} 1`],
    ['an empty file', ''],
  ])('is taken over from %s', async (_reason, text) => {
    await writeFile(join(folder, 'lock'), text);
    await (
      await lockFolder(folder)
    )();
  });
});
