// The engine's log sink on the store.
import type { Lease } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import type { Hash } from 'node:crypto';
import type { LogChunk, LogSeal, StoredLog } from '#core/log-line.js';
import { LogSink } from '#engine/ports.js';
import type { LogsStore } from '#store/logs.store.js';
import { whileAway } from './while-away.js';

export class StoreLogSink extends LogSink {
  constructor(
    private readonly logs: LogsStore,
    private readonly lease: Lease,
    private readonly clock: Clock,
    private readonly awayMs: number,
    private readonly heard: (lines: number, bytes: number) => void,
  ) {
    super();
  }

  /** The store tries again by itself. */
  async append(chunk: LogChunk): Promise<void> {
    await this.logs.append(this.lease, chunk);
    this.heard(chunk.lineCount, chunk.bytes.length);
  }

  seal(seal: LogSeal): Promise<void> {
    return whileAway(this.clock, this.awayMs, () => this.logs.seal(this.lease, seal));
  }

  stored(): Promise<{ stored: StoredLog; hash: Hash }> {
    return whileAway(this.clock, this.awayMs, () => this.logs.stored(this.lease));
  }
}
