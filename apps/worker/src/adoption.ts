// Finds running builds of this Docker host that nobody looks after any more, and goes on with them.
import { isDatabaseTrouble } from '#core/errors.js';
import type { ClaimedBuild } from '#core/build.js';
import type { WorkerId } from '#core/ids.js';
import type { Logger } from '#observe/logger.js';
import type { HeldBuild } from '#store/adopt.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';
import type { Liveness } from './liveness.js';

export interface AdoptionOptions {
  workerId: WorkerId;
  host: string;
  leaseMs: number;
  builds: BuildsStore;
  listener: Listener;
  liveness: Liveness;
  logger: Logger;
  /** This worker runs that attempt now. */
  owns: (buildId: string, attempt: number) => boolean;
  /** Goes on with it; does not wait for its end. */
  take: (claimed: ClaimedBuild) => void;
  /** False while the engine does not answer or this worker drains. */
  mayTake: () => boolean;
}

export class Adoption {
  private looking: Promise<void> | null = null;
  private again = false;
  private stopped = false;
  private troubleAt = -Infinity;
  private timer: NodeJS.Timeout | null = null;
  private unsubscribe = (): void => undefined;

  constructor(private readonly options: AdoptionOptions) {}

  /** Looks now, at every notification of a build let go, and every `everyMs`. Resolves after the first look. */
  async start(everyMs: number): Promise<void> {
    this.unsubscribe = this.options.listener.onReleased(() => void this.look());
    this.timer = setInterval(() => void this.look(), everyMs).unref();
    await this.look();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.unsubscribe();
    if (this.timer !== null) clearInterval(this.timer);
    await this.looking;
  }

  /** One look at a time; one that is asked for meanwhile follows. Trouble is told; the next look is made all the same. */
  look(): Promise<void> {
    if (this.looking !== null) {
      this.again = true;
      return this.looking;
    }
    this.looking = this.lookOnce().finally(() => {
      this.looking = null;
      if (this.again && !this.stopped) void this.look();
      this.again = false;
    });
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    const { builds, host, logger, mayTake } = this.options;
    if (this.stopped || !mayTake()) return;
    try {
      for (const held of await builds.heldOnHost(host)) {
        if (this.stopped || !mayTake()) return;
        await this.consider(held);
      }
    } catch (error) {
      if (isDatabaseTrouble(error)) this.troubleAt = performance.now();
      logger.warn('running builds of this host could not be looked over', { error });
    }
  }

  private async consider(held: HeldBuild): Promise<void> {
    const { builds, workerId, leaseMs, owns, take, logger } = this.options;
    if (owns(held.buildId, held.attempt)) return;
    const why = await this.whyTake(held);
    if (why === null) return;
    const claimed = await builds.adopt({ ...held, by: workerId, leaseMs, evenHeld: why.evenHeld });
    if (claimed === null) return;
    logger.info('build adopted', {
      build: held.buildId,
      attempt: held.attempt,
      from: held.workerId,
      because: why.because,
    });
    take(claimed);
  }

  private async whyTake(held: HeldBuild): Promise<{ because: string; evenHeld: boolean } | null> {
    const { workerId, liveness, leaseMs } = this.options;
    if (held.workerId === workerId)
      return held.expiredMs > 0 ? { because: 'this worker had let it go', evenHeld: false } : null;
    const sign = await liveness.ask(held.workerId);
    if (sign.state === 'gone') return { because: 'its worker is gone', evenHeld: true };
    if (held.expiredMs <= 0) return null;
    if (sign.state === 'silent')
      return { because: 'its worker does not answer and its lease ran out', evenHeld: false };
    if (!sign.runs.has(`${held.buildId}/${held.attempt}`))
      return { because: 'its worker has let it go', evenHeld: false };
    // it may only have been kept from renewing by a database that was away for all of us
    const cutOff = held.expiredMs > leaseMs && performance.now() - this.troubleAt > leaseMs;
    return cutOff ? { because: 'its worker cannot renew its lease', evenHeld: false } : null;
  }
}
