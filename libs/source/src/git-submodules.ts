// Room: source. Submodules, read and fetched by us rather than by `git submodule`: each URL passes the same checks as the source's own.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { PhaseFailure, Refusal } from '#core/errors.js';
import { GitExit } from './git-command.js';
import { checkGitLocation, type GitLocation } from './git-location.js';
import type { GitSession } from './git-session.js';
import type { RepositoryFetch } from './fetch-request.js';

export const MAX_SUBMODULE_LEVELS = 10;
/** In one repository. */
export const MAX_SUBMODULES = 500;

interface Submodule {
  name: string;
  path: string;
  url: string;
  commit: string;
}

/**
 * Fetches the submodules of a checked-out commit into their folders, and theirs in turn.
 * A submodule gets the credential only when it lies at the same origin as the repository that names it.
 * Errors: PhaseFailure CLIENT_ERROR naming the submodule; what fetching one throws.
 */
export async function fetchSubmodules(
  session: GitSession,
  commit: string,
  parent: RepositoryFetch,
  localPaths: readonly string[],
  fetchRepository: (fetch: RepositoryFetch) => Promise<string>,
): Promise<void> {
  if (parent.submodules.left === 0) return;
  const submodules = await readSubmodules(session, commit, parent.into);
  if (submodules.length === 0) return;
  if (parent.submodules.level >= MAX_SUBMODULE_LEVELS)
    throw limit(`submodules are nested deeper than ${MAX_SUBMODULE_LEVELS}`, parent);
  if (submodules.length > MAX_SUBMODULES)
    throw limit(`${submodules.length} submodules; allowed are ${MAX_SUBMODULES}`, parent);
  for (const submodule of submodules) {
    const location = await submoduleLocation(submodule, parent.location, localPaths);
    const into = join(parent.into, submodule.path);
    await expectFolder(parent.into, submodule.path);
    parent.say(`Submodule ${printable(submodule.path)}`);
    await fetchRepository({
      ...parent,
      location,
      into,
      credential: location.origin === parent.location.origin ? parent.credential : ownCredential(location),
      wanted: { kind: 'commit', sha: submodule.commit },
      submodules: { level: parent.submodules.level + 1, left: undefined },
    });
    await session.local(['config', `submodule.${submodule.name}.url`, location.url], { cwd: parent.into });
  }
}

function ownCredential({ userinfo }: GitLocation): RepositoryFetch['credential'] {
  return userinfo === undefined ? undefined : { kind: 'password', ...userinfo, isToken: false };
}

/** Where a submodule's URL leads, by the same rules as a source. A local folder may only be named from a local repository. */
async function submoduleLocation(
  submodule: Submodule,
  parent: GitLocation,
  localPaths: readonly string[],
): Promise<GitLocation> {
  const url = /^\.\.?\//.test(submodule.url) ? relativeTo(parent, submodule.url) : submodule.url;
  try {
    return await checkGitLocation(url, parent.protocol === 'file' ? localPaths : []);
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    throw new PhaseFailure('CLIENT_ERROR', `submodule ${printable(submodule.path)}: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

/** git's rule: `../` takes a part off the parent's URL, `./` none. */
export function relativeTo(parent: Pick<GitLocation, 'url'>, url: string): string {
  let base = parent.url;
  let rest = url;
  for (;;) {
    if (rest.startsWith('../')) {
      base = base.slice(0, Math.max(base.lastIndexOf('/'), base.lastIndexOf(':')));
      rest = rest.slice(3);
    } else if (rest.startsWith('./')) rest = rest.slice(2);
    else break;
  }
  // Both `git@host` (path used up) and `https:/` fail the location's check.
  return base.includes('/') || base.startsWith('/') ? `${base}/${rest}` : `${base}:${rest}`;
}

async function readSubmodules(session: GitSession, commit: string, cwd: string): Promise<Submodule[]> {
  // the commit is checked out there
  if ((await lstat(join(cwd, '.gitmodules')).catch(() => null)) === null) return [];
  let listing: string;
  try {
    const query = [
      'config',
      '--null',
      '--blob',
      `${commit}:.gitmodules`,
      '--get-regexp',
      '^submodule\\..*\\.(path|url)$',
    ];
    listing = await session.local(query, { cwd });
  } catch (thrown) {
    // No .gitmodules, or nothing of ours in it, or not a configuration: no submodules, as git sees it too.
    if (thrown instanceof GitExit) return [];
    throw thrown;
  }
  const named = new Map<string, { path?: string; url?: string }>();
  for (const entry of listing.split('\0')) {
    const match = /^submodule\.([^]*)\.(path|url)\n([^]*)$/.exec(entry);
    if (match) named.set(match[1]!, { ...named.get(match[1]!), [match[2]!]: match[3]! });
  }
  const links = await readLinks(session, commit, cwd);
  const submodules: Submodule[] = [];
  for (const [name, { path, url }] of named) {
    const linked = path === undefined ? undefined : links.get(path);
    if (path !== undefined && url !== undefined && linked !== undefined)
      submodules.push({ name, path, url, commit: linked });
  }
  return submodules;
}

/** Path to commit of every submodule link in the tree. */
async function readLinks(session: GitSession, commit: string, cwd: string): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const entry of (await session.local(['ls-tree', '-r', '-z', commit], { cwd })).split('\0')) {
    const match = /^160000 commit ([0-9a-f]{40})\t([^]+)$/.exec(entry);
    if (match) links.set(match[2]!, match[1]!);
  }
  return links;
}

/** git checked the names; that nothing on the way is a symlink is looked at here. */
async function expectFolder(root: string, path: string): Promise<void> {
  let at = root;
  for (const part of path.split('/')) {
    at = join(at, part);
    const info = await lstat(at).catch(() => null);
    if (part === '' || part === '.' || part === '..' || !info?.isDirectory()) {
      throw new PhaseFailure('CLIENT_ERROR', `submodule ${printable(path)} does not lie in a folder of its own`);
    }
  }
}

function limit(what: string, parent: RepositoryFetch): PhaseFailure {
  return new PhaseFailure('CLIENT_ERROR', `${parent.location.shown}: ${what}`);
}

function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1).slice(0, 200);
}
