// One turn of a slot: claims what may run next, and runs it, until there is nothing to claim.
import type { ClaimedBuild } from '#core/build.js';
import { Fault, Interrupt } from '#core/errors.js';
import { fleetOf, requiresOf, type Carried } from '#core/fleet.js';
import { publicBuildId, type WorkerId } from '#core/ids.js';
import type { Clock } from '#core/clock.js';
import { isFinal } from '#core/phase.js';
import type { BuildState } from '#core/transitions.js';
import { ResumeWish } from '#engine/pauses.js';
import type { RunPorts } from '#engine/ports.js';
import { runBuild, type RunEnd } from '#engine/run-build.js';
import { withContext } from '#observe/context.js';
import type { Logger } from '#observe/logger.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';
import { LeaseKeeper } from './lease-keeper.js';
import type { WorkerMetrics } from './worker-metrics.js';

/** Why a build was given back, as its attempt shows it. */
const NOT_STARTED = 'The worker left before a command of the build had run.';

export interface TurnOptions {
  workerId: WorkerId;
  workerName: string;
  publicUrl: string;
  /** Id of the Docker host. */
  host: string;
  leaseMs: number;
  diskCheckMs: number;
  /** Of one pause by codebuild-breakpoint. */
  pauseLimitMs: number;
  logLimits: { maxLineBytes: number; maxBuildBytes: number; flushMs: number };
  privilegedProjects: readonly string[];
  slots: number;
  carried: Carried;
  builds: BuildsStore;
  listener: Listener;
  clock: Clock;
  logger: Logger;
  portsFor: (claimed: ClaimedBuild) => Omit<RunPorts, 'observer'>;
  /** Wakes a free slot of a worker of this fleet. Errors: Fault QUEUE_UNAVAILABLE. */
  wake: (fleet: string) => Promise<void>;
  /** False while the worker should take nothing: it drains, or its engine does not answer. */
  mayTake: () => boolean;
  /** Makes `mayTake` right. */
  look: () => Promise<void>;
}

export class BuildTurns {
  private readonly runs = new Map<string, AbortController>();
  metrics: WorkerMetrics | null = null;
  private turns = 0;
  /** Builds that this worker goes on with for another, beside its turns. */
  private readonly adopted = new Set<Promise<void>>();
  /** The same, each with the turn that follows it. */
  private readonly followed = new Set<Promise<void>>();

  constructor(private readonly options: TurnOptions) {}

  get running(): number {
    return this.runs.size;
  }

  /** Whether this worker runs that attempt now: the sweep leaves its container alone. */
  owns(buildId: string, attempt: number): boolean {
    return this.runs.has(`${buildId}/${attempt}`);
  }

  /** Names of the builds that this worker runs now: `<uuid>/<attempt>`. */
  names(): Iterable<string> {
    return this.runs.keys();
  }

  /** Goes on with a build that another worker began, beyond the slots if it must be. A turn follows, since its slot is free then. */
  adopt(claimed: ClaimedBuild): void {
    const run = this.inContext(claimed).finally(() => this.adopted.delete(run));
    this.adopted.add(run);
    const followed: Promise<void> = run
      .then(() => this.turn())
      .catch((error: unknown) => this.options.logger.error('a turn failed', { error }))
      .finally(() => this.followed.delete(followed));
    this.followed.add(followed);
  }

  /** Resolves when no adopted build runs here any more, nor one that its slot took after it. */
  async adoptedEnded(): Promise<void> {
    await Promise.all(this.followed);
  }

  /** Lets go of all running builds: those whose commands run are left for another worker, the others go back to the queue. */
  handOverAll(): void {
    for (const run of this.runs.values()) run.abort(new Interrupt('drain'));
  }

  /**
   * Takes builds one after the other until none may run. Never more at once than there are slots. `took` hears of each one taken.
   * In: `called` = an item of the queue has told of a build.
   */
  async turn(took?: () => void, called = false): Promise<void> {
    if (this.turns + this.adopted.size >= this.options.slots) return;
    this.turns += 1;
    try {
      for (
        let told = called;
        this.options.mayTake() && this.turns + this.adopted.size <= this.options.slots;
        told = false
      ) {
        const { builds, workerId, leaseMs, host, carried } = this.options;
        const claimed = await builds.claimNext({ workerId, leaseMs, host, carried, called: told });
        if (claimed === null) return;
        took?.();
        await this.inContext(claimed);
      }
    } finally {
      this.turns -= 1;
    }
  }

