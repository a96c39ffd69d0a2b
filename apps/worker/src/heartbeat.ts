// Says that this worker is there, and how it is: ACTIVE, DRAINING, or DEGRADED with the reason.
import { hostname } from 'node:os';
import type { WorkerId } from '#core/ids.js';
import type { WorkerInfo } from '#core/worker.js';
import type { Backend } from '#engine/backend/backend.js';
import type { Logger } from '#observe/logger.js';
import type { WorkersStore } from '#store/workers.store.js';

const BEAT_MS = 5_000;

export class Heartbeat {
  private timer: NodeJS.Timeout | null = null;
  private readonly startedAt = new Date();
  private engine = { ok: false, message: 'the engine was not asked yet' };
  private draining = false;

  constructor(
    private readonly options: {
      workerId: WorkerId;
      /** Id of the Docker host. */
      host: string;
      version: string;
      slots: number;
      running: () => number;
      backend: Backend;
      workers: WorkersStore;
      logger: Logger;
    },
  ) {}

  /** False while no build should be taken. */
  get takes(): boolean {
    return this.engine.ok && !this.draining;
  }

  get info(): WorkerInfo {
    const { workerId, version, slots, running } = this.options;
    return {
      id: workerId,
      hostname: hostname(),
      host: this.options.host,
      version,
      slots,
      running: running(),
      state: this.draining ? 'DRAINING' : this.engine.ok ? 'ACTIVE' : 'DEGRADED',
      message: this.engine.message,
      startedAt: this.startedAt,
      seenAt: new Date(),
    };
  }

  /** Resolves after the first beat. */
  async start(): Promise<void> {
    await this.beat();
    this.timer = setInterval(() => void this.beat(), BEAT_MS).unref();
  }

  async drain(): Promise<void> {
    this.draining = true;
    await this.beat();
  }

  /** Takes the worker off the list. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    try {
      await this.options.workers.leave(this.options.workerId);
    } catch (error) {
      this.options.logger.warn('the worker could not be taken off the list', { error });
    }
  }

  private async beat(): Promise<void> {
    const before = this.engine;
    const { ok, message } = await this.options.backend.health();
    this.engine = { ok, message };
    if (before.ok !== ok)
      this.options.logger[ok ? 'info' : 'error'](ok ? 'engine ready' : 'engine not usable', { engine: message });
    try {
      await this.options.workers.beat(this.info);
    } catch (error) {
      this.options.logger.warn('a heartbeat was not written', { error });
    }
  }
}
