// Room: source. Makes the checkout out of the mirror as it is, while the remote is still being asked. Most builds follow one of the same
// commit or of the commit that the mirror had last, or are the second of a push; the answer then only confirms what lies there.
// No command of the build runs before the answer: a copy that the remote does not confirm is thrown away.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepositoryFetch } from './fetch-request.js';
import { copyHistory, writeFiles } from './git-checkout.js';
import { GitMirror, LAST_USED, type MirroredCommit } from './git-mirror.js';
import type { RemoteRefs } from './git-remote.js';
import type { GitSession } from './git-session.js';
import { tryLock } from './mirror-lock.js';

/**
 * In: `fetch.into` is an empty repository; `mirror` = the mirror's folder.
 * Out: what was checked out; null when nothing was, be it that the mirror has no such ref, is in use, or is not as it should be: whoever
 * goes through the mirror then finds that out. `fetch.into` is to be emptied again then. Errors: the signal's reason.
 */
export async function copyAhead(
  session: GitSession,
  mirrorFolder: string,
  fetch: RepositoryFetch,
): Promise<MirroredCommit | null> {
  const { wanted, depth, into, guard } = fetch;
  if (wanted.kind !== 'refs' || depth !== 'full') return null;
  const mirror = new GitMirror(mirrorFolder, session, () => undefined, session.location.url);
  if (!(await mirror.exists())) return null;
  const lock = await tryLock(`${mirrorFolder}.lock`);
  if (lock === null) return null;
  try {
    if (await mirror.isShallow()) return null;
    const held = await mirror.held(wanted.refs);
    if (held === null) return null;
    guard.watch(mirrorFolder);
    await copyHistory(session, mirror, held, into, depth);
    await writeFiles(session, held.commit, into);
    await writeFile(join(mirrorFolder, LAST_USED), '');
    return held;
  } catch {
    guard.signal.throwIfAborted();
    return null;
  } finally {
    await lock.release();
  }
}

/** Whether a copy is what the remote has under the first of the wanted refs that it has. */
export function isConfirmed(copied: MirroredCommit | null, { refs }: RemoteRefs, fetch: RepositoryFetch): boolean {
  if (copied === null || fetch.wanted.kind !== 'refs') return false;
  const first = fetch.wanted.refs.find((ref) => refs.has(ref));
  return first !== undefined && first === copied.remoteRef && refs.get(first) === copied.tip;
}
