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
const NOTHING = Buffer.alloc(0);

export class ChunkBuilder {
  lineCount = 0;
  byteLength = 0;
  #bytes: Buffer = NOTHING;
  #runs: LineRun[] = [];
  #openLines: number[] = [];
  #openLengths: number[] = [];
  /** Length of the last chunk: in a flood the next one is as long, and grows no more. */
  #lastLength = 0;

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
    const chunk = {
      firstSeq,
      lineCount: this.lineCount,
      firstByte,
      bytes: this.#bytes.subarray(0, this.byteLength),
      runs: this.#runs,
      openLines: this.#openLines,
      openLengths: this.#openLengths,
      ...(source === null ? {} : { source }),
    };
    this.#lastLength = this.byteLength;
    this.lineCount = 0;
    this.byteLength = 0;
    this.#bytes = NOTHING;
    this.#runs = [];
    this.#openLines = [];
    this.#openLengths = [];
    return chunk;
  }

  #reserve(length: number): void {
    if (this.#bytes.length >= length) return;
    const wanted = this.#bytes.length === 0 ? Math.min(this.#lastLength + FIRST_BYTES, LARGEST_GUESS * length) : 0;
    const bytes = Math.max(length, 4 * this.#bytes.length, wanted, FIRST_BYTES);
    const grown = Buffer.allocUnsafe(Math.min(MAX_CHUNK_BYTES, bytes));
    this.#bytes.copy(grown, 0, 0, this.byteLength);
    this.#bytes = grown;
  }
}
