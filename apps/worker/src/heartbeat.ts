// Says that this worker is there, and how it is: ACTIVE, DRAINING, or DEGRADED with the reason.
import { hostname } from 'node:os';
import type { Carried } from '#core/fleet.js';
import type { WorkerId } from '#core/ids.js';
import type { WorkerInfo } from '#core/worker.js';
import { messageOf } from '#core/errors.js';
import type { Backend } from '#engine/backend/backend.js';
import { sayDisk } from '#engine/backend/disk-space.js';
import type { Logger } from '#observe/logger.js';
import type { WorkersStore } from '#store/workers.store.js';

const BEAT_MS = 5_000;
const LOOK_MS = 1_000;

export class Heartbeat {
  private timer: NodeJS.Timeout | null = null;
  private readonly startedAt = new Date();
  private engine = { ok: false, message: 'the engine was not asked yet' };
  private draining = false;
  private answers = false;
  private short: string[] = [];
  private looking = false;
  private beatAt = -Infinity;

  constructor(
    private readonly options: {
      workerId: WorkerId;
      /** Id of the Docker host. */
      host: string;
      version: string;
      slots: number;
      carried: Carried;
      running: () => number;
      backend: Backend;
      /** Of each disk: with less free no builds are taken. */
      minFreeBytes: number;
      workers: WorkersStore;
      logger: Logger;
      /** Further facts for the message: what is not as the operator wants it, and keeps no build from running. */
      notes?: () => readonly string[];
    },
  ) {}

  /** False while no build should be taken. */
  get takes(): boolean {
    return this.usable && !this.draining;
  }

  private get usable(): boolean {
    return this.engine.ok && this.short.length === 0;
  }

  get info(): WorkerInfo {
    const { workerId, version, slots, carried, running } = this.options;
    return {
      id: workerId,
      hostname: hostname(),
      host: this.options.host,
      version,
      slots,
      fleet: carried.fleet,
      labels: [...carried.labels],
      running: running(),
      state: this.draining ? 'DRAINING' : this.usable ? 'ACTIVE' : 'DEGRADED',
      message: [...this.short, this.engine.message, ...(this.options.notes?.() ?? [])].join('; '),
      startedAt: this.startedAt,
      seenAt: new Date(),
    };
  }

  /** Looks at the engine and the disks now, for who has met trouble: `takes` is right when this resolves. */
  async look(): Promise<void> {
    await this.examine();
    if (!this.usable) this.beatAt = -Infinity; // the next pulse says so, or finds that all is well again
  }

  /** Resolves after the first beat. */
  async start(): Promise<void> {
    await this.beat();
    this.answers = await this.options.backend.answers();
    this.timer = setInterval(() => void this.pulse(), LOOK_MS).unref();
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

  /** Looks every second, writes every five, and at once when the engine goes or comes or a disk runs short. */
  private async pulse(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const answers = await this.options.backend.answers();
      const short = await this.shortDisks();
      const changed = answers !== this.answers || short.length !== this.short.length;
      this.answers = answers;
      if (changed || performance.now() - this.beatAt >= BEAT_MS) await this.beat();
    } finally {
      this.looking = false;
    }
  }

  private async beat(): Promise<void> {
    this.beatAt = performance.now();
    await this.examine();
    try {
      await this.options.workers.beat(this.info);
    } catch (error) {
      this.options.logger.warn('a heartbeat was not written', { error });
    }
  }

  private async examine(): Promise<void> {
    const before = this.usable;
    const { ok, message } = await this.options.backend.health();
    this.engine = { ok, message };
    this.short = await this.shortDisks();
    if (before !== this.usable)
      this.options.logger[this.usable ? 'info' : 'error'](this.usable ? 'ready for builds' : 'takes no builds', {
        engine: message,
        disks: this.short,
      });
  }

  private async shortDisks(): Promise<string[]> {
    const { backend, minFreeBytes } = this.options;
    try {
      const short = (await backend.disks()).filter(({ freeBytes }) => freeBytes < minFreeBytes);
      return short.map(
        (disk) => `no builds are taken for want of disk (${sayDisk(disk)}; KILNYARD_MIN_FREE_BYTES is ${minFreeBytes})`,
      );
    } catch (error) {
      return [`no builds are taken: the disks cannot be looked at: ${messageOf(error)}`];
    }
  }
}
