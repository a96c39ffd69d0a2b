// Tells what a project's or a request's `buildspec` setting is: the text itself, or the path of a file in the source.
import type { Finding } from '#core/errors.js';
import { buildspecInvalid, excerpt, Findings } from './findings.js';
import { MAX_BUILDSPEC_PATH_LENGTH } from './limits.js';
import { readYaml } from './yaml-tree.js';

export const DEFAULT_BUILDSPEC_PATH = 'buildspec.yml';

export type BuildspecLocation = { kind: 'inline'; text: string } | { kind: 'path'; path: string };

/**
 * Where the buildspec is (codebuild-contract C1; CodeBuild does not document how it tells the forms apart).
 * Not set or blank: buildspec.yml. Starts with `arn:`: refused. Holds a newline, or reads as a YAML map with `version`: inline. Else a path.
 * Out: a path is relative to the root of the primary source, `/`-separated, without `.` or empty parts. Whether links lead it out of the
 * source is for its reader to see.
 * Errors: Refusal BUILDSPEC_INVALID for an ARN, and for a path that is absolute, leaves the source, or is too long.
 */
export function locateBuildspec(setting: string | undefined): BuildspecLocation {
  const value = setting ?? '';
  if (value.trim() === '') return { kind: 'path', path: DEFAULT_BUILDSPEC_PATH };
  const trimmed = value.trim();
  if (trimmed.startsWith('arn:') && !trimmed.includes('\n')) {
    throw refused('inline YAML or a path inside the source (Kilnyard reads no buildspec from S3)', trimmed);
  }
  if (trimmed.includes('\n') || isMapWithVersion(trimmed)) return { kind: 'inline', text: value };
  return { kind: 'path', path: checkPath(trimmed) };
}

function isMapWithVersion(text: string): boolean {
  if (!text.includes('version')) return false;
  try {
    const root = readYaml(text, new Findings());
    return root.kind === 'map' && root.entries.has('version');
  } catch {
    // What is no YAML is no inline buildspec; it is looked at as a path.
    return false;
  }
}

function checkPath(path: string): string {
  if (path.length > MAX_BUILDSPEC_PATH_LENGTH) {
    throw refused(`a path of at most ${MAX_BUILDSPEC_PATH_LENGTH} characters (MAX_BUILDSPEC_PATH_LENGTH)`, path);
  }
  if (path.startsWith('/')) throw refused('a path relative to the root of the source', path);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused('a path inside the source, without ..', path);
  if (parts.length === 0 || path.endsWith('/')) throw refused('the path of a file', path);
  if (path.includes('\0') || path.includes('\\')) throw refused('a path without backslashes and NUL characters', path);
  return parts.join('/');
}

function refused(expected: string, got: string) {
  const finding: Finding = { field: 'buildspec', expected, got: excerpt(got) };
  return buildspecInvalid([finding]);
}
