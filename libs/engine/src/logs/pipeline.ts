// A build's log from its bytes to the sink: mask -> own lines -> lines -> limit -> batch. Called by run-build; docs/log-line.md tells the way.
// It owns the timers of the stations and lets one caller at a time through them.
import type { Hash } from 'node:crypto';
import type { Clock } from '#core/clock.js';
import type { LogSeal, LogStream, LostLines, SourcePoint, StoredLog } from '#core/log-line.js';
import type { LogSink, Say } from '../ports.js';
import { Batch, type SourcePlace } from './batch.js';
import { MAX_CHUNK_BYTES } from './chunk-builder.js';
import { Limit } from './limit.js';
import type { LineBlock } from './line-block.js';
import { BLOCK_BYTES, DEFAULT_MAX_LINE_BYTES, Lines } from './lines.js';
import { Mask } from './mask.js';
import { OwnLines } from './own-lines.js';
import { SourceMarks } from './source-marks.js';
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
  /** Called when the container's output before `position` is stored, or is known not to be wanted any more. */
  onStored?: (position: number) => void;
  /** Awaited before output that is neither stored nor kept is let go: what a successor needs to know of a log over its limit. */
  onLost?: (lost: LostBefore) => Promise<void>;
  /** Told what the sink's append threw, at once: a build that prints nothing more would hear of it at its end, a paused one never. */
  onFailure?: (error: unknown) => void;
}

/** Of a log over its limit: how much is lost before a point of the container's output. */
export interface LostBefore {
  lost: LostLines;
  source: SourcePoint;
}

export interface LogStart {
  stored: StoredLog;
  /** A SHA-256 that has read the raw log so far; without it the seal's hash would be another log's. */
  hash: Hash;
  /** What onLost was told last. */
  lost: LostBefore | null;
}

