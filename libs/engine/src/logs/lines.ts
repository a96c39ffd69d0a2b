// The second station: cuts masked bytes into lines, in blocks. Called by pipeline.ts; it knows no secrets, no limits of the whole log,
// no numbers. Bytes are never changed: carriage returns, escape codes, NUL and invalid UTF-8 go through as they came.
import type { LogStream } from '#core/log-line.js';
import { countNewlines, NEWLINE, type LineBlock } from './line-block.js';
import { utf8Cut } from './utf8.js';

/** How long an unfinished line waits (ms, since its first byte) before it is shown: prompts and progress bars stay live. */
export const OPEN_LINE_MS = 1_000;
/** Longest line, bytes; a longer one is cut into open lines. */
export const DEFAULT_MAX_LINE_BYTES = 262_144;
/** What a line of CodeBuild's and of ours begins with. */
export const SYSTEM_PREFIX = '[Container] ';
/** Bytes of a block, but for a single line that is longer. */
export const BLOCK_BYTES = 65_536;

/** Average length of lines below which looking at every byte beats a call of indexOf per line; measured, in the same run. */
const SHORT_LINE_BYTES = 24;

const PREFIX = Buffer.from(SYSTEM_PREFIX);
const EMPTY = Buffer.alloc(0);
/** A line that may be of the system begins so; a block of lines that has none is taken as a whole. */
const LINE_WITH_BRACKET = Buffer.of(NEWLINE, PREFIX[0]!);

/**
 * Cuts a stream into blocks of lines.
 * In: masked bytes, cut anywhere, with the time at which they were read. Out: blocks in order, each with one time and one stream; a line's
 * time is that of its last byte. The unfinished last line is held, until its end comes, until it is longer than maxLineBytes, or until
 * flushOpen. A line that begins with `[Container] ` is 'system', any other 'stdout'; a line that carries on keeps its stream.
 * A carriage return is no line end: viewers show of a line what follows its last one.
 */
export class Lines {
  readonly #maxLineBytes: number;
  /** The unfinished line, in a buffer that grows; what it holds has no newline. */
  #held: Buffer = EMPTY;
  #heldLength = 0;
  #heldSince = 0;
  /** Stream of the line of which a part is out already; null at the beginning of a line. */
  #carried: LogStream | null;
  /** What comes in now is not of the container's output. */
  #foreign = false;
  /** The last block's lines were short. */
  #shortLines = true;

  /** `carried`: stream of a line whose beginning was given out by another, before this one. */
  constructor(options: { maxLineBytes?: number; carried?: LogStream | null } = {}) {
    this.#maxLineBytes = options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES;
    this.#carried = options.carried ?? null;
  }

  push(bytes: Buffer, now: Date): LineBlock[] {
    const out: LineBlock[] = [];
    if (bytes.length === 0) return out;
    let rest = bytes;
    const newline = bytes.indexOf(NEWLINE);
    const firstEnd = newline === -1 ? bytes.length : newline;
    if (this.#heldLength > 0 || this.#carried !== null || newline === -1) {
      this.#holdLine(bytes.subarray(0, firstEnd), now, out);
      if (newline === -1) return out;
      this.#release(1, now, out);
      rest = bytes.subarray(newline + 1);
    }
    const end = rest.lastIndexOf(NEWLINE) + 1;
    this.#cutWhole(rest.subarray(0, end), now, out);
    if (end < rest.length) this.#holdLine(rest.subarray(end), now, out);
    return out;
  }

  /** When flushOpen has something to do; null while no line is unfinished. Unit: ms since the epoch. */
  get openDueAt(): number | null {
    return this.#heldLength === 0 ? null : this.#heldSince + OPEN_LINE_MS;
  }

  /** Shows the unfinished line as an open one if it has waited long enough; a UTF-8 sequence at its end that is not whole stays. */
  flushOpen(now: Date): LineBlock[] {
    if (this.openDueAt === null || now.getTime() < this.openDueAt) return [];
    const cut = utf8Cut(this.#held, this.#heldLength);
    const out: LineBlock[] = [];
    if (cut > 0) this.#emitOpen(cut, now, out);
    else this.#heldSince = now.getTime();
    return out;
  }

  /**
   * Puts in lines from another source. An unfinished line is ended before, by a newline that the raw log has then and its source has not.
   * In: text without its last newline; newlines inside begin further lines, each with the same stream.
   */
  inject(text: Buffer, stream: LogStream, now: Date): LineBlock[] {
    const out = this.endLine(now);
    this.#foreign = true;
    const bytes = Buffer.concat([text, Buffer.of(NEWLINE)]);
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(NEWLINE, at) + 1;
      this.#carried = stream;
      this.#cutLong(bytes.subarray(at, end), now, out);
      at = end;
    }
    this.#carried = null;
    this.#foreign = false;
    return out;
  }

  /** Ends the unfinished line, if there is one, by a newline. */
  endLine(now: Date): LineBlock[] {
    const out: LineBlock[] = [];
    if (this.#heldLength > 0 || this.#carried !== null) this.#release(0, now, out);
    return out;
  }

  /** Blocks of whole lines from bytes that end in a newline. */
  #cutWhole(bytes: Buffer, now: Date, out: LineBlock[]): void {
    let from = 0;
    while (from < bytes.length) {
      let end = from + BLOCK_BYTES;
      if (end >= bytes.length) end = bytes.length;
      else {
        const newline = bytes.lastIndexOf(NEWLINE, end - 1);
        end = (newline >= from ? newline : bytes.indexOf(NEWLINE, end)) + 1;
      }
      this.#cutBlock(bytes, from, end, now, out);
      from = end;
    }
  }

