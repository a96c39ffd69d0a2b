// One turn of a slot: claims what may run next, and runs it, until there is nothing to claim.
import type { ClaimedBuild } from '#core/build.js';
import { Fault, Interrupt } from '#core/errors.js';
import type { Carried } from '#core/fleet.js';
import { publicBuildId, type WorkerId } from '#core/ids.js';
import type { Clock } from '#core/clock.js';
import type { RunPorts } from '#engine/ports.js';
import { runBuild } from '#engine/run-build.js';
import { withContext } from '#observe/context.js';
import type { Logger } from '#observe/logger.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';
import { LeaseKeeper } from './lease-keeper.js';
import type { WorkerMetrics } from './worker-metrics.js';

export interface TurnOptions {
  workerId: WorkerId;
  workerName: string;
  publicUrl: string;
  leaseMs: number;
  diskCheckMs: number;
  logLimits: { maxLineBytes: number; maxBuildBytes: number; flushMs: number };
  privilegedProjects: readonly string[];
  slots: number;
  carried: Carried;
  builds: BuildsStore;
  listener: Listener;
  clock: Clock;
  logger: Logger;
  portsFor: (claimed: ClaimedBuild) => Omit<RunPorts, 'observer'>;
  /** False while the worker should take nothing: it drains, or its engine does not answer. */
  mayTake: () => boolean;
}

export class BuildTurns {
  private readonly runs = new Map<string, AbortController>();
  metrics: WorkerMetrics | null = null;
  private turns = 0;

  constructor(private readonly options: TurnOptions) {}

  get running(): number {
    return this.runs.size;
  }

  /** Whether this worker runs that attempt now: the sweep leaves its container alone. */
  owns(buildId: string, attempt: number): boolean {
    return this.runs.has(`${buildId}/${attempt}`);
  }

  /** Ends all running builds: their status says that the worker was shut down. */
  interruptAll(): void {
    for (const run of this.runs.values()) run.abort(new Interrupt('drain'));
  }

  /** Takes builds one after the other until none may run. Never more at once than there are slots. `took` hears of each one taken. */
  async turn(took?: () => void): Promise<void> {
    if (this.turns >= this.options.slots) return;
    this.turns += 1;
    try {
      while (this.options.mayTake()) {
        const { builds, workerId, leaseMs, carried } = this.options;
        const claimed = await builds.claimNext({ workerId, leaseMs, carried });
        if (claimed === null) return;
        took?.();
        const { build, lease } = claimed;
        const context = {
          buildId: publicBuildId(build.projectName, build.id),
          projectId: build.projectId ?? '',
          workerId: lease.workerId,
        };
        await withContext(context, () => this.run(claimed));
      }
    } finally {
      this.turns -= 1;
    }
  }

  private async run(claimed: ClaimedBuild): Promise<void> {
    const { options } = this;
    const { lease, build } = claimed;
    const name = `${lease.buildId}/${lease.attempt}`;
    const interrupt = new AbortController();
    this.runs.set(name, interrupt);
    const keeper = new LeaseKeeper({ ...options, lease, interrupt });
    this.metrics?.queueSeconds.observe(
      Math.max(0, (build.startedAt?.getTime() ?? 0) - build.queuedAt.getTime()) / 1000,
    );
    options.logger.info('build claimed', { attempt: lease.attempt, image: build.settings.environment.image });
    try {
      const status = await runBuild(
        this.request(claimed),
        { ...options.portsFor(claimed), observer: this.observer() },
        interrupt.signal,
      );
      this.metrics?.ended(status);
      options.logger.info('build ended', { status });
    } catch (error) {
      // the build is another's now, or its end could not be written: the sweep settles it when the lease has run out
      const lost = error instanceof Fault && error.code === 'LEASE_LOST';
      options.logger[lost ? 'warn' : 'error'](lost ? 'build passed to another worker' : 'build could not be ended', {
        error,
      });
    } finally {
      keeper.stop();
      this.runs.delete(name);
    }
  }

  private request({ build, lease, deadline }: ClaimedBuild): Parameters<typeof runBuild>[0] {
    const { workerName, publicUrl, logLimits, privilegedProjects, diskCheckMs } = this.options;
    return {
      build,
      lease,
      deadline,
      workerName,
      buildUrl: `${publicUrl}/v1/builds/${publicBuildId(build.projectName, build.id)}`,
      privilegedAllowed: privilegedProjects.includes(build.projectName),
      logLimits,
      diskCheckMs,
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
