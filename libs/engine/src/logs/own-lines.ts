// Puts the script's own `[Container] …` lines at the beginning of a line, where a command's output before them ended in the middle
// of one. The script marks each with a record separator (U+001E) in front; the mark is taken away here.
// A build may print the mark itself: then its own text begins a line, and nothing else happens.
import { SYSTEM_PREFIX } from './lines.js';

const MARK = 0x1e;
const MARKED = Buffer.from(`\x1e${SYSTEM_PREFIX}`);
const NEWLINE = Buffer.from('\n');

/** Bytes in, bytes out; holds back at most a mark that may go on in the next piece. */
export class OwnLines {
  #held: Buffer;
  #atLineStart: boolean;

  /** In: where another left off; absent at the beginning. */
  constructor(after: { mark: number; lineStart: boolean } = { mark: 0, lineStart: true }) {
    this.#held = MARKED.subarray(0, after.mark);
    this.#atLineStart = after.lineStart;
  }

  /** Where another would go on behind what has gone in. */
  get state(): { mark: number; lineStart: boolean } {
    return { mark: this.#held.length, lineStart: this.#atLineStart };
  }

  push(bytes: Buffer): Buffer {
    const input = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = Buffer.alloc(0);
    if (!input.includes(MARK)) return this.#pass([input]);
    const parts: Buffer[] = [];
    let from = 0;
    for (let at = input.indexOf(MARK); at >= 0; at = input.indexOf(MARK, at + 1)) {
      const seen = input.subarray(at, at + MARKED.length);
      if (!MARKED.subarray(0, seen.length).equals(seen)) continue;
      parts.push(input.subarray(from, at));
      if (seen.length < MARKED.length) {
        this.#held = Buffer.from(seen);
        return this.#pass(parts);
      }
      if (!endsLine(parts, this.#atLineStart)) parts.push(NEWLINE);
      from = at + 1;
    }
    parts.push(input.subarray(from));
    return this.#pass(parts);
  }

  /** What was held back and came to nothing. */
  end(): Buffer {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return this.#pass([held]);
  }

  #pass(parts: Buffer[]): Buffer {
    this.#atLineStart = endsLine(parts, this.#atLineStart);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}

function endsLine(parts: readonly Buffer[], before: boolean): boolean {
  const last = parts.findLast((part) => part.length > 0);
  return last === undefined ? before : last[last.length - 1] === 0x0a;
}
