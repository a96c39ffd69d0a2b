// CodeBuild's file patterns for artifacts, caches and reports (codebuild-contract C5): which file does a pattern mean?
// Written by hand instead of as a regular expression: patterns are user input, and no pattern takes more than
// (length of pattern) x (length of path) steps here.
import { Refusal } from '#core/errors.js';
import { excerpt } from './findings.js';
import { compileGlobPart, hasGlob, type PartMatcher } from './glob-part.js';
import { MAX_GLOB_LENGTH, MAX_GLOBS } from './limits.js';

/** Tells of a file's path, `/`-separated, whether it is meant. Paths are relative where the pattern is, absolute where it is. */
export type GlobMatcher = (path: string) => boolean;

const ANY_PARTS = Symbol('**');
type Part = PartMatcher | typeof ANY_PARTS;

/**
 * Which files a list of patterns takes: those that some pattern matches and no exclusion does.
 * In: patterns with their shell variables filled in. No pattern matches no file.
 * Errors: Refusal LIMIT_EXCEEDED for too many or too long patterns.
 */
export function compileGlobs(patterns: readonly string[], excludes: readonly string[] = []): GlobMatcher {
  const takes = compileAll(patterns);
  const drops = compileAll(excludes);
  return (path) => takes.some((matches) => matches(path)) && !drops.some((matches) => matches(path));
}

function compileAll(patterns: readonly string[]): GlobMatcher[] {
  if (patterns.length > MAX_GLOBS) {
    throw limit(`${patterns.length} file patterns: expected at most ${MAX_GLOBS} (MAX_GLOBS)`);
  }
  return patterns.map(compileGlob);
}

/**
 * One pattern. `*` and `?` do not cross `/`; a part that is `**` stands for any number of folders, at the end for any file below;
 * `[abc]`, `[a-z]`, `[!a]` and `\` before a character; dot files are files like any other; braces stand for themselves.
 * `**` inside a longer part is `*`. A pattern that names a folder matches nothing: files are matched, and `dir` is none.
 * Errors: Refusal LIMIT_EXCEEDED.
 */
export function compileGlob(pattern: string): GlobMatcher {
  if (pattern.length > MAX_GLOB_LENGTH) {
    throw limit(`file pattern ${excerpt(pattern)}: expected at most ${MAX_GLOB_LENGTH} characters (MAX_GLOB_LENGTH)`);
  }
  if (pattern === '' || pattern.endsWith('/')) return () => false;
  const parts = partsOf(pattern).map((part): Part => (part === '**' ? ANY_PARTS : compileGlobPart(part)));
  return (path) => matchParts(parts, path.split('/'));
}

/**
 * The longest run of whole folders at a pattern's start that are plain names: where a walker may begin.
 * Out: `a/b` of `a/b/*.c`, `/` of `/*`, empty for the base folder. Never a `..`: such a pattern matches nothing and is walked from the base.
 */
export function literalPrefix(pattern: string): string {
  const parts = partsOf(pattern);
  const folders = parts.slice(0, -1);
  const end = folders.findIndex(hasGlob);
  const prefix = end === -1 ? folders : folders.slice(0, end);
  if (parts.includes('..')) return '';
  return prefix.length === 1 && prefix[0] === '' ? '/' : prefix.join('/');
}

/** A leading empty part says that the pattern is absolute; other empty parts and `.` mean nothing. */
function partsOf(pattern: string): string[] {
  return pattern.split('/').filter((part, index) => part !== '.' && (part !== '' || index === 0));
}

/** Goes back only to the last `**`: what an earlier one could take, the last can take too. */
function matchParts(parts: readonly Part[], names: readonly string[]): boolean {
  let part = 0;
  let name = 0;
  let lastAny = -1;
  let lastName = 0;
  while (name < names.length) {
    const now = parts[part];
    if (now === ANY_PARTS) {
      lastAny = part;
      lastName = name;
      part += 1;
    } else if (now !== undefined && now(names[name] ?? '')) {
      part += 1;
      name += 1;
    } else if (lastAny >= 0) {
      lastName += 1;
      part = lastAny + 1;
      name = lastName;
    } else {
      return false;
    }
  }
  return part === parts.length;
}

function limit(message: string): Refusal {
  return new Refusal('LIMIT_EXCEEDED', message);
}
