// A LogSink that keeps what it gets, checks the order, and can be slow or fail.
import { linesOf } from '#core/chunk-codec.js';
import { createHash, type Hash } from 'node:crypto';
import type { LogChunk, LogLine, LogSeal, StoredLog } from '#core/log-line.js';
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

  async append(chunks: readonly LogChunk[]): Promise<void> {
    for (const chunk of chunks) await this.#append(chunk);
  }

  async #append(chunk: LogChunk): Promise<void> {
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
    this.chunks.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
  }

  /** The log as a whole, as if this sink were asked by another worker. */
  async stored(): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }> {
    const last = this.chunks.at(-1);
    const hash = createHash('sha256').update(this.raw);
    const sealed = this.seals.length > 0;
    if (last === undefined) return { stored: { ...this.#next, open: null, source: null }, hash, sealed };
    const open = last.openLines.at(-1) === last.lineCount - 1 ? last.runs.at(-1)!.stream : null;
    return { stored: { ...this.#next, open, source: last.source ?? null }, hash, sealed };
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
