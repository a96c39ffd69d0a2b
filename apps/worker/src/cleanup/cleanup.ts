// Retention and budgets, at a worker's start and on a timer: what all hosts share by one worker at a time, what is this host's by its own.
import type { Logger } from '#observe/logger.js';
import type { RetentionStore, Taken } from '#store/retention/retention.store.js';
import type { StorageUseStore } from '#store/storage-use.store.js';
import type { CleanupMetrics } from './cleanup-metrics.js';

/** What a part takes once it is done; no budget: null. */
export interface Use {
  items: number;
  usedBytes: number;
  budgetBytes: number | null;
}

/** What a part did: what it took away, for the diagnostics anything that tells which, and what is left where it has a budget. */
export interface PartResult extends Taken {
  details?: Record<string, unknown>;
  use?: Use;
  /** What kept it from more: told when what it did has been counted. */
  failure?: unknown;
}

export interface CleanupPart {
  /** As it is called in diagnostics, metrics and `GET /v1/storage`. */
  name: string;
  run(now: Date, signal: AbortSignal): Promise<PartResult>;
}

export interface CleanupOptions {
  retention: Pick<RetentionStore, 'inRound'>;
  storage: Pick<StorageUseStore, 'write' | 'forgetOld' | 'measureShared'>;
  /** Done by one process of the instance at a time, in this order. */
  shared: readonly CleanupPart[];
  /** Done by each worker, in this order; safe beside another worker of the same host. */
  host: readonly CleanupPart[];
  /** Id of this host's data folder. */
  hostId: string;
  /** In bytes, of what the database measures; a part that is not in here has none. */
  budgets: Readonly<Record<string, number>>;
  metrics: CleanupMetrics;
  logger: Logger;
}

export class Cleanup {
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: CleanupOptions) {}

  /** The first round begins at once. */
  start(everyMs: number): void {
    const again = (): void => {
      this.running = this.round().finally(() => {
        if (this.timer !== null) this.timer = setTimeout(again, everyMs).unref();
      });
    };
    this.timer = setTimeout(again, 0).unref();
  }

  /** Breaks off what runs, between two of its batches. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.stopping.abort(new Error('the worker stops'));
    await this.running;
  }

  /** One round. A part that fails is told, and does not keep the others from their work. */
  async round(now = new Date()): Promise<void> {
    const { host, shared, retention, logger } = this.options;
    for (const part of host) await this.part(part, now, this.options.hostId);
    try {
      await retention.inRound(async () => {
        for (const part of shared) await this.part(part, now, '');
        await this.measure();
      });
    } catch (error) {
      if (!this.stopping.signal.aborted) logger.warn('cleanup: no round of what all hosts share', { error });
    }
  }

  private async part({ name, run }: CleanupPart, now: Date, host: string): Promise<void> {
    const { metrics, logger, storage } = this.options;
    const { signal } = this.stopping;
    if (signal.aborted) return;
    try {
      const { items, bytes, details, use, failure = null } = await run(now, signal);
      metrics.took(name, { items, bytes });
      if (items > 0) logger.info(`cleanup: ${name}`, { items, bytes, ...details });
      if (failure !== null) this.failed(name, failure);
      if (use === undefined) return;
      metrics.measured(name, use);
      await storage.write({ part: name, host, ...use });
      if (use.budgetBytes !== null && use.usedBytes > use.budgetBytes) {
        const { usedBytes, budgetBytes } = use;
        logger.warn(`cleanup: ${name} are over their budget: what is left is in use`, { usedBytes, budgetBytes });
      }
    } catch (error) {
      if (signal.aborted) return;
      this.failed(name, error);
    }
  }

  private failed(name: string, error: unknown): void {
    this.options.metrics.failures.inc({ part: name });
    this.options.logger.warn(`cleanup: ${name} failed`, { error });
  }

  /** What the rows tell of database and blob store. */
  private async measure(): Promise<void> {
    const { storage, budgets, metrics, logger } = this.options;
    if (this.stopping.signal.aborted) return;
    try {
      for (const { part, items, usedBytes } of await storage.measureShared()) {
        const use = { items, usedBytes, budgetBytes: budgets[part] ?? null };
        metrics.measured(part, use);
        await storage.write({ part, host: '', ...use });
      }
      await storage.forgetOld();
    } catch (error) {
      metrics.failures.inc({ part: 'measure' });
      logger.warn('cleanup: what is stored could not be measured', { error });
    }
  }
}
