// Which locations a source may have, by its type. The same rules hold for a project and for a build's overrides.
// The worker checks again when it fetches: what is stored may be older than a rule.
import type { ProjectSource, SourceType } from '#core/project.js';

/** What is wrong with one field of a source. */
export interface SourceMistake {
  field: 'location' | 'reportBuildStatus' | 'auth';
  expected: string;
}

type CheckedSource = { type: SourceType } & {
  [K in 'location' | 'reportBuildStatus']?: ProjectSource[K] | undefined;
} & { auth?: unknown };

const UPLOAD = /^upload:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** `git@host:path`, Git's short form of ssh; the host must not look like an option. */
const SCP_LIKE = /^(?:[A-Za-z0-9._~-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!\/\/|:)[^\s]+$/;
const GIT_SCHEMES = ['https:', 'http:', 'ssh:'];
const ARCHIVE_SCHEMES = ['https:', 'http:'];
const GIT_EXPECTED = 'a Git URL (https://, http://, ssh:// or user@host:path)';
const ARCHIVE_EXPECTED = 'an archive URL (https:// or http://) or `upload:<id>`';

/** All mistakes that can be seen without the service's settings; empty when there is none. */
export function sourceMistakes(source: CheckedSource): SourceMistake[] {
  const mistakes: SourceMistake[] = [];
  const location = locationMistake(source.type, source.location);
  if (location !== null) mistakes.push({ field: 'location', expected: location });
  if (source.reportBuildStatus !== undefined && ['S3', 'ARCHIVE', 'CODECOMMIT', 'NO_SOURCE'].includes(source.type))
    mistakes.push({ field: 'reportBuildStatus', expected: `no reportBuildStatus with ${source.type}` });
  if (source.type === 'NO_SOURCE' && source.auth !== undefined)
    mistakes.push({ field: 'auth', expected: 'no auth with NO_SOURCE' });
  return mistakes;
}

/** True for a location that is a path on the worker's disk, which only the operator's folders allow. */
export function isLocalPath(location: string): boolean {
  return location.startsWith('/');
}

function locationMistake(type: SourceType, location: string | undefined): string | null {
  if (type === 'NO_SOURCE') return null;
  const archive = type === 'ARCHIVE' || type === 'S3';
  if (location === undefined) return archive ? ARCHIVE_EXPECTED : GIT_EXPECTED;
  if (archive) return UPLOAD.test(location) || isUrl(location, ARCHIVE_SCHEMES) ? null : ARCHIVE_EXPECTED;
  return gitMistake(type, location);
}

function gitMistake(type: SourceType, location: string): string | null {
  if (location.startsWith('-') || location.includes('::')) return GIT_EXPECTED;
  if (isLocalPath(location)) {
    if (type !== 'GIT') return GIT_EXPECTED;
    return location.split('/').includes('..') ? 'an absolute path without `..`' : null;
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(location)) {
    if (!isUrl(location, GIT_SCHEMES)) return GIT_EXPECTED;
    return new URL(location).password === '' ? null : 'a URL without a password; name a secret in `auth` instead';
  }
  return SCP_LIKE.test(location) ? null : GIT_EXPECTED;
}

function isUrl(location: string, schemes: string[]): boolean {
  if (!URL.canParse(location)) return false;
  const url = new URL(location);
  return schemes.includes(url.protocol) && url.hostname !== '' && !/^%?-/.test(url.hostname) && !/\s/.test(location);
}
