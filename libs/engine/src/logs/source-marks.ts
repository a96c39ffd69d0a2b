// Remembers how the container's raw output and what the stations make of it belong together, so that a stored log can be gone on
// with from the output alone. Called by pipeline.ts; SourcePoint of core/log-line.ts tells what a point is.
import type { SourcePoint } from '#core/log-line.js';

type Mark = Omit<SourcePoint, 'skip' | 'part'> & {
  /** Bytes made of the output before it. */
  made: number;
};

/** Marks are made in order; points are asked for in rising order. */
export class SourceMarks {
  #marks: Mark[] = [];
  /** Bytes made so far. */
  #made = 0;

  get made(): number {
    return this.#made;
  }

  /** So many more bytes were made. */
  count(bytes: number): void {
    this.#made += bytes;
  }

  /** From here on (after all that was counted) the output goes on at this state of the stations. */
  mark(state: Omit<Mark, 'made'>): void {
    if (this.#marks.at(-1)?.made === this.#made) this.#marks.pop();
    this.#marks.push({ ...state, made: this.#made });
  }

  /** The point behind the first `made` bytes. Errors: none are asked for before the first mark. */
  pointAt(made: number, part: SourcePoint['part']): SourcePoint {
    let last = 0;
    while (last + 1 < this.#marks.length && this.#marks[last + 1]!.made <= made) last += 1;
    this.#marks.splice(0, last);
    const { made: from, ...state } = this.#marks[0]!;
    return { ...state, skip: made - from, part };
  }
}
