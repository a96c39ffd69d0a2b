// Mends what differs between the queue, the rows and the engine. Every worker does it, on a timer; each part is idempotent.
import { Fault } from '#core/errors.js';
import type { Backend } from '#engine/backend/backend.js';
import type { Logger } from '#observe/logger.js';
import type { BuildQueue } from '#queue/producer.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { IdempotencyStore } from '#store/idempotency.store.js';
import type { LogsStore } from '#store/logs.store.js';

/** Waiting builds whose queue items are looked after in one sweep. */
const MAX_REQUEUED = 100;
const DAY_MS = 86_400_000;

export interface SweepOptions {
  builds: BuildsStore;
  logs: LogsStore;
  queue: BuildQueue;
  backend: Backend;
  logger: Logger;
  /** This worker runs that attempt now. */
  owns: (buildId: string, attempt: number) => boolean;
  idempotency: IdempotencyStore;
  /** How long an Idempotency-Key is remembered. */
  idempotencyMs: number;
  /** How long a claim holds; after trouble with the database no build is settled for so long. */
  leaseMs: number;
  /** How long a build whose commands run waits for a worker of its host. */
  hostLostMs: number;
  /** What need not be soon (containers, partitions, old keys) is looked over at every n-th sweep. */
  everySlow: number;
  swept: (containers: number) => void;
}

export class Sweep {
  private round = 0;
  private troubleAt = -Infinity;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: SweepOptions) {}

  start(everyMs: number): void {
    const again = (): void => {
      this.running = this.sweep().finally(() => {
        if (this.timer !== null) this.timer = setTimeout(again, everyMs).unref();
      });
    };
    this.timer = setTimeout(again, 0).unref();
  }

  async stop(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    await this.running;
  }

  /** One sweep. A part that fails is told and does not keep the others from their work. */
  async sweep(): Promise<void> {
    const { builds, logger } = this.options;
    const now = new Date();
    await this.part('queue timeouts', async () => {
      for (const id of await builds.expireQueued(now))
        logger.info('build left the queue at its timeout', { build: id });
    });
    await this.part('lost builds', async () => {
      // while the database was away no worker could renew its leases: each gets the time to
      if (now.getTime() - this.troubleAt < this.options.leaseMs) return;
      for (const id of await builds.settleLost(now, this.options.hostLostMs))
        logger.warn('build settled: its worker was lost', { build: id });
    });
    await this.part('queue items', () => this.requeue());
    if (this.round % this.options.everySlow === 0) await this.slowParts(now);
    this.round += 1;
  }

  private async slowParts(now: Date): Promise<void> {
    const { logs, idempotency, idempotencyMs } = this.options;
    await this.part('containers', () => this.containers());
    await this.part('partitions', () => logs.ensurePartitions([now, new Date(now.getTime() + DAY_MS)]));
    await this.part('idempotency keys', () => idempotency.expire(now, idempotencyMs));
  }

  private async requeue(): Promise<void> {
    const { builds, queue } = this.options;
    if (!(await builds.hasClaimable())) return;
    for (const id of await builds.queuedIds(MAX_REQUEUED)) await queue.add(id);
    await queue.wake();
  }

  /** Containers that no running build owns. What other workers on this engine run is asked of the database first. */
  private async containers(): Promise<void> {
    const { backend, builds, owns, swept } = this.options;
    const found: { buildId: string; attempt: number }[] = [];
    await backend.sweep((owner) => {
      found.push(owner);
      return true;
    });
    const owned = new Set<string>();
    for (const { buildId, attempt } of found) {
      if (owns(buildId, attempt) || (await builds.isOwned(buildId as never, attempt)))
        owned.add(`${buildId}/${attempt}`);
    }
    if (owned.size === found.length) return;
    const known = new Set(found.map(({ buildId, attempt }) => `${buildId}/${attempt}`));
    // only what was asked about: a container made meanwhile belongs to a build that began meanwhile
    const removed = await backend.sweep(({ buildId, attempt }) => {
      const name = `${buildId}/${attempt}`;
      return !known.has(name) || owned.has(name) || owns(buildId, attempt);
    });
    swept(removed);
  }

  private async part(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Fault && error.code === 'DATABASE_UNAVAILABLE') this.troubleAt = Date.now();
      this.options.logger.warn(`sweep: ${what} failed`, { error });
    }
  }
}
