// Ends what no worker will end. The API and every worker do it on a timer, each for itself: with no worker at all builds still leave
// the queue at their timeout and lost ones are settled. Knows no Docker and no Redis. Each part is idempotent.
import { isDatabaseTrouble } from '#core/errors.js';
import type { Logger } from '#observe/logger.js';
import type { BatchesStore } from '#store/batch/batches.store.js';
import type { BuildsStore } from '#store/builds.store.js';

export interface RowUpkeepOptions {
  builds: Pick<BuildsStore, 'expireQueued' | 'settleLost'>;
  batches: Pick<BatchesStore, 'expire' | 'mend'>;
  logger: Logger;
  /** How long a claim holds; after trouble with the database, or a sleep of this machine, no build is settled for so long. */
  leaseMs: number;
  /** How long a build whose commands run waits for a worker of its host. */
  hostLostMs: number;
  /** Counts a start as trouble: workers may have been kept from renewing by what this process was down with. */
  graceAtStart: boolean;
}

export class RowUpkeep {
  private troubleAt: number;

  constructor(private readonly options: RowUpkeepOptions) {
    this.troubleAt = options.graceAtStart ? Date.now() : -Infinity;
  }

  /**
   * One look. In: by how much it comes too late, in ms. A part that fails is told and does not keep the others from their work. Never
   * rejects.
   */
  async round(lateMs = 0, now = new Date()): Promise<void> {
    const { builds, batches, logger, leaseMs, hostLostMs } = this.options;
    // this machine slept, and with it perhaps the workers: those that live renew their leases now
    if (lateMs > leaseMs) this.troubleAt = now.getTime();
    await this.part('queue timeouts', async () => {
      for (const id of await builds.expireQueued(now))
        logger.info('build left the queue at its timeout', { build: id });
    });
    await this.part('batches', async () => {
      for (const id of await batches.expire(now)) logger.info('batch ended at its timeout', { batch: id });
      const { stopped, settled } = await batches.mend();
      if (stopped.length > 0)
        logger.info('builds of batches that are being ended were asked to stop', { batches: stopped });
      if (settled.length > 0) logger.warn('ended builds were missing in their batches', { builds: settled });
    });
    await this.part('lost builds', async () => {
      // while the database took nothing no worker could renew its leases: each gets the time to
      if (now.getTime() - this.troubleAt < leaseMs) return;
      for (const id of await builds.settleLost(now, hostLostMs))
        logger.warn('build settled: its worker was lost', { build: id });
    });
  }

  private async part(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isDatabaseTrouble(error)) this.troubleAt = Date.now();
      this.options.logger.warn(`upkeep: ${what} failed`, { error });
    }
  }
}
