// Puts ids into the queue, after the commit. Called by the API and by the sweep; fails fast, since the sweep mends what is missing.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Queue } from 'bullmq';
import { Fault, messageOf } from '#core/errors.js';
import { type BuildItem, buildItem, ITEM_NAMES, queueOf, QUEUE_TIMEOUT_MS } from './build-queue.js';
import { connectRedis, keyPrefix, type RedisConnection, type RedisPlace } from './redis-place.js';

/** The item goes when it is done, so that the same build can be added again. */
const ITEM_OPTIONS = { removeOnComplete: true, removeOnFail: true } as const;

type Items = Queue<BuildItem | Record<string, never>, void>;

export class BuildQueue {
  readonly #redis: RedisConnection;
  /** By fleet. */
  readonly #queues = new Map<string, Items>();
  readonly #prefix: string;
  readonly #onError: (error: Error) => void;

  /** In: `prefix` of all keys in Redis; `onError` hears of connection trouble, for diagnostics. Does not wait for Redis. */
  constructor(settings: RedisPlace & { prefix: string; onError?: (error: Error) => void }) {
    const onError = settings.onError ?? (() => undefined);
    this.#redis = connectRedis(
      settings,
      // No queue of commands while Redis is away: what cannot be said now is not worth saying later.
      { enableOfflineQueue: false, maxRetriesPerRequest: 1, connectTimeout: QUEUE_TIMEOUT_MS },
      onError,
    );
    this.#prefix = keyPrefix(settings, settings.prefix);
    this.#onError = onError;
    this.queue('');
  }

  /**
   * Adds a build's item to the queue of its fleet; one that is there already stays the only one.
   * Errors: Fault QUEUE_UNAVAILABLE (retryable) when Redis does not answer within QUEUE_TIMEOUT_MS.
   */
  async add(buildId: string, fleet = ''): Promise<void> {
    const item = buildItem.parse({ buildId });
    await this.within(() => this.queue(fleet).add(ITEM_NAMES.build, item, { ...ITEM_OPTIONS, jobId: buildId }));
  }

  /**
   * Wakes one free slot of the fleet to look for a build, where none is about to be woken already. For builds whose own item is spent: taken
   * while their project was at its limit, or at work on another build just now (an item is a turn, not a build).
   * Errors: as add.
   */
  async wake(fleet = ''): Promise<void> {
    await this.within(async () => {
      if ((await this.queue(fleet).getWaitingCount()) > 0) return;
      await this.queue(fleet).add(ITEM_NAMES.wake, {}, { ...ITEM_OPTIONS, jobId: `wake-${randomUUID()}` });
    });
  }

  /** Errors: as add. */
  async ping(): Promise<void> {
    await this.within(() => this.#redis.ping());
  }

  /** Items that wait, and items at work, of one fleet. Errors: as add. */
  async counts(fleet = ''): Promise<{ waiting: number; active: number }> {
    const counts = await this.within(() => this.queue(fleet).getJobCounts('waiting', 'active'));
    return { waiting: counts.waiting ?? 0, active: counts.active ?? 0 };
  }

  async close(): Promise<void> {
    // Closing waits for nothing of ours: with Redis away it fails, and the connection is cut below either way.
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => undefined)));
    this.#redis.disconnect();
  }

  /** Fleets are few, and all share the connection. */
  private queue(fleet: string): Items {
    const known = this.#queues.get(fleet);
    if (known !== undefined) return known;
    const queue: Items = new Queue(queueOf(fleet), {
      connection: this.#redis,
      prefix: this.#prefix,
      skipMetasUpdate: true,
    });
    queue.on('error', this.#onError);
    this.#queues.set(fleet, queue);
    return queue;
  }

  /** Waits for the connection (a fresh queue has none yet) and does the work, all of it within QUEUE_TIMEOUT_MS. */
  private async within<T>(work: () => Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(QUEUE_TIMEOUT_MS);
    const done = new AbortController();
    try {
      if (this.#redis.status !== 'ready')
        await once(this.#redis, 'ready', { signal: AbortSignal.any([late, done.signal]) });
      const working = work();
      working.catch(() => undefined); // when it is late, nobody listens to it any more
      return await Promise.race([working, rejectionOf(late, done.signal)]);
    } catch (error) {
      const why = late.aborted ? `no answer within ${QUEUE_TIMEOUT_MS} ms` : messageOf(error);
      throw new Fault('QUEUE_UNAVAILABLE', `the queue does not answer: ${why}`, { cause: error, retryable: true });
    } finally {
      done.abort();
    }
  }
}

/** Rejects when `signal` aborts; `done` ends the watch. */
function rejectionOf(signal: AbortSignal, done: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true, signal: done });
  });
}
