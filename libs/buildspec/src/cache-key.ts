// The texts of `cache.key` and `cache.fallback-keys` (codebuild-contract C7): what can be said of them without a shell. Pure.
// CodeBuild evaluates them in the build's container, where `codebuild-hash-files` is a program. Most keys hold nothing but that and plain
// variables, and for those no container is asked.
import { excerpt } from './findings.js';

/** The values of variables by name. */
export type KnownValues = ReadonlyMap<string, string>;

const NAME = '[A-Za-z_][A-Za-z0-9_]*';
/** A word without anything for a shell to do but variables. */
const WORD = `'[^']*'|"[^"\`\\\\]*"|[^\\s'"\`\\\\|&;()<>#]+`;
const CALL = `codebuild-hash-files((?:\\s+(?:${WORD}))+)\\s*(?=[)|&;>]|$)`;
/** The whole of a `$(…)`, or a command among others. */
const CALLS = new RegExp(`\\$\\(\\s*${CALL}\\)|(?<![\\w./-])${CALL}`, 'g');

/**
 * Puts hashes in the place of what `codebuild-hash-files <pattern>…` would print: `$(codebuild-hash-files a)` becomes the hash, a call among
 * other commands becomes a `printf` of it.
 * In: `hash` of file patterns whose variables are filled in. Out: the text, in which variables and `$(…)` may still be.
 * Errors: Error for a call that needs a shell to be understood; what `hash` throws.
 */
export async function withFileHashes(
  text: string,
  values: KnownValues,
  hash: (patterns: string[]) => Promise<string>,
): Promise<string> {
  let out = '';
  let at = 0;
  for (const call of text.matchAll(CALLS)) {
    const found = await hash(wordsOf(call[1] ?? call[2] ?? '', values));
    out += text.slice(at, call.index) + (call[1] === undefined ? `printf '%s\\n' ${found} ` : found);
    at = call.index + call[0].length;
  }
  out += text.slice(at);
  if (!out.includes('codebuild-hash-files')) return out;
  throw new Error(
    `codebuild-hash-files takes file patterns, quoted or not, with plain variables of the build; got ${excerpt(text)}`,
  );
}

function wordsOf(words: string, values: KnownValues): string[] {
  return [...words.matchAll(new RegExp(WORD, 'g'))].map(([word]) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    const bare = word.startsWith('"') ? word.slice(1, -1) : word;
    const value = withoutShell(bare, values);
    if (value === null) throw new Error(`codebuild-hash-files: ${excerpt(word)} holds no plain variables of the build`);
    return value;
  });
}

/** A text whose variables are all known and which holds nothing else for a shell; else null. */
export function withoutShell(text: string, values: KnownValues): string | null {
  if (/[\\`]/.test(text)) return null;
  let plain = true;
  const out = text.replace(
    new RegExp(`\\$(?:(${NAME})|\\{(${NAME})\\})?`, 'g'),
    (_, bare?: string, braced?: string) => {
      const value = values.get(bare ?? braced ?? '');
      if (value === undefined) plain = false;
      return value ?? '';
    },
  );
  return plain ? out.replace(/\n+$/, '') : null;
}
