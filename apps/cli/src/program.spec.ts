// The program itself, as a person starts it: from another folder, with files and a pipe.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const PROGRAM = fileURLToPath(new URL('../kilnyard.mjs', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilnyard-cli-'));
  writeFileSync(join(folder, 'buildspec.yml'), '\uFEFFversion: 0.2\r\nphases:\r\n  build:\r\n    commands: [make]\r\n');
  writeFileSync(join(folder, 'wrong.yml'), 'version: 9\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function kilnyard(args: string[], input = '') {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, stdio: 'pipe' });
  const said = { out: '', err: '' };
  child.stdout.on('data', (part: Buffer) => (said.out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (said.err += part.toString()));
  child.stdin.end(input);
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...said };
}

describe('the program kilnyard', () => {
  it('validates buildspec.yml of the folder that it is started in', async () => {
    expect(await kilnyard(['validate'])).toEqual({
      status: 0,
      out: 'buildspec.yml: valid\n  BUILD  1 command\n',
      err: '',
    });
  });

  it('validates standard input', async () => {
    expect(await kilnyard(['validate', '-'], 'version: 9\n')).toMatchObject({ status: 1, err: '' });
  });

  it.each([
    ['wrong.yml', 1, ''],
    ['none.yml', 2, 'cannot read none.yml: there is no such file'],
    ['.', 2, 'cannot read .: it is a folder'],
  ])('exits for %s with %s', async (file, status, why) => {
    const said = await kilnyard(['validate', file]);
    expect(said.status).toBe(status);
    expect(said.err).toContain(why);
  });
});
