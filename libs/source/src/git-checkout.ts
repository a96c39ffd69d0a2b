// Room: source. Makes the folder that the build works in: a repository of its own with copied objects, at one commit, without credentials.
import { appendFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Depth, GitMirror, MirroredCommit } from './git-mirror.js';
import type { GitSession } from './git-session.js';

/** An empty repository in `into`, which is emptied first, as a clone of the location would be configured. Errors: GitExit. */
export async function emptyRepository(session: GitSession, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  for (const name of await readdir(into)) await rm(join(into, name), { recursive: true, force: true });
  await session.local(['init', '--quiet', '--template=', '--', into]);
  const url = session.location.url.replace(/["\\]/g, '\\$&'); // a location has no control characters
  const remote = `[remote "origin"]\n\turl = "${url}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`;
  await appendFile(join(into, '.git', 'config'), remote);
}

/**
 * Copies the commit's history out of the mirror into `into`, an empty repository. The caller holds the mirror's lock.
 * No hard links and no alternates, since the container's root may write to them; and only what the commit leads to, since the
 * mirror may hold what the remote no longer shows.
 * Errors: GitExit.
 */
export async function copyHistory(
  session: GitSession,
  mirror: GitMirror,
  found: MirroredCommit,
  into: string,
  depth: Depth,
): Promise<void> {
  if (depth === 'full' && !(await mirror.isShallow())) await packHistory(session, mirror, found, into);
  else await fetchHistory(session, mirror, found, into, depth);
  // Not as the fetch's target: git may be bringing the same tag along by itself.
  if (found.remoteRef?.startsWith('refs/tags/')) {
    await session.local(['update-ref', found.remoteRef, 'refs/kilnyard/source'], { cwd: into });
  }
}

/**
 * All history: the mirror's deltas are copied as they are into one new pack with its index. A fetch would work out each object
 * anew, which takes ten times as long.
 */
async function packHistory(session: GitSession, mirror: GitMirror, found: MirroredCommit, into: string): Promise<void> {
  const { tip } = found;
  const format = '--format=%(objectname) %(refname)';
  const tags = await session.local(['for-each-ref', `--merged=${found.commit}`, format, 'refs/tags'], {
    cwd: mirror.folder,
  });
  const refs = tags.split('\n').filter(Boolean);
  const objects = [tip, ...refs.map((line) => line.split(' ')[0]!)];
  const pack = join(into, '.git', 'objects', 'pack', 'pack');
  await session.local(['pack-objects', '--quiet', '--revs', pack], {
    cwd: mirror.folder,
    input: `${objects.join('\n')}\n`,
  });
  const updates = [`${tip} ${nameInCheckout(found)}`, ...refs].map((line) => {
    const [object, name] = line.split(' ');
    return `update ${name} ${object}\n`;
  });
  await session.local(['update-ref', '--stdin'], { cwd: into, input: updates.join('') });
}

async function fetchHistory(
  session: GitSession,
  mirror: GitMirror,
  found: MirroredCommit,
  into: string,
  depth: Depth,
): Promise<void> {
  const args = ['fetch', '--quiet', '--force', '--no-write-fetch-head', '--update-shallow'];
  if (depth !== 'full') args.push(`--depth=${depth}`, '--no-tags');
  await session.local([...args, '--', mirror.folder, `+${found.mirrorRef}:${nameInCheckout(found)}`], { cwd: into });
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
