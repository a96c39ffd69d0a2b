// Turns that do not come out of this worker's queue: builds that fit it and were met by a worker that they do not fit.
import { fits, type Carried } from '#core/fleet.js';
import type { Logger } from '#observe/logger.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';

/**
 * A queue item is a turn for any worker of its fleet. Who takes it and finds that what waits asks for labels that it does not carry,
 * or that it has no slot after all, passes the turn on: one notification for each set of asked words, to all workers. Those whom it
 * fits and who have a free slot look. It ends with them: who has found nothing tells only of builds that do not fit itself, and whom
 * they fit and who is free takes them.
 */
export class WakeUps {
  private readonly unsubscribe: () => void;

  constructor(
    private readonly options: {
      carried: Carried;
      builds: BuildsStore;
      listener: Listener;
      logger: Logger;
      /** 0 while the worker should take nothing. */
      freeSlots: () => number;
      /** Takes one turn. */
      nudge: () => void;
    },
  ) {
    this.unsubscribe = options.listener.onWake((requires) => {
      if (fits(requires, options.carried)) this.nudge();
    });
  }

  /** Lets a free slot look. A turn that was begun so and finds a build calls this again: there may be more. */
  nudge(): void {
    if (this.options.freeSlots() > 0) this.options.nudge();
  }

  /** After a turn: whatever could start and cannot start here. What cannot be told now is found by the others' sweeps. */
  async passOn(): Promise<void> {
    const { builds, carried, freeSlots, logger } = this.options;
    try {
      await builds.wakeOthers(freeSlots() > 0 ? carried : null);
    } catch (error) {
      logger.warn('other workers were not woken', { error });
    }
  }

  stop(): void {
    this.unsubscribe();
  }
}