  private inContext(claimed: ClaimedBuild): Promise<void> {
    const { build, lease } = claimed;
    const context = {
      buildId: publicBuildId(build.projectName, build.id),
      projectId: build.projectId ?? '',
      workerId: lease.workerId,
    };
    return withContext(context, () => this.run(claimed));
  }

  private async run(claimed: ClaimedBuild): Promise<void> {
    const { options } = this;
    const { lease, build } = claimed;
    const name = `${lease.buildId}/${lease.attempt}`;
    const interrupt = new AbortController();
    this.runs.set(name, interrupt);
    const wish = new ResumeWish();
    const keeper = new LeaseKeeper({ ...options, lease, interrupt, wish });
    if (claimed.adopted === null) {
      const waited = (build.startedAt?.getTime() ?? 0) - (build.requeuedAt ?? build.queuedAt).getTime();
      this.metrics?.queueSeconds.observe(Math.max(0, waited) / 1000);
      options.logger.info('build claimed', { attempt: lease.attempt, image: build.settings.environment.image });
    }
    try {
      const end = await runBuild(
        this.request(claimed, wish, () => keeper.held),
        { ...options.portsFor(claimed), observer: this.observer() },
        interrupt.signal,
      );
      keeper.stop();
      await this.after(claimed, end);
    } catch (error) {
      // the build is another's now, or something could not be written: it is adopted or settled when the lease has run out
      const lost = error instanceof Fault && error.code === 'LEASE_LOST';
      options.logger[lost ? 'warn' : 'error'](lost ? 'build passed to another worker' : 'build could not be ended', {
        error,
      });
    } finally {
      keeper.stop();
      this.runs.delete(name);
    }
  }

  private async after(claimed: ClaimedBuild, end: RunEnd): Promise<void> {
    const { lease, adopted } = claimed;
    const { builds, logger } = this.options;
    switch (end) {
      case 'HANDED_OVER':
        // out of the list before it is let go, so that whoever hears of it finds that nobody runs it here
        this.runs.delete(`${lease.buildId}/${lease.attempt}`);
        await builds.release(lease);
        return logger.info('build handed over');
      case 'NOT_STARTED':
        return this.gaveBack(claimed, await builds.giveBack(lease, NOT_STARTED, adopted !== null));
      case 'RETRIED':
        return this.retried(claimed);
      default:
        this.metrics?.ended(end);
        return logger.info('build ended', { status: end });
    }
  }

  private async gaveBack(claimed: ClaimedBuild, { status }: BuildState): Promise<void> {
    if (!isFinal(status)) return this.retried(claimed);
    this.metrics?.ended(status);
    this.options.logger.info('build ended', { status });
  }

  /** Back in the queue for another attempt: any free slot takes it at once, this one when no other does. */
  private async retried({ build, lease: { attempt } }: ClaimedBuild): Promise<void> {
    this.metrics?.retried.inc();
    // where its end is the engine's, the next builds would end the same way before the heartbeat notices
    await this.options.look();
    this.options.logger.info('build went back to the queue for another attempt', { attempt });
    try {
      await this.options.wake(fleetOf(requiresOf(build.settings.environment)));
    } catch (error) {
      this.options.logger.warn('a retry waits for the sweep, since the queue took no wake-up', { error });
    }
  }

  private request(
    { build, lease, deadline, adopted }: ClaimedBuild,
    wish: ResumeWish,
    leaseHeld: () => boolean,
  ): Parameters<typeof runBuild>[0] {
    const { workerName, publicUrl, logLimits, privilegedProjects, diskCheckMs, pauseLimitMs } = this.options;
    return {
      build,
      lease,
      deadline,
      workerName,
      buildUrl: `${publicUrl}/v1/builds/${publicBuildId(build.projectName, build.id)}`,
      privilegedAllowed: privilegedProjects.includes(build.projectName),
      logLimits,
      diskCheckMs,
      adopted,
      leaseHeld,
      debug: { pauseLimitMs, wish },
    };
  }

  private observer(): RunPorts['observer'] {
    return {
      phaseEnded: (phase, status, ms) => this.metrics?.phaseSeconds.observe({ phase, status }, ms / 1000),
      bug: (error) => {
        this.metrics?.bugs.inc();
        this.options.logger.error('a bug ended a build', { error });
      },
    };
  }
}