/** Output over the limit after which onLost is told again, bytes. */
export const LOST_STEP_BYTES = 33_554_432;

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
  readonly #own: OwnLines;
  readonly #marks = new SourceMarks();
  readonly #onLost: (lost: LostBefore) => Promise<void>;
  readonly #onStored: (position: number) => void;
  /** Bytes that come out of the stations first and are stored already. */
  #skip: number;
  /** Offset of the output's next byte. */
  #next: number;
  /** Where the output that onLost knows of ends. */
  #lostTo = 0;
  /** Some of the container's output has come in. */
  #sourced: boolean;
  /** Bytes made of the output that went on to the batch. */
  #passed: number;
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
    const { stored, lost = null } = options.startAt ?? {};
    const source = lost?.source ?? stored?.source ?? null;
    this.#onLost = options.onLost ?? (async () => {});
    this.#onStored = options.onStored ?? (() => {});
    this.#skip = source?.skip ?? 0;
    this.#passed = this.#skip;
    this.#sourced = source !== null;
    this.#next = source?.at ?? 0;
    this.#own = new OwnLines(source ?? undefined);
    if (source !== null) this.#mask.goOn(source);
    this.#markHere();
    const open = stored?.open ?? null;
    this.#lines = new Lines({
      maxLineBytes: Math.min(limits.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES, MAX_CHUNK_BYTES - 1),
      carried: open,
    });
    const after = {
      bytes: stored?.byte ?? 0,
      part: source?.part ?? 'head',
      open: open !== null,
      lost: lost?.lost ?? { lines: 0, bytes: 0 },
    };
    this.#limit = new Limit({ ...limits, after });
    this.#batch = new Batch({
      sink: options.sink,
      clock: options.clock,
      flushMs: limits.flushMs,
      ...(options.startAt === undefined
        ? {}
        : {
            startAt: { seq: options.startAt.stored.seq, byte: options.startAt.stored.byte, hash: options.startAt.hash },
          }),
      onFree: () => this.#setAlarm(),
      sourceAfter: ({ made, part }) => (this.#sourced ? this.#marks.pointAt(made, part) : null),
      onStored: ({ source: point }) => {
        if (point !== undefined) this.#onStored(point.at);
      },
      onFailure: options.onFailure,
    });
  }

  /** Offset in the container's output of the first byte that `write` wants. */
  get next(): number {
    return this.#next;
  }

  /**
   * The container's output, cut anywhere. The buffer may be reused once the promise has resolved.
   * In: `at` = its offset in the output, absent for the next byte. Where it leaps, the log says that something is lost.
   */
  write(bytes: Buffer, at?: number): Promise<void> {
    return this.#inTurn(async () => {
      if (at !== undefined && at !== this.#next) await this.#leap(at);
      this.#sourced = true;
      for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
        const now = this.#clock.now();
        const piece = bytes.subarray(from, from + BLOCK_BYTES);
        this.#next += piece.length;
        const made = this.#unstored(this.#own.push(this.#mask.push(piece)));
        this.#markHere();
        await this.#deliver(this.#lines.push(made, now), now);
        if (this.#limit.part === 'full') await this.#letGo();
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

  /** All that is masked, in no order. */
  get secrets(): string[] {
    return this.#mask.secrets;
  }

  /** A text for elsewhere than the log (a phase's context, an exported variable), with the same secrets out of it. */
  masked(text: string): string {
    return this.#mask.whole(Buffer.from(text)).toString();
  }

  /**
   * Flushes all that is held anywhere, waits for the sink and seals. No call but end may follow; a second end is the first one's.
   * In: `cut` = what the build wrote last is known to be missing.
   */
  end(cut = false): Promise<LogSeal> {
    this.#ending ??= this.#inTurn(() => this.#finish(cut)).finally(() => this.#stopAlarm());
    return this.#ending;
  }

  /** Resolves when all that has come in so far, but for what is held back by mask and lines, is stored. Errors: as write. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#batch.flush());
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

  async #finish(cut: boolean): Promise<LogSeal> {
    const now = this.#clock.now();
    await this.#endOutput(now);
    await this.#deliver(this.#lines.endLine(now), now);
    this.#passed = this.#marks.made - this.#limit.lost.keptSourceBytes;
    for (const block of this.#limit.end(now)) this.#pass(block, now, this.#limit.part);
    const seal = { ...(await this.#batch.end()), ...(cut ? { cut } : {}) };
    await this.#sink.seal(seal);
    return seal;
  }

  async #deliver(blocks: LineBlock[], now: Date): Promise<void> {
    const before = this.#limit.part;
    const passing = this.#limit.push(blocks);
    for (const [index, block] of passing.entries()) {
      // with the last of them the log may have reached its limit
      this.#pass(block, now, index === passing.length - 1 ? this.#limit.part : before);
      await this.#batch.room();
    }
    this.#batch.settle(now);
    this.#setAlarm();
  }

  #pass(block: LineBlock, now: Date, part: SourcePlace['part']): void {
    this.#passed += block.sourceBytes;
    this.#batch.add(block, now, { made: this.#passed, part });
  }

  /** What is held back of the output goes on as it is: nothing follows it. */
  async #endOutput(now: Date): Promise<void> {
    const rest = Buffer.concat([this.#own.push(this.#mask.end()), this.#own.end()]);
    await this.#deliver(this.#lines.push(this.#unstored(rest), now), now);
  }

  /** The output goes on elsewhere: the build has cut or refilled its own spool. */
  async #leap(at: number): Promise<void> {
    const now = this.#clock.now();
    await this.#endOutput(now);
    this.#mask.goOn({ at, starred: null });
    this.#next = at;
    this.#skip = 0;
    this.#markHere();
    const text = systemLines('The build cut its own output file short; what it had not yet shown is lost', now);
    await this.#deliver(this.#lines.inject(Buffer.from(text), 'system', now), now);
  }

  /** Of what the stations made, what a predecessor has not stored. */
  #unstored(made: Buffer): Buffer {
    this.#marks.count(made.length);
    const skipped = Math.min(this.#skip, made.length);
    this.#skip -= skipped;
    return made.subarray(skipped);
  }

  #markHere(): void {
    this.#marks.mark({ ...this.#mask.state, ...this.#own.state });
  }

  /** The log is at its limit: what has left the tail too is of no use to anybody, once a successor would know of it. */
  async #letGo(): Promise<void> {
    const { keptSourceBytes, ...lost } = this.#limit.lost;
    const source = this.#marks.pointAt(this.#marks.made - keptSourceBytes, 'full');
    if (source.at - this.#lostTo < LOST_STEP_BYTES) return;
    this.#lostTo = source.at;
    // what goes before the gap must be stored before anything of the gap is let go
    await this.#batch.flush();
    await this.#onLost({ lost, source });
    this.#onStored(source.at);
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
