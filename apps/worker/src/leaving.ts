// How long a worker may take to leave: in order where it can, and in time where a database, queue or engine keeps it from that.
import type { Clock } from '#core/clock.js';

/**
 * So long after the grace of its builds a worker ends, tidied up or not, in ms. What is left then is what a killed one leaves: its
 * builds are adopted, its containers swept.
 */
export const LEAVE_MS = 15_000;

export interface LeavingSteps {
  /** Everything in order. */
  windDown: (graceMs: number) => Promise<void>;
  /** Leaves the running builds for another worker. */
  letGo: () => void;
  /** What must be done at the least, and needs nobody else. */
  abandon: () => Promise<void>;
}

export class Leaving {
  private left: Promise<void> | null = null;
  private readonly hurry = new AbortController();

  constructor(
    private readonly clock: Clock,
    private readonly steps: LeavingSteps,
  ) {}

  /**
   * Resolves when the worker has wound down, or LEAVE_MS after `graceMs`. A second call lets go of the builds and leaves LEAVE_MS from
   * then on. Errors: what winding down throws.
   */
  within(graceMs: number): Promise<void> {
    if (this.left === null) this.left = this.leave(graceMs);
    else {
      this.steps.letGo();
      this.hurry.abort();
    }
    return this.left;
  }

  private async leave(graceMs: number): Promise<void> {
    const over = new AbortController();
    const late = this.late(graceMs, over.signal);
    try {
      const end = await Promise.race([this.steps.windDown(graceMs).then(() => 'in order' as const), late]);
      if (end === 'in order') return;
      this.steps.letGo();
      await this.steps.abandon();
    } finally {
      over.abort();
    }
  }

  /** Resolves when it is time to go whatever is left; never when `over` comes first. */
  private async late(graceMs: number, over: AbortSignal): Promise<'late'> {
    const grace = AbortSignal.any([over, this.hurry.signal]);
    try {
      await this.clock.sleep(graceMs, grace).catch(() => undefined); // hurried: the grace is over
      await this.clock.sleep(LEAVE_MS, over);
      return 'late';
    } catch {
      return new Promise(() => undefined); // it has wound down: nobody waits for this
    }
  }
}
