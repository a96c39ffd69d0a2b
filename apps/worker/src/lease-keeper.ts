// Keeps one build's lease while it runs, and hears of a wish to stop it, or to end its pause.
import type { Lease } from '#core/build.js';
import { Fault, Interrupt } from '#core/errors.js';
import type { ResumeWish } from '#engine/pauses.js';
import type { Logger } from '#observe/logger.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';

/** A change of the build that its own worker most often made itself: what else it may mean is looked at a little later. */
const LOOK_MS = 1_000;

/**
 * Aborts `interrupt` with an Interrupt: `lease-lost` when the build has passed to another, `stop` when somebody asked for it.
 * The lease is renewed three times in its length; the notification of a stop only makes the next renewal come at once.
 */
export class LeaseKeeper {
  private readonly timer: NodeJS.Timeout;
  private readonly unsubscribe: () => void;
  private asking = false;
  private askAgain = false;
  private stopped = false;
  private look: NodeJS.Timeout | null = null;
  /** When the lease was renewed last, by this process's own clock; asked for before the answer came, so never too late. */
  private renewedAt = performance.now();

  constructor(
    private readonly options: {
      builds: BuildsStore;
      listener: Listener;
      lease: Lease;
      leaseMs: number;
      interrupt: AbortController;
      wish: ResumeWish;
      logger: Logger;
    },
  ) {
    this.timer = setInterval(() => void this.renew(), options.leaseMs / 3);
    this.timer.unref();
    this.unsubscribe = options.listener.onChange(options.lease.buildId, ({ kind }) => {
      if (kind === 'stop' || kind === 'missed') void this.renew();
      else if (kind !== 'log') this.renewSoon();
    });
    // a stop may have been asked for between the claim and the subscription
    void this.renew();
  }

  /** Whether the lease is known to hold now: a process that was stopped for long must look before it does what cannot be undone. */
  get held(): boolean {
    return performance.now() - this.renewedAt < this.options.leaseMs;
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
    if (this.look !== null) clearTimeout(this.look);
    this.unsubscribe();
  }

  private renewSoon(): void {
    this.look ??= setTimeout(() => {
      this.look = null;
      void this.renew();
    }, LOOK_MS).unref();
  }

  private async renew(): Promise<void> {
    if (this.asking) {
      this.askAgain = true;
      return;
    }
    this.asking = true;
    do {
      this.askAgain = false;
      await this.renewOnce();
    } while (this.askAgain && !this.stopped);
    this.asking = false;
  }

  private async renewOnce(): Promise<void> {
    const { builds, lease, leaseMs, interrupt, wish, logger } = this.options;
    const askedAt = performance.now();
    try {
      const { stopRequested, resumeAsked } = await builds.renewLease(lease, leaseMs);
      this.renewedAt = askedAt;
      if (stopRequested) interrupt.abort(new Interrupt('stop'));
      if (resumeAsked !== null) wish.ask(resumeAsked);
    } catch (error) {
      if (this.stopped) return;
      if (error instanceof Fault && error.code === 'LEASE_LOST') interrupt.abort(new Interrupt('lease-lost'));
      // the database is away: the next renewal may still come in time
      else logger.warn('a lease was not renewed', { error });
    }
  }
}
