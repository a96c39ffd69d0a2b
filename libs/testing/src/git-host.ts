// A Git host for scenarios: real repositories, made on the fly, served over smart HTTP on the loopback.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serveGit } from '#forge/git-http-backend.js';
import { TestRepository } from '#source/testing.js';

const run = promisify(execFile);

export interface GitHost {
  /**
   * A new repository with one commit on main. In: content by path. Out: its URL, and the work tree for further commits and branches
   * (`commit` pushes every branch).
   */
  repository(name: string, files: Record<string, string | Buffer>): Promise<{ url: string; work: TestRepository }>;
  close(): Promise<void>;
}

export async function newGitHost(auth?: { username: string; password: string }): Promise<GitHost> {
  const folder = await mkdtemp(join(tmpdir(), 'kilnyard-git-'));
  const root = join(folder, 'served');
  await mkdir(root);
  const server = await serveGit({ root, ...(auth === undefined ? {} : { auth }) });
  return {
    repository: async (name, files) => {
      const [work, bare] = [join(folder, 'work', name), join(root, `${name}.git`)];
      await run('git', ['init', '-q', '--bare', '-b', 'main', bare]);
      await run('git', ['init', '-q', '-b', 'main', work]);
      const repository = new TestRepository(work, bare);
      await repository.commit(files);
      return { url: `${server.url}/${name}.git`, work: repository };
    },
    close: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
