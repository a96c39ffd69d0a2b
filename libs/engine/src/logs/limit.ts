// The third station: a log that is too long keeps its head and its tail, and says exactly what is missing between. The build goes on.
// Called by pipeline.ts. It knows blocks of lines, not numbers or chunks.
import type { LostLines, SourcePoint } from '#core/log-line.js';
import { NEWLINE, skipLines, type LineBlock } from './line-block.js';
import { systemLines } from './system-line.js';

/** Longest log of one build, bytes. */
export const DEFAULT_MAX_BUILD_BYTES = 1_073_741_824;
/** How much of the end of a log over its limit is kept, bytes; never more than half the limit. Held in memory. */
export const TAIL_BYTES = 1_048_576;

export interface LimitOptions {
  maxBuildBytes?: number;
  tailBytes?: number;
  /** A log that goes on: its bytes that are stored, what its next lines are, and what of it is lost already. */
  after?: { bytes: number; part: SourcePoint['part']; open: boolean; lost: LostLines };
}

/**
 * Lets lines through until the head is full, then keeps the last ones for the end.
 * In: blocks in order. Out: push gives what may go on now, end the rest: one system line with the count of what is missing, then the tail.
 * A line is cut neither by the head's end nor by the tail's beginning; an over-long line's pieces count as lines, as their numbers do.
 * Size of the whole: at most maxBuildBytes and Kilnyard's own two lines.
 */
export class Limit {
  readonly #maxBytes: number;
  readonly #tailBytes: number;
  #headLeft: number;
  #part: SourcePoint['part'];
  /** The last block that went through has no newline. */
  #open: boolean;
  readonly #tail: Tail;

  constructor(options: LimitOptions = {}) {
    this.#maxBytes = options.maxBuildBytes ?? DEFAULT_MAX_BUILD_BYTES;
    this.#tailBytes = Math.min(options.tailBytes ?? TAIL_BYTES, Math.floor(this.#maxBytes / 2));
    this.#headLeft = this.#maxBytes - this.#tailBytes - (options.after?.bytes ?? 0);
    this.#part = options.after?.part ?? 'head';
    this.#open = options.after?.open ?? false;
    this.#tail = new Tail(this.#tailBytes, options.after?.lost);
  }

  /** What the lines that come now are. */
  get part(): SourcePoint['part'] {
    return this.#part;
  }

  /** What is lost, and how many bytes of the container's output the tail holds behind it. */
  get lost(): LostLines & { keptSourceBytes: number } {
    return this.#tail.lost;
  }

