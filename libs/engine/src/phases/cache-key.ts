// What `cache.key` and `cache.fallback-keys` are for one build. Called by cache.ts in DOWNLOAD_SOURCE, before any command of the build.
// Variables and codebuild-hash-files are worked out here; anything else is a shell's business, and is run in the build's own container.
import { createHash, randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { withFileHashes, withoutShell } from '#buildspec/cache-key.js';
import type { PlannedCache } from '#buildspec/plan.js';
import type { BuildRun } from '../build-run.js';
import { shellExpansion, shellQuote } from '../script/shell-quote.js';
import { findFiles } from './find-files.js';

/** A key is a column of an index. */
const MAX_KEY_BYTES = 1_024;
/** How long the commands of a build's keys may take together. */
const SHELL_MS = 60_000;

export interface CacheKeys {
  /** Empty: the project's one entry without a key. */
  key: string;
  /** In their order; none is empty. */
  fallbacks: string[];
  /** Commands of the build ran for it, and may have left processes in the container. */
  ranCommands: boolean;
}

interface Variable {
  name: string;
  value: string;
}

/**
 * In: all variables of the build, the last of a name wins. Secrets in a key are masked before it leaves here.
 * Errors: Error saying what is wrong with the key, for the log: the cache is not used then; the signal's reason.
 */
export async function cacheKeys(
  run: BuildRun,
  cache: PlannedCache,
  variables: readonly Variable[],
): Promise<CacheKeys> {
  if (cache.key === null) return { key: '', fallbacks: [], ranCommands: false };
  const values = new Map(variables.map(({ name, value }) => [name, value]));
  const hash = (patterns: string[]): Promise<string> => hashFiles(run, patterns);
  const texts: string[] = [];
  for (const text of [cache.key, ...cache.fallbackKeys]) texts.push(await withFileHashes(text, values, hash));
  const plain = texts.map((text) => withoutShell(text, values));
  const ranCommands = plain.includes(null);
  const told = ranCommands ? await byShell(run, texts, variables) : (plain as string[]);
  const [key, ...fallbacks] = told.map((one) => run.log.masked(one));
  checkKey(key!);
  return { key: key!, fallbacks: fallbacks.filter((one) => one !== '' && isKey(one)), ranCommands };
}

function isKey(key: string): boolean {
  return !/[\u0000-\u001f\u007f]/.test(key) && Buffer.byteLength(key) <= MAX_KEY_BYTES;
}

function checkKey(key: string): void {
  if (key === '') throw new Error('it is empty');
  if (!isKey(key)) throw new Error(`expected at most ${MAX_KEY_BYTES} bytes without control characters`);
}

/**
 * One hash over names and contents of the files that patterns mean, of the source alone, in the order of their names; of a symbolic link
 * its target counts. No file: the hash of nothing.
 */
async function hashFiles(run: BuildRun, patterns: readonly string[]): Promise<string> {
  const base = run.source!.sourceDir;
  const found = findFiles({
    sandbox: run.sandbox!,
    base,
    patterns: patterns.map((pattern) => inSource(base, pattern)),
    // differs between two clones of one commit
    excludes: ['.git/**/*'],
    types: ['file', 'symlink'],
    signal: run.signal,
    onNothing: (pattern) => run.log.say(`codebuild-hash-files: no file matches ${pattern}`),
  });
  const lines: string[] = [];
  for await (const { name, file } of found) {
    const hash = createHash('sha256');
    if (file.type === 'symlink') hash.update(`link ${file.linkTarget ?? ''}`);
    else await pipeline(await file.open(), hash, { signal: run.signal });
    lines.push(`${name}\0${hash.digest('hex')}\n`);
  }
  return createHash('sha256').update(lines.sort().join('')).digest('hex');
}

function inSource(base: string, pattern: string): string {
  const inside = posix.relative(base, posix.resolve(base, pattern));
  if (inside === '' || inside.startsWith('..'))
    throw new Error(`codebuild-hash-files hashes files of the source; got ${pattern}`);
  return inside;
}

/** The texts as the container's shell expands them, in the source folder and with the build's variables. */
async function byShell(run: BuildRun, texts: readonly string[], variables: readonly Variable[]): Promise<string[]> {
  const mark = randomBytes(16).toString('hex');
  const script = [
    ...variables.map(({ name, value }) => `export ${name}=${shellQuote(value)}`),
    `cd ${shellQuote(run.source!.sourceDir)} || exit 1`,
    ...texts.map(
      (text) => `(eval ${shellQuote(`__k_v=${shellExpansion(text)}`)} && printf '%s\\n${mark}\\n' "$__k_v")`,
    ),
  ].join('\n');
  const late = new AbortController();
  const done = new AbortController();
  run.ports.clock.sleep(SHELL_MS, AbortSignal.any([run.signal, done.signal])).then(
    () => late.abort(new Error(`its commands took more than ${SHELL_MS / 1000} s`)),
    () => undefined, // they have ended, or the build has
  );
  try {
    const { exitCode, output, errors } = await run.sandbox!.runAside(
      script,
      AbortSignal.any([run.signal, late.signal]),
    );
    const parts = output.toString('utf8').split(`\n${mark}\n`);
    if (parts.length === texts.length + 1) return parts.slice(0, -1);
    throw new Error(`its shell ended with exit status ${exitCode}: ${errors.toString('utf8').trim().slice(0, 500)}`);
  } finally {
    done.abort();
  }
}
