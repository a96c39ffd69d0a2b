// A LogSink that keeps what it gets, checks the order, and can be slow or fail.
import { linesOf } from '#core/chunk-codec.js';
import type { LogChunk, LogLine, LogSeal } from '#core/log-line.js';
import { LogSink } from '#engine/ports.js';

export class RecordingSink extends LogSink {
  readonly chunks: LogChunk[] = [];
  seals: LogSeal[] = [];
  appending = 0;
  /** Awaited in each append, before the chunk counts as stored. */
  hold: (chunk: LogChunk) => Promise<void> = async () => {};
  #next: { seq: number; byte: number };

  constructor(next = { seq: 0, byte: 0 }) {
    super();
    this.#next = next;
  }

  async append(chunk: LogChunk): Promise<void> {
    if (this.appending > 0) throw new Error('expected one append at a time');
    if (this.seals.length > 0) throw new Error('expected no append after the seal');
    if (chunk.firstSeq !== this.#next.seq || chunk.firstByte !== this.#next.byte) {
      throw new Error(
        `expected line ${this.#next.seq} at byte ${this.#next.byte}, got ${chunk.firstSeq} at ${chunk.firstByte}`,
      );
    }
    this.appending += 1;
    await this.hold(chunk);
    this.appending -= 1;
    this.#next = { seq: chunk.firstSeq + chunk.lineCount, byte: chunk.firstByte + chunk.bytes.length };
    this.chunks.push(chunk);
  }

  async seal(seal: LogSeal): Promise<void> {
    this.seals.push(seal);
  }

  get raw(): Buffer {
    return Buffer.concat(this.chunks.map((chunk) => chunk.bytes));
  }

  get lines(): LogLine[] {
    return this.chunks.flatMap((chunk) => linesOf(chunk));
  }

  get texts(): string[] {
    return this.lines.map((line) => line.text);
  }
}