  #cutBlock(bytes: Buffer, from: number, end: number, now: Date, out: LineBlock[]): void {
    const block = bytes.subarray(from, end);
    const mayChange = block[0] === PREFIX[0] || block.indexOf(LINE_WITH_BRACKET) !== -1;
    if (mayChange || block.length > this.#maxLineBytes) this.#walkBlock(bytes, from, end, now, out);
    else addBlock(out, block, countNewlines(block), now, 'stdout');
  }

  /** One walk over a block's lines: counts them, ends the block where the stream changes, takes over-long lines out. */
  #walkBlock(bytes: Buffer, from: number, end: number, now: Date, out: LineBlock[]): void {
    let start = from;
    let count = 0;
    let allCount = 0;
    let stream = this.#streamAt(bytes, from);
    for (let lineStart = from; lineStart < end;) {
      const newline = this.#shortLines ? walkToNewline(bytes, lineStart) : bytes.indexOf(NEWLINE, lineStart);
      const isLong = newline - lineStart > this.#maxLineBytes;
      // Only a bracket, or a block that is of the system so far, can change the stream.
      const next = bytes[lineStart] === PREFIX[0] || stream === 'system' ? this.#streamAt(bytes, lineStart) : stream;
      if (next !== stream || isLong) {
        addBlock(out, bytes.subarray(start, lineStart), count, now, stream);
        start = lineStart;
        count = 0;
        stream = next;
      }
      if (isLong) {
        this.#cutLong(bytes.subarray(lineStart, newline + 1), now, out);
        start = newline + 1;
      } else count += 1;
      allCount += 1;
      lineStart = newline + 1;
    }
    addBlock(out, bytes.subarray(start, end), count, now, stream);
    this.#shortLines = end - from < SHORT_LINE_BYTES * allCount;
  }

  /** One line with its newline, in open pieces but for the last. */
  #cutLong(line: Buffer, now: Date, out: LineBlock[]): void {
    this.#holdLine(line.subarray(0, line.length - 1), now, out);
    this.#release(1, now, out);
  }

  /** Adds to the unfinished line; what goes over maxLineBytes goes out in open pieces. `part` has no newline. */
  #holdLine(part: Buffer, now: Date, out: LineBlock[]): void {
    let rest = part;
    while (rest.length > 0) {
      if (this.#heldLength === this.#maxLineBytes) this.#emitOpen(this.#longestCut(), now, out);
      if (this.#heldLength === 0) this.#heldSince = now.getTime();
      const taken = rest.subarray(0, this.#maxLineBytes - this.#heldLength);
      this.#reserve(this.#heldLength + taken.length + 1);
      taken.copy(this.#held, this.#heldLength);
      this.#heldLength += taken.length;
      rest = rest.subarray(taken.length);
    }
  }

  #longestCut(): number {
    const cut = utf8Cut(this.#held, this.#heldLength);
    return cut === 0 ? this.#heldLength : cut;
  }

  #reserve(length: number): void {
    if (this.#held.length >= length) return;
    const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.#held.length, 256));
    this.#held.copy(grown, 0, 0, this.#heldLength);
    this.#held = grown;
  }

  #emitOpen(length: number, now: Date, out: LineBlock[]): void {
    const stream = this.#carried ?? this.#streamAt(this.#held.subarray(0, this.#heldLength), 0);
    const bytes = Buffer.from(this.#held.subarray(0, length));
    out.push({ bytes, lineCount: 1, time: now, stream, open: true, sourceBytes: this.#foreign ? 0 : length });
    this.#held.copyWithin(0, length, this.#heldLength);
    this.#heldLength -= length;
    this.#heldSince = now.getTime();
    this.#carried = stream;
  }

  /** The unfinished line goes out with a newline, of which `newlineBytes` (0 or 1) came in. */
  #release(newlineBytes: 0 | 1, now: Date, out: LineBlock[]): void {
    this.#reserve(this.#heldLength + 1);
    this.#held[this.#heldLength] = NEWLINE;
    const bytes = Buffer.from(this.#held.subarray(0, this.#heldLength + 1));
    const stream = this.#carried ?? this.#streamAt(bytes, 0);
    const sourceBytes = this.#foreign ? 0 : this.#heldLength + newlineBytes;
    out.push({ bytes, lineCount: 1, time: now, stream, open: false, sourceBytes });
    this.#heldLength = 0;
    this.#carried = null;
  }

  #streamAt(bytes: Buffer, lineStart: number): LogStream {
    if (bytes[lineStart] !== PREFIX[0]) return 'stdout';
    const end = lineStart + PREFIX.length;
    return bytes.length >= end && bytes.compare(PREFIX, 0, PREFIX.length, lineStart, end) === 0 ? 'system' : 'stdout';
  }
}

function addBlock(out: LineBlock[], bytes: Buffer, lineCount: number, time: Date, stream: LogStream): void {
  if (lineCount > 0) out.push({ bytes, lineCount, time, stream, open: false, sourceBytes: bytes.length });
}

/** Only where a newline is sure to follow. */
function walkToNewline(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] !== NEWLINE) at += 1;
  return at;
}
