// A build's log from its bytes to the sink: mask -> lines -> limit -> batch. Called by run-build; docs/log-line.md tells the way.
// It owns the timers of the stations and lets one caller at a time through them.
import type { Clock } from '#core/clock.js';
import type { LogSeal, LogStream } from '#core/log-line.js';
import type { LogSink, Say } from '../ports.js';
import { Batch, type LogStart } from './batch.js';
import { MAX_CHUNK_BYTES } from './chunk-builder.js';
import { Limit } from './limit.js';
import type { LineBlock } from './line-block.js';
import { BLOCK_BYTES, DEFAULT_MAX_LINE_BYTES, Lines } from './lines.js';
import { Mask } from './mask.js';
import { systemLines } from './system-line.js';

/** Every one has a default, beside its station. */
export interface LogLimits {
  /** A longer line is cut; never more than a chunk takes. */
  maxLineBytes?: number;
  maxBuildBytes?: number;
  tailBytes?: number;
  flushMs?: number;
}

export interface LogPipelineOptions {
  sink: LogSink;
  clock: Clock;
  secrets?: readonly string[];
  limits?: LogLimits;
  /** For a log whose beginning is stored already. */
  startAt?: LogStart;
}

/**
 * Call order: write, say and addSecrets in any order and from anywhere, then end once (or abandon).
 * Callers are served one at a time, in the order of their calls. Every call resolves when its lines are on their way and there is room
 * for more, so awaiting write is what slows the build down when the sink is slow.
 * Errors: what the sink's append threw, out of the next call and of end. After an error nothing more reaches the sink.
 */
export class LogPipeline {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #mask: Mask;
  readonly #lines: Lines;
  readonly #limit: Limit;
  readonly #batch: Batch;
  #turn: Promise<void> = Promise.resolve();
  #alarm: { at: number; cancel: AbortController } | null = null;
  #failure: { error: unknown } | null = null;
  #ending: Promise<LogSeal> | null = null;

  /** Errors: as addSecrets. */
  constructor(options: LogPipelineOptions) {
    const limits = options.limits ?? {};
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#mask = new Mask(options.secrets ?? []);
    this.#lines = new Lines({
      maxLineBytes: Math.min(limits.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES, MAX_CHUNK_BYTES - 1),
    });
    this.#limit = new Limit({ ...limits, usedBytes: options.startAt?.byte });
    this.#batch = new Batch({
      sink: options.sink,
      clock: options.clock,
      flushMs: limits.flushMs,
      startAt: options.startAt,
      onFree: () => this.#setAlarm(),
    });
  }

  /** The build's output, cut anywhere. The buffer may be reused once the promise has resolved. */
  write(bytes: Buffer): Promise<void> {
    return this.#inTurn(async () => {
      for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
        const now = this.#clock.now();
        const masked = this.#mask.push(bytes.subarray(from, from + BLOCK_BYTES));
        await this.#deliver(this.#lines.push(masked, now), now);
      }
    });
  }

  /**
   * Lines from elsewhere (image pull, source, artifacts), masked too. An unfinished line of the build is ended before.
   * System lines get the prefix and the time of CodeBuild's form where they have none.
   */
  say(text: string, stream: LogStream = 'system'): Promise<void> {
    return this.#inTurn(async () => {
      const now = this.#clock.now();
      const masked = this.#mask.whole(Buffer.from(text));
      const lines = stream === 'system' ? Buffer.from(systemLines(masked.toString(), now)) : masked;
      await this.#deliver(this.#lines.inject(lines, stream, now), now);
    });
  }

  /** `say` for those who do not wait; an error is not lost, it comes out of the next write and of end. */
  readonly sayLater: Say = (text, stream) => {
    this.say(text, stream).catch((error: unknown) => {
      this.#failure ??= { error };
    });
  };

  /** Masks these too: in all that has not gone through yet, waiting calls included. Errors: PhaseFailure CLIENT_ERROR (see Mask). */
  addSecrets(secrets: readonly string[]): void {
    this.#mask.add(secrets);
  }

  /** A text for elsewhere than the log (a phase's context, an exported variable), with the same secrets out of it. */
  masked(text: string): string {
    return this.#mask.whole(Buffer.from(text)).toString();
  }

  /** Flushes all that is held anywhere, waits for the sink and seals. No call but end may follow; a second end is the first one's. */
  end(): Promise<LogSeal> {
    this.#ending ??= this.#inTurn(() => this.#finish()).finally(() => this.#stopAlarm());
    return this.#ending;
  }

  /**
   * Lets the log go without its end and its seal: the lease is lost, or another worker goes on with the build.
   * What is held or gathered is not sent; `reason` comes out of waiting and later calls.
   */
  abandon(reason: unknown): void {
    this.#failure ??= { error: reason };
    this.#batch.abandon(reason);
    this.#stopAlarm();
  }

  async #finish(): Promise<LogSeal> {
    const now = this.#clock.now();
    await this.#deliver(this.#lines.push(this.#mask.end(), now), now);
    await this.#deliver(this.#lines.endLine(now), now);
    for (const block of this.#limit.end(now)) this.#batch.add(block, now);
    const seal = await this.#batch.end();
    await this.#sink.seal(seal);
    return seal;
  }

  async #deliver(blocks: LineBlock[], now: Date): Promise<void> {
    for (const block of this.#limit.push(blocks)) {
      this.#batch.add(block, now);
      await this.#batch.room();
    }
    this.#batch.settle(now);
    this.#setAlarm();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ending !== null) return Promise.reject(new Error('the log has ended: no call may follow end()'));
    const result = this.#turn.then(() => {
      if (this.#failure !== null) throw this.#failure.error;
      return work();
    });
    // The caller hears of an error; the turn only passes on.
    this.#turn = result.then(
      () => {},
      () => {},
    );
    return result;
  }

  /** Wakes the stations when the first of them is due. */
  #setAlarm(): void {
    if (this.#ending !== null || this.#failure !== null) return;
    const due = Math.min(this.#lines.openDueAt ?? Infinity, this.#batch.dueAt ?? Infinity);
    if (due === Infinity || (this.#alarm !== null && this.#alarm.at <= due)) return;
    this.#stopAlarm();
    const alarm = { at: due, cancel: new AbortController() };
    this.#alarm = alarm;
    this.#clock.sleep(Math.max(0, due - this.#clock.now().getTime()), alarm.cancel.signal).then(
      () => this.#ring(alarm),
      () => {}, // cancelled: another alarm stands in its place, or the log has ended
    );
  }

  #stopAlarm(): void {
    this.#alarm?.cancel.abort();
    this.#alarm = null;
  }

  #ring(alarm: { at: number }): void {
    if (this.#alarm !== alarm || this.#ending !== null) return;
    this.#inTurn(async () => {
      this.#alarm = null;
      const now = this.#clock.now();
      await this.#deliver(this.#lines.flushOpen(now), now);
    }).catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }
}
