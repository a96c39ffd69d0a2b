// Mends what differs between the queue, the rows and the engine. Every worker does it, on a timer; each part is idempotent. What needs
// no engine stands in libs/upkeep, since the API does it too.
import type { Carried } from '#core/fleet.js';
import type { Backend } from '#engine/backend/backend.js';
import type { Logger } from '#observe/logger.js';
import type { BatchesStore } from '#store/batch/batches.store.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { IdempotencyStore } from '#store/idempotency.store.js';
import type { LogsStore } from '#store/logs.store.js';
import { Rounds } from '#upkeep/rounds.js';
import { RowUpkeep } from '#upkeep/row-upkeep.js';

const DAY_MS = 86_400_000;

export interface SweepOptions {
  builds: BuildsStore;
  batches: BatchesStore;
  logs: LogsStore;
  carried: Carried;
  /** Lets the free slots of this worker look for a build. */
  nudge: () => void;
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
  /** Takes away what killed workers of this host left to be asked by. */
  tidySockets: () => Promise<unknown>;
}

export class Sweep {
  private round = 0;
  private readonly rows: RowUpkeep;
  private readonly rounds = new Rounds((lateMs) => this.sweep(lateMs));

  constructor(private readonly options: SweepOptions) {
    this.rows = new RowUpkeep({ ...options, graceAtStart: false });
  }

  start(everyMs: number): void {
    this.rounds.start(everyMs);
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  /** One sweep. A part that fails is told and does not keep the others from their work. */
  async sweep(lateMs: number): Promise<void> {
    await this.rows.round(lateMs);
    await this.part('waiting builds', () => this.look());
    if (this.round % this.options.everySlow === 0) await this.slowParts(new Date());
    this.round += 1;
  }

  private async slowParts(now: Date): Promise<void> {
    const { logs, idempotency, idempotencyMs } = this.options;
    await this.part('containers', () => this.containers());
    await this.part('liveness sockets', () => this.options.tidySockets());
    await this.part('partitions', () => logs.ensurePartitions([now, new Date(now.getTime() + DAY_MS)]));
    await this.part('idempotency keys', () => idempotency.expire(now, idempotencyMs));
  }

  /** What could start here and has not, for instance while Redis was away: our free slots look, and each other worker's sweep for its own. */
  private async look(): Promise<void> {
    const { builds, carried, nudge } = this.options;
    if (await builds.hasClaimable(carried)) nudge();
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
      this.options.logger.warn(`sweep: ${what} failed`, { error });
    }
  }
}
