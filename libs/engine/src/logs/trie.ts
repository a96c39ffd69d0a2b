// The trie under the automaton: the sequences as one tree of their common beginnings. Called by automaton.ts alone.

/** Per state, the root being 0. States are in breadth-first order, so the children of s are firstChild[s] up to, not including, firstChild[s + 1]. */
export interface Trie {
  /** On the way from the parent. */
  byte: Uint8Array;
  depth: Int32Array;
  parent: Int32Array;
  /** One longer than the others. */
  firstChild: Int32Array;
  /** Length of the sequence that ends here; 0 for none. */
  matched: Int32Array;
}

/** The trie of the sequences, its states numbered breadth first. */
export function growTrie(sequences: readonly Buffer[]): Trie {
  // 1. Sorted, each sequence shares its longest known prefix with the one before: no search for children.
  const sorted = [...sequences].sort((a, b) => Buffer.compare(a, b));
  const bound = sorted.reduce((sum, sequence) => sum + sequence.length, 1);
  const walk = { byte: new Uint8Array(bound), depth: new Int32Array(bound), parent: new Int32Array(bound) };
  const ends = new Uint8Array(bound);
  const path: number[] = [0];
  let count = 1;
  let before: Buffer = Buffer.alloc(0);
  for (const sequence of sorted) {
    let shared = 0;
    while (shared < before.length && shared < sequence.length && before[shared] === sequence[shared]) shared += 1;
    for (let at = shared; at < sequence.length; at += 1) {
      walk.byte[count] = sequence[at]!;
      walk.depth[count] = at + 1;
      walk.parent[count] = path[at]!;
      path[at + 1] = count++;
    }
    ends[path[sequence.length]!] = 1;
    before = sequence;
  }
  return renumber(walk, ends, count);
}

/** Depth-first numbers to breadth-first ones, by a counting sort on depth; it is stable, so siblings stay together. */
function renumber(
  walk: { byte: Uint8Array; depth: Int32Array; parent: Int32Array },
  ends: Uint8Array,
  count: number,
): Trie {
  let deepest = 0;
  for (let state = 0; state < count; state += 1) deepest = Math.max(deepest, walk.depth[state]!);
  const next = new Int32Array(deepest + 2);
  for (let state = 0; state < count; state += 1) next[walk.depth[state]! + 1]! += 1;
  for (let depth = 0; depth <= deepest; depth += 1) next[depth + 1]! += next[depth]!;
  const renamed = new Int32Array(count);
  for (let state = 0; state < count; state += 1) renamed[state] = next[walk.depth[state]!]!++;
  const trie: Trie = {
    byte: new Uint8Array(count),
    depth: new Int32Array(count),
    parent: new Int32Array(count),
    firstChild: new Int32Array(count + 1),
    matched: new Int32Array(count),
  };
  for (let state = 0; state < count; state += 1) {
    const name = renamed[state]!;
    trie.byte[name] = walk.byte[state]!;
    trie.depth[name] = walk.depth[state]!;
    trie.parent[name] = renamed[walk.parent[state]!]!;
    trie.matched[name] = ends[state] === 1 ? walk.depth[state]! : 0;
  }
  for (let state = 1; state < count; state += 1) trie.firstChild[trie.parent[state]! + 1]! += 1;
  trie.firstChild[0] = 1;
  for (let state = 0; state < count; state += 1) trie.firstChild[state + 1]! += trie.firstChild[state]!;
  return trie;
}
