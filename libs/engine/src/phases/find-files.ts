// Finds the files that patterns mean, in a sandbox whose commands are over.
import { posix } from 'node:path';
import { compileGlobs, literalPrefix } from '#buildspec/globs.js';
import type { Sandbox, SandboxFile } from '../backend/backend.js';

export interface FoundFile {
  /** Relative to the base folder; for a file outside it, its absolute path without the leading slash. */
  name: string;
  /** Absolute, inside. */
  path: string;
  file: SandboxFile;
}

export interface FileSearch {
  sandbox: Sandbox;
  /** Absolute folder inside; relative patterns start here. */
  base: string;
  /** Relative to the base, or absolute. */
  patterns: readonly string[];
  /** Relative to the base. */
  excludes: readonly string[];
  /** What may match; the rest is passed over. */
  types: readonly SandboxFile['type'][];
  signal: AbortSignal;
  /** Told for each pattern before it is looked for. */
  onPattern?: (pattern: string) => Promise<void>;
  /** Told for each pattern that matched nothing. */
  onNothing?: (pattern: string) => Promise<void>;
}

/** Pattern by pattern, each file once. */
export async function* findFiles(search: FileSearch): AsyncGenerator<FoundFile> {
  const given = new Set<string>();
  for (const pattern of search.patterns) {
    await search.onPattern?.(pattern);
    let found = false;
    for await (const one of matching(search, pattern)) {
      found = true;
      if (given.has(one.name)) continue;
      given.add(one.name);
      yield one;
    }
    if (!found) await search.onNothing?.(pattern);
  }
}

async function* matching(search: FileSearch, pattern: string): AsyncGenerator<FoundFile> {
  const absolute = posix.isAbsolute(pattern);
  // an absolute pattern is looked for below its own folder, or relative to the base where it points into it
  const inBase = absolute ? posix.relative(search.base, pattern) : pattern;
  const outside = absolute && (inBase.startsWith('..') || inBase === '');
  const root = outside ? '/' : search.base;
  const wanted = outside ? pattern.replace(/^\/+/, '') : inBase;
  const matches = compileGlobs([wanted], outside ? [] : search.excludes);
  const prefix = literalPrefix(wanted);
  for await (const file of search.sandbox.files(posix.join(root, prefix), search.signal)) {
    if (!search.types.includes(file.type)) continue;
    const name = prefix === '' ? file.path : `${prefix}/${file.path}`;
    if (matches(name)) yield { name, path: posix.join(root, name), file };
  }
}
