// The pattern of `on-failure: RETRY-…-<regex>` as JavaScript's engine reads it. Pure; says nothing of when it is matched.

/** Flags that may stand at a pattern's beginning, as in RE2: `(?i)`. */
const INLINE_FLAGS = /^\(\?([ims]+)\)/;

/** Out: the parts of a RegExp, or null for a text that is none. */
export function errorPattern(text: string): { source: string; flags: string } | null {
  const inline = INLINE_FLAGS.exec(text);
  const source = text.slice(inline?.[0].length ?? 0);
  const flags = [...new Set(inline?.[1] ?? '')].join('');
  try {
    new RegExp(source, flags);
  } catch {
    return null; // the caller says what was expected
  }
  return { source, flags };
}
