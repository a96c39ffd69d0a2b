// The fourth station: numbers lines and sends them to the sink in chunks, in order, one append at a time. Called by pipeline.ts, which also
// wakes it when it is due. It counts and hashes what it sends, for the seal.
import { createHash, type Hash } from 'node:crypto';
import type { Clock } from '#core/clock.js';
import type { LogChunk, LogSeal, SourcePoint } from '#core/log-line.js';
import type { LogSink } from '../ports.js';
import { ChunkBuilder } from './chunk-builder.js';
import type { LineBlock } from './line-block.js';

/** How long a line waits for company before it is sent, ms. */
export const DEFAULT_FLUSH_MS = 40;
/**
 * Chunks with the build's own output that follow others without that wait, after a quiet time: what its commands say first is seen at once.
 * Kilnyard's own lines wait.
 */
export const BURST_CHUNKS = 6;
/** Bytes that may wait for the sink, the chunks on their way included; then room() makes the writer wait. */
export const MAX_WAITING_BYTES = 4_194_304;
/** Bytes of one append, of as many waiting chunks as fit: about half of what may wait, so that the other half can be made ready meanwhile. */
export const MAX_APPEND_BYTES = 2_097_152;
/** Chunks of one append at most. */
export const MAX_APPEND_CHUNKS = 8;

/** Where a log goes on that has a stored beginning. */
export interface LogStart {
  /** Sequence number of the next line. */
  seq: number;
  /** Length of the raw log so far. */
  byte: number;
  /** A SHA-256 that has read the raw log so far; without it the seal's hash would be another log's. */
  hash: Hash;
}

export interface BatchOptions {
  sink: LogSink;
  clock: Clock;
  flushMs?: number;
  /** Default BURST_CHUNKS; 1 at least. */
  burstChunks?: number;
  startAt?: LogStart;
  /** Called when the sink is free again and lines wait: dueAt may have changed. */
  onFree?: () => void;
  /** Where the container's output goes on behind the block that was added last; null without any. Asked when a chunk closes. */
  sourceAfter?: (place: SourcePlace) => SourcePoint | null;
  /** Called when a chunk and all before it are stored; not for each, when several are stored at once. */
  onStored?: (chunk: LogChunk) => void;
  /** Told the sink's error at once: nobody may call for long. */
  onFailure?: (error: unknown) => void;
}

/** The end of a block in what is made of the container's output. */
export interface SourcePlace {
  /** Bytes made of the output, up to its end. */
  made: number;
  part: SourcePoint['part'];
}

/**
 * Call order: add* -> settle -> room, again and again; end once. One caller at a time.
 * A chunk closes when the next block does not fit, else flushMs after the one before. One with output of the build's own closes at once
 * for as long as there is credit: one chunk for each flushMs that went by without one, burstChunks at most.
 * Small and soon when output trickles, large when it floods or the sink is slow; no line waits longer than flushMs for a free sink.
 * Errors: the sink's first one comes out of the next add and room, and of end; nothing is sent after it.
 */
