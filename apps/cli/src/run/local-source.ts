// The engine's source fetcher on folders of this machine: each is copied as it stands, and never written to.
import { execFile, spawn } from 'node:child_process';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault, isNoSpace, PhaseFailure } from '#core/errors.js';
import { SourceFetcher, type FetchedSource } from '#engine/ports.js';
import { readSourceFile } from '#source/source-file.js';

type FetchRequest = Parameters<SourceFetcher['fetch']>[0];

const exec = promisify(execFile);
/** Of what a program complains about. */
const MAX_COMPLAINT = 2_000;
const GIT_MS = 10_000;

export class LocalSource extends SourceFetcher {
  constructor(private readonly env: Readonly<Record<string, string | undefined>>) {
    super();
  }

  /** All of the folder, ignored files and `.git` too: what is built is what lies there. Owners are this process, as with any source. */
  async fetch({ source, into, say, signal }: FetchRequest): Promise<FetchedSource> {
    const dir = source.location ?? '';
    say(`Copying ${dir}`);
    await copyFolder(dir, into, signal);
    const git = await lstat(join(dir, '.git')).catch(() => null); // no repository
    if (git === null) return {};
    if (!git.isDirectory())
      say('.git of this source is no folder (a worktree or submodule): Git commands of the build find no repository');
    const commit = await this.commitOf(dir, signal);
    return commit === null ? {} : { resolvedVersion: commit };
  }

  readFile(root: string, relativePath: string, maxBytes: number): Promise<Buffer | null> {
    return readSourceFile(root, relativePath, maxBytes);
  }

  /** Null where there is none, or no Git to ask. */
  private async commitOf(dir: string, signal: AbortSignal): Promise<string | null> {
    const { GIT_DIR, GIT_WORK_TREE, ...env } = this.env;
    const args = ['-c', 'safe.directory=*', '-C', dir, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}'];
    try {
      return (await exec('git', args, { env, timeout: GIT_MS, signal })).stdout.trim();
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }
}

/** By cp, since it shares blocks where the file system can, and keeps holes and hard links. Errors: PhaseFailure CLIENT_ERROR; Fault STORAGE_FULL. */
async function copyFolder(from: string, into: string, signal: AbortSignal): Promise<void> {
  const args = ['-dR', '--preserve=mode,timestamps,links', '--reflink=auto', '--', `${from}/.`, into];
  // a group of its own: Ctrl-C is for this process to hear, not for cp
  const child = spawn('cp', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr = (stderr + part).slice(0, MAX_COMPLAINT)));
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
    if (signal.aborted) kill();
  }).finally(() => signal.removeEventListener('abort', kill));
  signal.throwIfAborted();
  if (status === 0) return;
  if (isNoSpace({ stderr })) throw new Fault('STORAGE_FULL', `no room for a copy of the source: ${stderr.trim()}`);
  throw new PhaseFailure('CLIENT_ERROR', `The source could not be copied: ${stderr.trim()}`);
}
