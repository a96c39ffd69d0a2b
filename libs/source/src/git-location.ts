// Room: source. What may be asked for as a Git location: https, http, ssh, and local folders that the operator allowed.
// Everything else (ext::, file://, git://, options in disguise) is refused here, before git sees it.
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { Refusal } from '#core/errors.js';

export type GitProtocol = 'https' | 'http' | 'ssh' | 'file';

/** A checked location. `url` and `shown` never hold a credential. */
export interface GitLocation {
  protocol: GitProtocol;
  /** What git is called with. */
  url: string;
  /** What people read. */
  shown: string;
  /** Lower case; empty for local folders. */
  host: string;
  /** `scheme://host:port` for https and http, `ssh://host:port` for ssh, `file` for folders: a credential goes to one origin only. */
  origin: string;
  /** The credential that stood in the location itself. */
  userinfo?: { username: string; password: string };
}

const EXPECTED = 'https://…, http://…, ssh://…, user@host:path, or a folder under KILNYARD_SOURCE_LOCAL_PATHS';

const CONTROL = /[\u0000-\u001f\u007f]/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/;
const SSH_USER = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const SCP_FORM = /^([^@/:\s]+)@([^:/\s]+):(?!\/\/)(.+)$/;
const MAX_LOCATION_LENGTH = 2_048;

/**
 * Checks a Git location.
 * In: the text as the project has it, and the folders under which local repositories may lie.
 * Errors: Refusal SOURCE_NOT_ALLOWED with what was expected; its text never shows a password.
 */
export async function checkGitLocation(text: string | undefined, localPaths: readonly string[]): Promise<GitLocation> {
  if (text === undefined || text === '') throw refuse('no location was given', '');
  if (text.length > MAX_LOCATION_LENGTH) throw refuse(`it is longer than ${MAX_LOCATION_LENGTH} characters`, text);
  if (CONTROL.test(text)) throw refuse('it has a control character in it', text);
  if (text.startsWith('-')) throw refuse('it looks like an option', text);
  if (isAbsolute(text)) return localLocation(text, localPaths);
  if (/^[A-Za-z][A-Za-z0-9+.-]*::/.test(text)) throw refuse('remote helpers are not allowed', text);
  if (/^(https?|ssh):\/\//i.test(text)) return urlLocation(text);
  const scp = SCP_FORM.exec(text);
  if (scp) return scpLocation(scp[1]!, scp[2]!, scp[3]!, text);
  throw refuse('its form or protocol is not allowed', text);
}

/** The name of a repository's mirror: the same for the same repository, whoever asks with whatever credential. */
export function mirrorName(location: GitLocation): string {
  return createHash('sha256').update(location.url.replace(/\/+$/, '')).digest('hex');
}

/** Takes userinfo and query out of everything in a text that looks like a URL. */
export function withoutUserinfo(text: string): string {
  return text.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/\s'"]*@/g, '$1');
}

function urlLocation(text: string): GitLocation {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse('it is not a URL', text);
  }
  const protocol = url.protocol.slice(0, -1) as 'https' | 'http' | 'ssh';
  if (!HOST.test(url.hostname)) throw refuse('its host name is not one', text);
  if (url.search || url.hash) throw refuse('a query or fragment is not allowed', text);
  if (url.pathname.length < 2) throw refuse('it names no repository on the host', text);
  const username = decoded(url.username, text);
  const password = decoded(url.password, text);
  url.password = '';
  if (protocol !== 'ssh') url.username = '';
  else if (username && !SSH_USER.test(username)) throw refuse('its user name is not one', text);
  const host = url.hostname.toLowerCase();
  return {
    protocol,
    url: url.href.replace(/\/+$/, ''),
    shown: url.href.replace(/\/+$/, ''),
    host: host.replace(/^\[|\]$/g, ''),
    origin: `${protocol}://${host}${url.port ? `:${url.port}` : ''}`,
    ...(protocol !== 'ssh' && (username || password) ? { userinfo: { username, password } } : {}),
  };
}

function scpLocation(user: string, host: string, path: string, text: string): GitLocation {
  if (!SSH_USER.test(user) || !HOST.test(host)) throw refuse('its user or host name is not one', text);
  if (path.startsWith('-')) throw refuse('its path looks like an option', text);
  const url = `${user}@${host.toLowerCase()}:${path.replace(/\/+$/, '')}`;
  return { protocol: 'ssh', url, shown: url, host: host.toLowerCase(), origin: `ssh://${host.toLowerCase()}` };
}

async function localLocation(text: string, localPaths: readonly string[]): Promise<GitLocation> {
  if (localPaths.length === 0) throw refuse('local folders are not allowed here', text);
  // realpath on both sides: a symlink inside an allowed folder must not lead out of it.
  const path = await realpath(text).catch(() => null);
  const isFolder = path !== null && (await stat(path)).isDirectory();
  for (const allowed of await Promise.all(localPaths.map((p) => realpath(p).catch(() => null)))) {
    if (isFolder && allowed !== null && (path === allowed || path.startsWith(allowed + sep))) {
      return { protocol: 'file', url: path, shown: path, host: '', origin: 'file' };
    }
  }
  throw refuse('it is no folder under the allowed ones', text);
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refuse('its user name or password is not URL-encoded text', text);
  }
}

function refuse(why: string, text: string): Refusal {
  const got = withoutUserinfo(text)
    .replace(/[\u0000-\u001f\u007f]/g, '?')
    .slice(0, 200);
  return new Refusal(
    'SOURCE_NOT_ALLOWED',
    `this source location is not allowed: ${got || '(empty)'}: ${why}; expected ${EXPECTED}`,
    {
      findings: [{ field: 'source.location', expected: EXPECTED, got }],
    },
  );
}
