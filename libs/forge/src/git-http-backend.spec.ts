// Room: forge. What the small Git host serves, and what it does not. That real fetches work is shown in libs/source.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveGit, type GitServer } from './git-http-backend.js';

let folder: string;
let server: GitServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'git-host-'));
  await mkdir(join(folder, 'root'));
  for (const path of ['root/app.git', 'outside.git']) execFileSync('git', ['init', '-q', '--bare', join(folder, path)]);
  await symlink(join(folder, 'outside.git'), join(folder, 'root', 'link.git'));
  server = await serveGit({ root: join(folder, 'root') });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Sends the path as it is; fetch() would tidy it. */
function statusOf(method: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, method, path, agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.once('error', reject).end();
  });
}

const REFS = 'info/refs?service=git-upload-pack';
it.each([
  { method: 'GET', path: `/app.git/${REFS}`, status: 200, why: 'a repository' },
  { method: 'GET', path: `/none.git/${REFS}`, status: 404, why: 'none there' },
  { method: 'GET', path: `/link.git/${REFS}`, status: 404, why: 'a link out of the root' },
  { method: 'GET', path: `/../outside.git/${REFS}`, status: 404, why: 'climbing' },
  { method: 'GET', path: `/%2e%2e/outside.git/${REFS}`, status: 404, why: 'climbing, encoded' },
  { method: 'GET', path: `/app.git%2f..%2f..%2foutside.git/${REFS}`, status: 404, why: 'climbing by encoded slashes' },
  { method: 'GET', path: '/app.git/info/refs?service=git-receive-pack', status: 404, why: 'writing' },
  { method: 'POST', path: '/app.git/git-receive-pack', status: 404, why: 'writing' },
  { method: 'GET', path: '/app.git/config', status: 404, why: 'a plain file' },
  { method: 'GET', path: '/%zz', status: 404, why: 'not URL-encoded text' },
])('answers $status for $why', async ({ method, path, status }) => {
  expect(await statusOf(method, path)).toBe(status);
});
