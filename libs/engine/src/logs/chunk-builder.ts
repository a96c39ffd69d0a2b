// Gathers blocks of lines into one LogChunk. Called by batch.ts; it knows sizes, not time.
import type { LineRun, LogChunk, SourcePoint } from '#core/log-line.js';
import type { LineBlock } from './line-block.js';

/** Bytes of a chunk at most: what the store takes in one insert. A line is never longer (see pipeline.ts). */
export const MAX_CHUNK_BYTES = 524_288;
/** Lines of a chunk at most: what a reader has to cut at once. A block never has more. */
export const MAX_CHUNK_LINES = 131_072;

const FIRST_BYTES = 4_096;
/** So many times the first block's length is taken at once, at most: a small line after a flood holds no large buffer. */
const LARGEST_GUESS = 16;
/** A chunk that grows over this gets a buffer of MAX_CHUNK_BYTES, which is used again once the chunk is given back. */
const LARGE_BYTES = MAX_CHUNK_BYTES / 4;
/** Free large buffers that are kept: all that may wait for the sink (see batch.ts). */
const MAX_FREE = 10;
const NOTHING = Buffer.alloc(0);

/**
 * The buffers of a flood's chunks go round: to take new ones for each kept the garbage collector busier than all stations together
 * (measured: 5.5 of 12 s of CPU for a GiB). They are let go when the log is quiet again.
 */
export class ChunkBuilder {
  lineCount = 0;
  byteLength = 0;
  #bytes: Buffer = NOTHING;
  #runs: LineRun[] = [];
  #openLines: number[] = [];
  #openLengths: number[] = [];
  /** Length of the last chunk: in a flood the next one is as long, and grows no more. */
  #lastLength = 0;
  #free: Buffer[] = [];
  readonly #lent = new Map<LogChunk, Buffer>();

  fits(block: LineBlock): boolean {
    return (
      this.byteLength + block.bytes.length <= MAX_CHUNK_BYTES && this.lineCount + block.lineCount <= MAX_CHUNK_LINES
    );
  }

  /** Copies the block's bytes in. Only blocks that fit. */
  add(block: LineBlock): void {
    this.#reserve(this.byteLength + block.bytes.length);
    block.bytes.copy(this.#bytes, this.byteLength);
    if (block.open) {
      this.#openLines.push(this.lineCount);
      this.#openLengths.push(block.bytes.length);
    }
    this.byteLength += block.bytes.length;
    this.lineCount += block.lineCount;
    const last = this.#runs.at(-1);
    if (last !== undefined && last.stream === block.stream && last.time.getTime() === block.time.getTime()) {
      last.count += block.lineCount;
    } else {
      this.#runs.push({ count: block.lineCount, time: block.time, stream: block.stream });
    }
  }

  /** Hands the chunk out and begins anew. */
  take(firstSeq: number, firstByte: number, source: SourcePoint | null): LogChunk {
    const chunk: LogChunk = {
      firstSeq,
      lineCount: this.lineCount,
      firstByte,
      bytes: this.#bytes.subarray(0, this.byteLength),
      runs: this.#runs,
      openLines: this.#openLines,
      openLengths: this.#openLengths,
      ...(source === null ? {} : { source }),
    };
    if (this.#bytes.length === MAX_CHUNK_BYTES) this.#lent.set(chunk, this.#bytes);
    else if (this.#lent.size === 0) this.#free = [];
    this.#lastLength = this.byteLength;
    this.lineCount = 0;
    this.byteLength = 0;
    this.#bytes = NOTHING;
    this.#runs = [];
    this.#openLines = [];
    this.#openLengths = [];
    return chunk;
  }

  /** The chunk is stored: nobody reads its bytes any more. */
  giveBack(chunk: LogChunk): void {
    const bytes = this.#lent.get(chunk);
    if (bytes === undefined) return;
    this.#lent.delete(chunk);
    if (this.#free.length < MAX_FREE) this.#free.push(bytes);
  }

  #reserve(length: number): void {
    if (this.#bytes.length >= length) return;
    const wanted = this.#bytes.length === 0 ? Math.min(this.#lastLength + FIRST_BYTES, LARGEST_GUESS * length) : 0;
    const bytes = Math.max(length, 4 * this.#bytes.length, wanted, FIRST_BYTES);
    const grown =
      bytes > LARGE_BYTES ? (this.#free.pop() ?? Buffer.allocUnsafe(MAX_CHUNK_BYTES)) : Buffer.allocUnsafe(bytes);
    this.#bytes.copy(grown, 0, 0, this.byteLength);
    this.#bytes = grown;
  }
}
