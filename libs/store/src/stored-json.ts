// Values on their way into JSON and text columns. Postgres takes neither NUL nor half a surrogate pair, and builds' output has both.

const REPLACEMENT = '\uFFFD';

/** Text that Postgres takes: NUL and lone surrogates become U+FFFD. */
export function storedText(text: string): string {
  return text.replace(/[\0\p{Surrogate}]/gu, REPLACEMENT);
}

/** JSON text of a value, every string in it (keys too) as storedText leaves it; undefined members are left out. */
export function storedJson(value: unknown): string {
  // Escapes are of whole code units, so a lone surrogate or NUL stands as one escape of its own behind an even number of backslashes.
  return JSON.stringify(value).replace(/\\(\\|u(?:0000|d[89a-f][0-9a-f]{2}))/g, (whole, escape: string) =>
    escape === '\\' ? whole : REPLACEMENT,
  );
}
