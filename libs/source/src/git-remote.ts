// Room: source. The first talk with a repository's host: proves the right to read, and tells which refs there are.
import { PhaseFailure } from '#core/errors.js';
import { checkedGet } from './checked-http.js';
import { GitExit } from './git-command.js';
import type { GitSession } from './git-session.js';
import type { WantedVersion } from './git-version.js';

export interface RemoteRefs {
  /** Where the repository answers: the location's URL, or where that redirected to. */
  url: string;
  /** Full ref name to object id; only refs that were asked for. */
  refs: Map<string, string>;
}

const ADVERTISEMENT = '/info/refs';

/**
 * Asks the remote for the refs that a version may mean. Always asked, even for a commit that the mirror has:
 * a mirror is shared, and only the remote knows whether this build's credential may read it.
 * Errors: GitExit, PhaseFailure, Refusal.
 */
export async function askRemote(
  session: GitSession,
  wanted: WantedVersion,
  insecureSsl: boolean,
  signal: AbortSignal,
): Promise<RemoteRefs> {
  const names = wanted.kind === 'refs' ? wanted.refs : [wanted.ref ?? 'HEAD'];
  const { url } = session.location;
  try {
    return { url, refs: await listRefs(session, url, names) };
  } catch (thrown) {
    if (!(thrown instanceof GitExit) || !/returned error: 30[12378]/.test(thrown.stderr)) throw thrown;
    const moved = await followRedirect(url, insecureSsl, signal);
    return { url: moved, refs: await listRefs(session, moved, names) };
  }
}

async function listRefs(session: GitSession, url: string, names: readonly string[]): Promise<Map<string, string>> {
  const listing = await session.remote(['ls-remote', '--quiet', '--', url, ...names]);
  const refs = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [id, name] = line.split('\t');
    // ls-remote also matches names that only end so (refs/x/refs/heads/main).
    if (id && name && names.includes(name)) refs.set(name, id);
  }
  return refs;
}

/**
 * git itself follows no redirect (it would not check addresses). The credential helper is bound to the location's origin, so a host that
 * this leads to never gets the credential.
 */
async function followRedirect(url: string, insecureSsl: boolean, signal: AbortSignal): Promise<string> {
  const probe = new URL(`${url}${ADVERTISEMENT}?service=git-upload-pack`);
  const answer = await checkedGet({ url: probe, insecureSsl, signal });
  answer.body.destroy();
  if (!answer.url.pathname.endsWith(ADVERTISEMENT)) {
    throw new PhaseFailure('CLIENT_ERROR', `${url} redirected to ${answer.url.host}, which is no Git repository`);
  }
  return `${answer.url.origin}${answer.url.pathname.slice(0, -ADVERTISEMENT.length)}`;
}
