// The engine's log sink on the store.
import type { Lease } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import { Fault } from '#core/errors.js';
import type { Hash } from 'node:crypto';
import type { LogChunk, LogSeal, StoredLog } from '#core/log-line.js';
import { LogSink } from '#engine/ports.js';
import type { PackedChunk } from '#store/log-append.js';
import type { LogsStore } from '#store/logs.store.js';
import { whileAway } from './while-away.js';

export class StoreLogSink extends LogSink {
  /** Goes with the chunks: one that is never appended leaves nothing here. */
  readonly #prepared = new WeakMap<LogChunk, PackedChunk>();

  constructor(
    private readonly logs: LogsStore,
    private readonly lease: Lease,
    private readonly clock: Clock,
    private readonly awayMs: number,
    private readonly heard: (lines: number, bytes: number) => void,
  ) {
    super();
  }

  override prepare(chunk: LogChunk): void {
    this.#prepared.set(chunk, this.logs.pack(chunk));
  }

  /** The store tries again by itself. */
  async append(chunks: readonly LogChunk[]): Promise<void> {
    const packed = chunks.map((chunk) => this.#prepared.get(chunk) ?? this.logs.pack(chunk));
    await this.logs.appendPacked(this.lease, packed).catch((error: unknown) => {
      throw awayOf(error) ?? error;
    });
    for (const chunk of chunks) this.heard(chunk.lineCount, chunk.bytes.length);
  }

  seal(seal: LogSeal): Promise<void> {
    return whileAway(this.clock, this.awayMs, () => this.logs.seal(this.lease, seal));
  }

  stored(): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }> {
    return whileAway(this.clock, this.awayMs, () => this.logs.stored(this.lease));
  }
}

/** A database that was away for too long is one that is away, whatever had to be written; one that is full is not. */
function awayOf(error: unknown): Fault | null {
  const cause = error instanceof Fault && error.code === 'LOG_APPEND_FAILED' ? error.cause : null;
  return cause instanceof Fault && cause.code === 'DATABASE_UNAVAILABLE' ? cause : null;
}