  push(blocks: readonly LineBlock[]): LineBlock[] {
    const out: LineBlock[] = [];
    for (const block of blocks) {
      if (this.#part === 'full') this.#tail.push(block);
      else if (this.#part === 'tail') out.push(block);
      else if (block.bytes.length <= this.#headLeft) this.#pass(block, out);
      else this.#fill(block, out);
    }
    return out;
  }

  end(now: Date): LineBlock[] {
    if (this.#part !== 'full') return [];
    this.#part = 'tail';
    const { blocks, missingLines, missingBytes } = this.#tail.take();
    const text =
      missingLines === 0
        ? 'The log was over its limit by little: no line is missing.'
        : `${missingLines} lines (${missingBytes} bytes) of the log are missing here; its end follows.`;
    return [notice(text, now), ...blocks];
  }

  #pass(block: LineBlock, out: LineBlock[]): void {
    this.#headLeft -= block.bytes.length;
    this.#open = block.open;
    out.push(block);
  }

  /** The block with which the head is full: its first lines still go through. */
  #fill(block: LineBlock, out: LineBlock[]): void {
    const fitting = block.open ? 0 : linesWithin(block.bytes, this.#headLeft);
    const [first, rest] = splitBlock(block, fitting);
    if (first !== null) this.#pass(first, out);
    if (this.#open) out.push({ ...block, bytes: Buffer.of(NEWLINE), lineCount: 1, open: false, sourceBytes: 0 });
    const text =
      `The log has reached its limit of ${this.#maxBytes} bytes. The build goes on; ` +
      `the last ${this.#tailBytes} bytes of its output will follow when it ends.`;
    out.push(notice(text, block.time));
    this.#part = 'full';
    if (rest !== null) this.#tail.push(rest);
  }
}

/** The last lines of a stream, in at most `maxBytes`, and the count of what went before them. */
class Tail {
  #blocks: LineBlock[] = [];
  #first = 0;
  #bytes = 0;
  #sourceBytes = 0;
  #missingLines: number;
  #missingBytes: number;

  constructor(
    private readonly maxBytes: number,
    lost: LostLines = { lines: 0, bytes: 0 },
  ) {
    this.#missingLines = lost.lines;
    this.#missingBytes = lost.bytes;
  }

  get lost(): LostLines & { keptSourceBytes: number } {
    return { lines: this.#missingLines, bytes: this.#missingBytes, keptSourceBytes: this.#sourceBytes };
  }

  push(block: LineBlock): void {
    this.#blocks.push({ ...block, bytes: Buffer.from(block.bytes) });
    this.#bytes += block.bytes.length;
    this.#sourceBytes += block.sourceBytes;
    for (let oldest = this.#oldest; oldest !== undefined; oldest = this.#oldest) {
      if (this.#bytes - oldest.bytes.length < this.maxBytes) break;
      this.#drop(oldest);
    }
    // The dropped ones leave the array now and then, so that each push costs the same on average.
    if (this.#first > 64 && this.#first > this.#blocks.length / 2) {
      this.#blocks.splice(0, this.#first);
      this.#first = 0;
    }
  }

  take(): { blocks: LineBlock[]; missingLines: number; missingBytes: number } {
    const oldest = this.#oldest;
    if (oldest !== undefined && this.#bytes > this.maxBytes) this.#trim(oldest);
    const blocks = this.#blocks.slice(this.#first);
    return { blocks, missingLines: this.#missingLines, missingBytes: this.#missingBytes };
  }

  get #oldest(): LineBlock | undefined {
    return this.#blocks[this.#first];
  }

  #trim(oldest: LineBlock): void {
    const keep = oldest.bytes.length - (this.#bytes - this.maxBytes);
    const lines = oldest.open ? oldest.lineCount : linesUntil(oldest.bytes, oldest.bytes.length - keep);
    const [gone, kept] = splitBlock(oldest, lines);
    if (gone === null) return;
    this.#drop(gone);
    if (kept !== null) this.#blocks[--this.#first] = kept;
  }

  #drop(block: LineBlock): void {
    this.#first += 1;
    this.#bytes -= block.bytes.length;
    this.#sourceBytes -= block.sourceBytes;
    this.#missingLines += block.lineCount;
    this.#missingBytes += block.bytes.length;
  }
}

/** How many whole lines lie in the first `length` bytes. */
function linesWithin(bytes: Buffer, length: number): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1 && at < length; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** How many lines it takes to cover the first `length` bytes. */
function linesUntil(bytes: Buffer, length: number): number {
  const whole = linesWithin(bytes, length);
  return skipLines(bytes, 0, whole) < length ? whole + 1 : whole;
}

/** The first `lines` lines of a block and the others; null for none. */
function splitBlock(block: LineBlock, lines: number): [LineBlock | null, LineBlock | null] {
  if (lines === 0) return [null, block];
  if (lines === block.lineCount) return [block, null];
  const at = skipLines(block.bytes, 0, lines);
  const sourceBytes = Math.min(at, block.sourceBytes);
  return [
    { ...block, bytes: block.bytes.subarray(0, at), lineCount: lines, sourceBytes },
    {
      ...block,
      bytes: block.bytes.subarray(at),
      lineCount: block.lineCount - lines,
      sourceBytes: block.sourceBytes - sourceBytes,
    },
  ];
}

function notice(text: string, time: Date): LineBlock {
  return {
    bytes: Buffer.from(`${systemLines(text, time)}\n`),
    lineCount: 1,
    time,
    stream: 'system',
    open: false,
    sourceBytes: 0,
  };
}
