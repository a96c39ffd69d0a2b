// Room: source. Makes the folder that the build works in: a repository of its own with copied objects, at one commit, without credentials.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Depth, GitMirror, MirroredCommit } from './git-mirror.js';
import type { GitSession } from './git-session.js';

/**
 * Copies the commit's history out of the mirror into `into`, an existing folder that it empties first. The caller holds the mirror's lock.
 * Objects go through upload-pack: no hard links and no alternates, since the container's root may write to them.
 * Errors: GitExit.
 */
export async function copyHistory(
  session: GitSession,
  mirror: GitMirror,
  found: MirroredCommit,
  into: string,
  depth: Depth,
): Promise<void> {
  await mkdir(into, { recursive: true });
  for (const name of await readdir(into)) await rm(join(into, name), { recursive: true, force: true });
  await session.local(['init', '--quiet', '--template=', '--', into]);
  const args = ['fetch', '--quiet', '--force', '--no-write-fetch-head', '--update-shallow'];
  if (depth !== 'full') args.push(`--depth=${depth}`, '--no-tags');
  await session.local([...args, '--', mirror.folder, `+${found.mirrorRef}:${nameInCheckout(found)}`], { cwd: into });
  // Not as the fetch's target: git may be bringing the same tag along by itself.
  if (found.remoteRef?.startsWith('refs/tags/')) {
    await session.local(['update-ref', found.remoteRef, 'refs/kilnyard/source'], { cwd: into });
  }
  await session.local(['config', 'remote.origin.url', session.location.url], { cwd: into });
  await session.local(['config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'], { cwd: into });
}

/**
 * Writes the files of the commit, detached. Needs no lock.
 * git's own protections hold: no hooks, no filters (none is configured), no names like .git, no writing through symlinks.
 */
export async function writeFiles(session: GitSession, commit: string, into: string): Promise<void> {
  await session.local(['checkout', '--quiet', '--force', '--detach', commit, '--'], { cwd: into });
  // The reflogs name the mirror's path on this worker.
  await rm(join(into, '.git', 'logs'), { recursive: true, force: true });
}

/** Branches and pull requests appear as the remote's; tags are set afterwards; anything else has a name of ours, so that `git describe` and `git log origin/x` work. */
function nameInCheckout({ remoteRef }: MirroredCommit): string {
  if (remoteRef?.startsWith('refs/heads/')) return `refs/remotes/origin/${remoteRef.slice('refs/heads/'.length)}`;
  if (remoteRef?.startsWith('refs/') && !remoteRef.startsWith('refs/tags/'))
    return `refs/remotes/origin/${remoteRef.slice('refs/'.length)}`;
  return 'refs/kilnyard/source';
}
