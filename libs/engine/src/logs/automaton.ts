// An Aho-Corasick automaton over byte sequences: finds all of them in one pass, whatever their overlaps. Called by mask.ts alone.
// It knows bytes and positions, not secrets. Two layouts for speed and size: the states near the root, where a text without a match
// stays, are dense rows over byte classes; the deep ones are sparse (17 bytes each) with failure links.
import { growTrie } from './trie.js';

/** Dense states at most; with every byte a class of its own they take 4 MiB. */
const MAX_DENSE_STATES = 4096;
/** Depth down to which states are dense. */
const MAX_DENSE_DEPTH = 3;

/** Hears of the longest sequence that ends before `end`: it covers [end - length, end). */
export type OnMatch = (end: number, length: number) => void;

export class Automaton {
  readonly stateCount: number;
  /** Class of each byte value; 0 for bytes that are in no sequence. */
  readonly #classOf = new Uint8Array(256);
  readonly #classCount: number;
  /** Dense rows. An entry below #denseEnd is the start of a dense row, one from there on is #denseEnd + (state - #denseCount). */
  readonly #rows: Int32Array;
  readonly #denseCount: number;
  readonly #denseEnd: number;
  /** Per state, in breadth-first order, so that the children of s are #firstChild[s] up to, not including, #firstChild[s + 1]. */
  readonly #byte: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  /** Length of the longest sequence that ends in the state; 0 for none. */
  readonly #matched: Int32Array;

  /** In: at least one sequence, none empty. Memory: 17 bytes per state (at most one per byte of input) and the dense rows. */
  constructor(sequences: readonly Buffer[]) {
    const trie = growTrie(sequences);
    this.stateCount = trie.byte.length;
    this.#byte = trie.byte;
    this.#depth = trie.depth;
    this.#firstChild = trie.firstChild;
    this.#matched = trie.matched;
    this.#fail = new Int32Array(this.stateCount);
    this.#linkFailures(trie.parent);
    this.#classCount = this.#numberClasses();
    this.#denseCount = this.#countDense(Math.min(...sequences.map((sequence) => sequence.length)));
    this.#denseEnd = this.#denseCount * this.#classCount;
    this.#rows = new Int32Array(this.#denseEnd);
    this.#fillRows();
  }

  /** Bytes that the tables take. */
  get sizeBytes(): number {
    return this.#rows.byteLength + this.stateCount * 17;
  }

  /** Length of the longest tail of what was read that a sequence begins with. */
  depthOf(state: number): number {
    return this.#depth[this.#toState(state)]!;
  }

  /**
   * Reads bytes [from, to) and tells every match, by rising end. Start with state 0.
   * Out: the state to go on with; opaque but for 0.
   */
  scan(bytes: Uint8Array, from: number, to: number, state: number, onMatch: OnMatch): number {
    const rows = this.#rows;
    const classOf = this.#classOf;
    const denseEnd = this.#denseEnd;
    const sparseBase = denseEnd - this.#denseCount;
    let at = from;
    let now = state;
    while (at < to) {
      if (now < denseEnd) {
        // Dense states are shallower than the shortest sequence: nothing can match in them.
        do {
          now = rows[now + classOf[bytes[at]!]!]!;
          at += 1;
        } while (now < denseEnd && at < to);
      } else {
        now = this.#stepSparse(now - sparseBase, bytes[at]!);
        at += 1;
      }
      const length = now < denseEnd ? 0 : this.#matched[now - sparseBase]!;
      if (length > 0) onMatch(at, length);
    }
    return now;
  }

  #stepSparse(from: number, byte: number): number {
    let state = from;
    while (state >= this.#denseCount) {
      const child = this.#childOf(state, byte);
      if (child !== 0) return this.#toCode(child);
      state = this.#fail[state]!;
    }
    return this.#rows[state * this.#classCount + this.#classOf[byte]!]!;
  }

  #childOf(state: number, byte: number): number {
    const end = this.#firstChild[state + 1]!;
    for (let child = this.#firstChild[state]!; child < end; child += 1) {
      if (this.#byte[child] === byte) return child;
    }
    return 0;
  }

  #toCode(state: number): number {
    return state < this.#denseCount ? state * this.#classCount : this.#denseEnd + state - this.#denseCount;
  }

  #toState(code: number): number {
    return code < this.#denseEnd ? code / this.#classCount : code - this.#denseEnd + this.#denseCount;
  }

  /** Failure link: the state of the longest proper tail. Parents come before children, so one walk in order does. */
  #linkFailures(parent: Int32Array): void {
    for (let state = 1; state < this.stateCount; state += 1) {
      if (this.#depth[state]! > 1) {
        const byte = this.#byte[state]!;
        let tail = this.#fail[parent[state]!]!;
        let found = this.#childOf(tail, byte);
        while (found === 0 && tail !== 0) {
          tail = this.#fail[tail]!;
          found = this.#childOf(tail, byte);
        }
        this.#fail[state] = found;
      }
      if (this.#matched[state] === 0) this.#matched[state] = this.#matched[this.#fail[state]!]!;
    }
  }

  #numberClasses(): number {
    let count = 1;
    for (let state = 1; state < this.stateCount; state += 1) {
      const byte = this.#byte[state]!;
      // 256 classes fit beside class 0 only if one byte value is unused; when all are used, class 0 is the last one's.
      if (this.#classOf[byte] === 0 && count < 256) this.#classOf[byte] = count++;
    }
    return count;
  }

  #countDense(shortest: number): number {
    const deepest = Math.min(MAX_DENSE_DEPTH, shortest - 1);
    let count = 1;
    while (count < this.stateCount && count < MAX_DENSE_STATES && this.#depth[count]! <= deepest) count += 1;
    return count;
  }

  #fillRows(): void {
    const width = this.#classCount;
    for (let state = 0; state < this.#denseCount; state += 1) {
      const row = state * width;
      if (state > 0) this.#rows.copyWithin(row, this.#fail[state]! * width, (this.#fail[state]! + 1) * width);
      for (let child = this.#firstChild[state]!; child < this.#firstChild[state + 1]!; child += 1) {
        this.#rows[row + this.#classOf[this.#byte[child]!]!] = this.#toCode(child);
      }
    }
  }
}
