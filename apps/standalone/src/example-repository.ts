// The example project as a Git repository: examples/hello-node committed into a bare repository of the data folder.
// The same content gives the same commit on every machine; changed content gives one commit on top.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './machine.js';
import { SetupError } from './say.js';

const WHO = {
  GIT_AUTHOR_NAME: 'Kilnyard',
  GIT_AUTHOR_EMAIL: 'example@kilnyard.invalid',
  GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
  GIT_COMMITTER_NAME: 'Kilnyard',
  GIT_COMMITTER_EMAIL: 'example@kilnyard.invalid',
  GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
};

/**
 * Brings the repository's `main` to the content of a folder.
 * In: `files` the work tree (its .gitignore counts), `repository` a bare repository, made when missing.
 * Out: the commit. Errors: SetupError with git's words.
 */
export async function commitFolder(files: string, repository: string): Promise<string> {
  await mkdir(repository, { recursive: true });
  const index = join(repository, 'kilnyard.index');
  const git = (...args: string[]) =>
    runGit({ GIT_DIR: repository, GIT_WORK_TREE: files, GIT_INDEX_FILE: index }, files, args);
  await runGit({}, repository, ['init', '--quiet', '--bare', '--initial-branch=main', repository]);
  await rm(index, { force: true });
  await git('add', '--all', '.');
  const tree = await git('write-tree');
  const last = await git('rev-parse', '--verify', '--quiet', 'refs/heads/main').catch(() => '');
  if (last !== '' && (await git('rev-parse', `${last}^{tree}`)) === tree) return last;
  const parent = last === '' ? [] : ['-p', last];
  const commit = await git('commit-tree', tree, ...parent, '-m', 'hello-node: a small project to build');
  await git('update-ref', 'refs/heads/main', commit);
  return commit;
}

async function runGit(env: NodeJS.ProcessEnv, cwd: string, args: string[]): Promise<string> {
  const { exitCode, output } = await run('git', ['-c', 'core.autocrlf=false', '-c', 'core.fileMode=true', ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C', ...WHO, ...env },
    timeoutMs: 60_000,
  });
  if (exitCode !== 0)
    throw new SetupError(`git ${args[0]} failed (exit ${exitCode}) for the example project:\n${output}`);
  return output;
}
