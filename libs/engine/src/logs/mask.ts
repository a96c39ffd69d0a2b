// The first station of a line's way: replaces secrets by stars, before lines are cut, because a secret may span lines.
// Bytes in, bytes out. It has no clock: what may still become a secret is held back however long that takes.
import { PhaseFailure } from '#core/errors.js';
import { Automaton } from './automaton.js';
import { findKeyIds } from './key-ids.js';
import { isMaskable, secretForms } from './secret-forms.js';

export { isMaskable, MIN_SECRET_LENGTH } from './secret-forms.js';

/**
 * All secrets of a build together, bytes. Their forms take memory: measured, 3 MB for a private key of 4 KB, 42 MB for keys of 64 KB in
 * all; at worst (every byte needs an escape) 3 KB per byte of secret.
 */
export const MAX_SECRET_BYTES = 65_536;

/** What stands in the place of a secret, however long that is. */
export const STARS = Buffer.from('***');

/**
 * Masks a stream.
 * In: bytes, cut anywhere. Out: the same bytes with every maximal run that is covered by forms of secrets (see secret-forms.ts) or AWS
 * access key ids replaced by STARS; runs that overlap or touch become one. Where the input is cut makes no difference to the output.
 * Held back: at most the longest tail that some form begins with, so never more than the longest form.
 * Errors: PhaseFailure CLIENT_ERROR when the secrets are longer than MAX_SECRET_BYTES together. Not safe for use after end().
 */
export class Mask {
  readonly #secrets = new Set<string>();
  #automaton: Automaton | null = null;
  #state = 0;
  /** Input from #heldFrom on, still needed. All positions are offsets in the whole input. */
  #held: Buffer = Buffer.alloc(0);
  #heldFrom = 0;
  /** Everything before it has been passed on or starred; may lie beyond #heldFrom, inside a run whose stars are out. */
  #done = 0;
  /** End of the last run whose stars are out: what touches it needs none of its own. */
  #starredTo = -1;
  /** Runs to be starred from #done on: rising, neither overlapping nor touching. */
  #runs: Run[] = [];

  constructor(secrets: readonly string[] = []) {
    this.add(secrets);
  }

  get secrets(): string[] {
    return [...this.#secrets];
  }

  /**
   * Where another mask of the same secrets would go on with the same input and put out the rest of the same output.
   * Out: `at` = offset of the first byte that it needs; `starred` as SourcePoint has it.
   */
  get state(): { at: number; starred: number | null } {
    return { at: this.#heldFrom, starred: this.#starredTo === this.#done ? this.#done - this.#heldFrom : null };
  }

  /** Takes up the input at such a state. Only for a mask that has had no input yet, or whose input has ended. */
  goOn({ at, starred }: { at: number; starred: number | null }): void {
    this.#state = 0;
    this.#held = Buffer.alloc(0);
    this.#heldFrom = at;
    this.#done = at + (starred ?? 0);
    this.#starredTo = starred === null ? -1 : this.#done;
    this.#runs = [];
  }

  /** Masks these too, from here on: in what is held back and all that follows. Too short ones are passed over. */
  add(secrets: readonly string[]): void {
    const fresh = secrets.filter((secret) => isMaskable(secret) && !this.#secrets.has(secret));
    if (fresh.length === 0) return;
    const all = new Set([...this.#secrets, ...fresh]);
    checkSize(all);
    for (const secret of fresh) this.#secrets.add(secret);
    this.#automaton = new Automaton(uniqueForms(all));
    this.#state = 0;
    const known = this.#runs;
    this.#runs = [];
    this.#scan(this.#held, 0, this.#heldFrom);
    this.#mergeIn(known);
  }

  /** Out: what is safe to pass on; may be (a part of) `bytes` itself, or empty. `bytes` may be reused once the output was used. */
  push(bytes: Buffer): Buffer {
    const joined = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const from = this.#heldFrom;
    this.#scan(joined, this.#held.length, from);
    const keyIdsFrom = this.#findKeyIds(joined, from);
    const depth = this.#automaton === null ? 0 : this.#automaton.depthOf(this.#state);
    const decided = Math.min(from + joined.length - depth, keyIdsFrom);
    const out = this.#emit(joined, from, decided);
    this.#held = Buffer.from(joined.subarray(decided - from));
    this.#heldFrom = decided;
    return out;
  }

  /** The input is over. Out: what was held back. */
  end(): Buffer {
    const out = this.#emit(this.#held, this.#heldFrom, this.#heldFrom + this.#held.length);
    this.#heldFrom += this.#held.length;
    this.#held = Buffer.alloc(0);
    return out;
  }

  /** Masks a text of its own, beside the stream: what is held back stays so. */
  whole(bytes: Buffer): Buffer {
    const aside = new Mask();
    aside.#automaton = this.#automaton;
    return Buffer.concat([aside.push(bytes), aside.end()]);
  }

  #scan(bytes: Buffer, start: number, from: number): void {
    if (this.#automaton === null) return;
    this.#state = this.#automaton.scan(bytes, start, bytes.length, this.#state, (end, length) => {
      this.#addRun(from + end - length, from + end);
    });
  }

  #findKeyIds(bytes: Buffer, from: number): number {
    const found: Run[] = [];
    const open = findKeyIds(bytes, (start, end) => found.push({ start: from + start, end: from + end }));
    this.#mergeIn(found);
    return from + open;
  }

  #mergeIn(runs: readonly Run[]): void {
    if (runs.length === 0) return;
    const all = [...this.#runs, ...runs].sort((a, b) => a.end - b.end);
    this.#runs = [];
    for (const run of all) this.#addRun(run.start, run.end);
  }

  /** Runs must come by rising end; one that reaches back over earlier ones swallows them. */
  #addRun(start: number, end: number): void {
    let first = start;
    for (let last = this.#runs.at(-1); last !== undefined && last.end >= first; last = this.#runs.at(-1)) {
      first = Math.min(first, last.start);
      this.#runs.pop();
    }
    this.#runs.push({ start: first, end });
  }

  /** Passes on what lies before `decided`; a run that begins before it is starred to its end. */
  #emit(bytes: Buffer, from: number, decided: number): Buffer {
    const parts: Buffer[] = [];
    let used = 0;
    for (const run of this.#runs) {
      if (run.start >= decided && run.start > this.#starredTo) break;
      if (run.start > this.#done) parts.push(bytes.subarray(this.#done - from, run.start - from));
      if (run.start > this.#starredTo) parts.push(STARS);
      this.#done = Math.max(this.#done, run.end);
      this.#starredTo = this.#done;
      used += 1;
    }
    if (used > 0) this.#runs.splice(0, used);
    if (decided > this.#done) {
      parts.push(bytes.subarray(this.#done - from, decided - from));
      this.#done = decided;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}

interface Run {
  start: number;
  end: number;
}

function checkSize(secrets: ReadonlySet<string>): void {
  let bytes = 0;
  for (const secret of secrets) bytes += Buffer.byteLength(secret);
  if (bytes > MAX_SECRET_BYTES) {
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `The secrets of this build are too long to be masked: expected at most ${MAX_SECRET_BYTES} bytes together, got ${bytes}`,
    );
  }
}

function uniqueForms(secrets: ReadonlySet<string>): Buffer[] {
  const forms = new Map<string, Buffer>();
  for (const secret of secrets) {
    for (const form of secretForms(secret)) forms.set(form.toString('latin1'), form);
  }
  return [...forms.values()];
}