export class Batch {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #flushMs: number;
  readonly #burstChunks: number;
  readonly #onFree: () => void;
  readonly #sourceAfter: (place: SourcePlace) => SourcePoint | null;
  readonly #onStored: (chunk: LogChunk) => void;
  readonly #onFailure: (error: unknown) => void;
  #place: SourcePlace = { made: 0, part: 'head' };
  readonly #hash: Hash;
  readonly #gathering = new ChunkBuilder();
  #gatheringSince = 0;
  #lastClosedAt = -Infinity;
  #credit = 0;
  /** What is gathered has output of the build's own. */
  #urgent = false;
  #seq: number;
  #byte: number;
  #queue: LogChunk[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(options: BatchOptions) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#flushMs = options.flushMs ?? DEFAULT_FLUSH_MS;
    this.#burstChunks = options.burstChunks ?? BURST_CHUNKS;
    this.#onFree = options.onFree ?? (() => {});
    this.#sourceAfter = options.sourceAfter ?? (() => null);
    this.#onStored = options.onStored ?? (() => {});
    this.#onFailure = options.onFailure ?? (() => {});
    this.#hash = options.startAt?.hash ?? createHash('sha256');
    this.#seq = options.startAt?.seq ?? 0;
    this.#byte = options.startAt?.byte ?? 0;
  }

  add(block: LineBlock, now: Date, place: SourcePlace = this.#place): void {
    this.#throwFailure();
    if (!this.#gathering.fits(block)) this.#close(now.getTime());
    if (this.#gathering.lineCount === 0) this.#gatheringSince = now.getTime();
    this.#gathering.add(block);
    if (block.stream !== 'system') this.#urgent = true;
    this.#place = place;
  }

  /** When settle is to be called next, ms since the epoch; null while nothing waits or the sink is busy (see onFree), and after an error. */
  get dueAt(): number | null {
    if (this.#gathering.lineCount === 0 || this.#sending !== null || this.#failure !== null) return null;
    if (this.#urgent && this.#credit >= 1) return this.#gatheringSince;
    return Math.max(this.#gatheringSince, this.#lastClosedAt + this.#flushMs);
  }

  /** Sends what is gathered if it is due. */
  settle(now: Date): void {
    const dueAt = this.dueAt;
    if (dueAt !== null && now.getTime() >= dueAt) this.#close(now.getTime());
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.#waitingBytes > MAX_WAITING_BYTES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#throwFailure();
  }

  /** Sends what is gathered, due or not; resolves when all is stored. */
  async flush(): Promise<void> {
    if (this.#gathering.lineCount > 0 && this.#failure === null) this.#close(this.#clock.now().getTime());
    await this.#sending;
    this.#throwFailure();
  }

  /** Sends the rest. Out: count and hash of the whole log, when all of it is stored. */
  async end(): Promise<LogSeal> {
    await this.flush();
    return { lineCount: this.#seq, byteCount: this.#byte, sha256: this.#hash.digest('hex') };
  }

  /** Sends nothing more, but for what is on its way; `error` comes out of every later call. */
  abandon(error: unknown): void {
    this.#failure ??= { error };
    this.#queue = [];
    this.#waitingBytes = 0;
    this.#wake?.();
  }

  #close(at: number): void {
    const chunk = this.#gathering.take(this.#seq, this.#byte, this.#sourceAfter(this.#place));
    this.#seq += chunk.lineCount;
    this.#byte += chunk.bytes.length;
    this.#hash.update(chunk.bytes);
    const earned = this.#credit + (at - this.#lastClosedAt) / this.#flushMs;
    this.#credit = Math.max(0, Math.min(this.#burstChunks, earned) - 1);
    this.#urgent = false;
    this.#lastClosedAt = at;
    this.#waitingBytes += chunk.bytes.length;
    this.#sink.prepare(chunk);
    this.#queue.push(chunk);
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    try {
      for (let chunks = this.#next(); chunks.length > 0; chunks = this.#next()) {
        await this.#sink.append(chunks);
        for (const chunk of chunks) this.#waitingBytes = Math.max(0, this.#waitingBytes - chunk.bytes.length);
        this.#onStored(chunks.at(-1)!);
        for (const chunk of chunks) this.#gathering.giveBack(chunk);
        this.#wake?.();
      }
    } catch (error) {
      this.abandon(error);
      this.#onFailure(error);
    }
    this.#sending = null;
    if (this.#failure === null && this.#gathering.lineCount > 0) this.#onFree();
  }

  /** What goes into the next append: none when nothing waits. */
  #next(): LogChunk[] {
    let bytes = 0;
    let count = 0;
    for (const chunk of this.#queue.slice(0, MAX_APPEND_CHUNKS)) {
      bytes += chunk.bytes.length;
      if (count > 0 && bytes > MAX_APPEND_BYTES) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
