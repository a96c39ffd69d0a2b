// What a mistyped word was probably meant to be. Knows the buildspec's keys by name, and where each belongs.
const LONGEST_COMPARED = 64;
const SHORTEST_BEGINNING = 3;

/** Keys that are often written in the wrong map, or under another name, and the place that they belong to. */
const HOMES: Readonly<Record<string, string>> = {
  environment: 'env',
  environment_variables: 'env.variables',
  ...Object.fromEntries(
    ['version', 'run-as', 'env', 'proxy', 'batch', 'phases', 'reports', 'artifacts', 'cache'].map((key) => [key, key]),
  ),
  ...within('phases', ['install', 'pre_build', 'build', 'post_build']),
  ...within('phases.install', ['runtime-versions']),
  ...within('phases.build', ['commands', 'finally', 'on-failure']),
  ...within('env', [
    'shell',
    'variables',
    'parameter-store',
    'secrets-manager',
    'exported-variables',
    'git-credential-helper',
  ]),
  ...within('artifacts', ['files', 'exclude-paths', 'enable-symlinks', 'secondary-artifacts']),
  ...within('cache', ['paths', 'key', 'fallback-keys']),
  ...within('batch', ['build-list', 'build-graph', 'build-matrix', 'build-fanout', 'fast-fail']),
};

function within(section: string, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, `${section}.${key}`]));
}

/** The key that an unknown one may have been meant to be: the path of its home when it stands in the wrong map, else a key of this one. */
export function suggestKey(section: string, key: string, known: readonly string[]): string | null {
  const home = Object.hasOwn(HOMES, key) ? HOMES[key] : undefined;
  return home !== undefined && home !== (section === '' ? key : `${section}.${key}`) ? home : closest(key, known);
}

/**
 * The nearest of `known` to a word, or null when none is near: a third of its characters may be wrong, missing, too many or swapped with
 * their neighbour, or its end left out. Case, `-`, `_` and spaces do not count. Of equally near ones the first.
 */
export function closest(word: string, known: readonly string[]): string | null {
  if (word.length > LONGEST_COMPARED) return null;
  const plainWord = plain(word);
  let best: string | null = null;
  let least = Math.floor(plainWord.length / 3) + 1;
  for (const candidate of known) {
    const other = plain(candidate);
    const begun = plainWord.length >= SHORTEST_BEGINNING && other.startsWith(plainWord);
    if (!begun && Math.abs(other.length - plainWord.length) >= least) continue;
    const distance = begun ? Math.min(1, other.length - plainWord.length) : editDistance(plainWord, other);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let distance = Math.min(at(above, column) + 1, at(current, column - 1) + 1, at(above, column - 1) + cost);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(before, column - 2) + 1);
      }
      current.push(distance);
    }
    [before, above] = [above, current];
  }
  return at(above, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.MAX_SAFE_INTEGER;
}
