// Takes items out of the queue: each is a turn of one slot. What to do with a turn (claim and run a build) is the worker's business.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { queueOf, QUEUE_TIMEOUT_MS } from './build-queue.js';
import { connectRedis, keyPrefix, type RedisConnection, type RedisPlace } from './redis-place.js';

/** How long an item at work stays its worker's without being renewed (BullMQ renews it at half that time). */
const LOCK_MS = 30_000;
/** How often items of dead workers are looked for. */
const STALLED_CHECK_MS = 30_000;
/** An item is only a turn: taking it again is harmless, however often its worker died. */
const MAX_STALLED = 1_000;

export class BuildConsumer {
  readonly #redis: RedisConnection;
  readonly #worker: Worker<unknown, void>;
  readonly #interrupt = new AbortController();
  readonly #turns = new Set<Promise<void>>();
  readonly #run: (signal: AbortSignal, nudged: boolean) => Promise<void>;
  #closing = false;

  /**
   * In: `slots` = turns at once; `run` does one turn to its end and obeys the signal, which `interrupt` aborts (`nudged`: not by an item); what it throws is
   * told to `onError` and ends the turn, no more. `onError` also hears of trouble with Redis; both only for diagnostics.
   * Takes nothing before `start`. Redis may go away or be emptied: running turns go on, and new items are taken as soon as it is back.
   */
  constructor(
    settings: RedisPlace & {
      prefix: string;
      /** Empty or absent: the common pool. */
      fleet?: string;
      slots: number;
      run: (signal: AbortSignal, nudged: boolean) => Promise<void>;
      onError?: (error: Error) => void;
    },
  ) {
    const onError = settings.onError ?? (() => undefined);
    this.#run = settings.run;
    // BullMQ wants null here: its blocking commands wait as long as it takes.
    this.#redis = connectRedis(settings, { maxRetriesPerRequest: null }, onError);
    this.#worker = new Worker(queueOf(settings.fleet ?? ''), () => this.#turn(false), {
      connection: this.#redis,
      prefix: keyPrefix(settings, settings.prefix),
      concurrency: settings.slots,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: MAX_STALLED,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    this.#worker.on('error', onError);
    this.#worker.on('failed', (_, error) => {
      onError(error);
    });
  }

  /** Begins to take items. */
  start(): void {
    // Resolves when the worker is closed; its errors come as events too.
    this.#worker.run().catch((error: unknown) => {
      this.#worker.emit('error', error as Error);
    });
  }

  /** Takes a turn without an item, for who was woken in another way: it needs no Redis. Beyond `slots`, `run` must know when it is enough. */
  nudge(): void {
    this.#turn(true).catch((error: unknown) => {
      this.#worker.emit('error', error as Error);
    });
  }

  /** Takes no more items; running turns go on. Resolves at once, within QUEUE_TIMEOUT_MS where Redis does not answer. */
  async stopTaking(): Promise<void> {
    this.#closing = true;
    await this.#within(this.#worker.pause(true));
  }

  /** Aborts the signal of all running turns with this reason; the first one counts. */
  interrupt(reason: unknown): void {
    this.#interrupt.abort(reason);
  }

  /** Takes no more items, waits for the running turns to end, then closes the connections. Needs no Redis for it. */
  async close(): Promise<void> {
    await this.stopTaking();
    await Promise.allSettled(this.#turns);
    // BullMQ's kind way waits for a Redis that is away, and keeps trying to reach it; its forced way only lets go
    await this.#within(this.#worker.close(this.#redis.status !== 'ready'));
    this.#redis.disconnect();
  }

  async #turn(nudged: boolean): Promise<void> {
    if (this.#closing) return;
    const turn = this.#run(this.#interrupt.signal, nudged);
    this.#turns.add(turn);
    try {
      await turn;
    } finally {
      this.#turns.delete(turn);
    }
  }

  /** BullMQ waits for Redis even to let go of it; we do not. */
  async #within(work: Promise<unknown>): Promise<void> {
    work.catch(() => undefined); // what fails here would only have tidied up a Redis that does not answer
    await Promise.race([work, sleep(QUEUE_TIMEOUT_MS, undefined, { ref: false })]).catch(() => undefined); // as above
  }
}
