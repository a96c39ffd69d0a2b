// Puts ids into the queue, after the commit. Called by the API and by the sweep; fails fast, since the sweep mends what is missing.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { Fault, messageOf } from '#core/errors.js';
import { BUILD_QUEUE, type BuildItem, buildItem, connectRedis, ITEM_NAMES, QUEUE_TIMEOUT_MS } from './build-queue.js';

/** The item goes when it is done, so that the same build can be added again. */
const ITEM_OPTIONS = { removeOnComplete: true, removeOnFail: true } as const;

export class BuildQueue {
  readonly #redis: Redis;
  readonly #queue: Queue<BuildItem | Record<string, never>, void>;

  /** In: `prefix` of all keys in Redis; `onError` hears of connection trouble, for diagnostics. Does not wait for Redis. */
  constructor(settings: { redisUrl: string; prefix: string; onError?: (error: Error) => void }) {
    const onError = settings.onError ?? (() => undefined);
    this.#redis = connectRedis(
      settings.redisUrl,
      // No queue of commands while Redis is away: what cannot be said now is not worth saying later.
      { enableOfflineQueue: false, maxRetriesPerRequest: 1, connectTimeout: QUEUE_TIMEOUT_MS },
      onError,
    );
    this.#queue = new Queue(BUILD_QUEUE, {
      connection: this.#redis,
      prefix: settings.prefix,
      skipMetasUpdate: true,
    });
    this.#queue.on('error', onError);
  }

  /**
   * Adds a build's item; one that is there already stays the only one.
   * Errors: Fault QUEUE_UNAVAILABLE (retryable) when Redis does not answer within QUEUE_TIMEOUT_MS.
   */
  async add(buildId: string): Promise<void> {
    const item = buildItem.parse({ buildId });
    await this.within(() => this.#queue.add(ITEM_NAMES.build, item, { ...ITEM_OPTIONS, jobId: buildId }));
  }

  /**
   * Wakes one free slot to look for a build, where none is about to be woken already. For builds whose own item is spent: taken
   * while their project was at its limit, or at work on another build just now (an item is a turn, not a build).
   * Errors: as add.
   */
  async wake(): Promise<void> {
    await this.within(async () => {
      if ((await this.#queue.getWaitingCount()) > 0) return;
      await this.#queue.add(ITEM_NAMES.wake, {}, { ...ITEM_OPTIONS, jobId: `wake-${randomUUID()}` });
    });
  }

  /** Errors: as add. */
  async ping(): Promise<void> {
    await this.within(() => this.#redis.ping());
  }

  /** Items that wait, and items at work. Errors: as add. */
  async counts(): Promise<{ waiting: number; active: number }> {
    const counts = await this.within(() => this.#queue.getJobCounts('waiting', 'active'));
    return { waiting: counts.waiting ?? 0, active: counts.active ?? 0 };
  }

  async close(): Promise<void> {
    // Closing waits for nothing of ours: with Redis away it fails, and the connection is cut below either way.
    await this.#queue.close().catch(() => undefined);
    this.#redis.disconnect();
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
