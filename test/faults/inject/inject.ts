// The faults by kind. Each is a file beside this one; what strikes the same thing never overlaps.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client.js';
import type { FaultKind } from '../kinds.js';
import { WORKERS, type PlannedFault } from '../plan.js';
import type { RunningBuild } from '../run-build.js';
import type { Stage } from '../stage/stage.js';
import { killApi, restartApi } from './api.js';
import { fillDisk } from './disk.js';
import { killAttempt, killContainer, killEngine } from './engine.js';
import { crashPostgres, cutPostgres, restartPostgres, stallPostgres } from './postgres.js';
import { cutRedis, flushRedis, restartRedis } from './redis.js';
import { killWorker, pauseWorker, restartWorkers, rollWorker } from './workers.js';

/** What a fault strikes with. */
export interface Blow {
  stage: Stage;
  fault: PlannedFault;
  /** The build at whose point it comes. */
  build: RunningBuild;
  /** All of the run. */
  builds: readonly RunningBuild[];
  client: Client;
  /** The run is over. */
  signal: AbortSignal;
  /** Waits for as long as the fault is to last. */
  forItsTime: () => Promise<void>;
}

/** Resolves when what was taken away is back. Out: false when there was nothing to strike. */
export type Inject = (blow: Blow) => Promise<boolean>;

interface FaultMaker {
  inject: Inject;
  /** What it takes away: of each, one fault at a time. */
  strikes: (fault: PlannedFault) => readonly string[];
}

const itsWorker = ({ worker }: PlannedFault): string[] => [`worker ${worker}`];
const itsBuild = ({ when }: PlannedFault): string[] => [`build ${when.build}`];

export const FAULTS: Readonly<Record<FaultKind, FaultMaker>> = {
  'kill-worker': { inject: killWorker, strikes: itsWorker },
  'roll-worker': { inject: rollWorker, strikes: itsWorker },
  'pause-worker': { inject: pauseWorker, strikes: itsWorker },
  'restart-workers': {
    inject: restartWorkers,
    strikes: () => Array.from({ length: WORKERS }, (_, worker) => `worker ${worker}`),
  },
  'kill-api': { inject: killApi, strikes: () => ['api'] },
  'restart-api': { inject: restartApi, strikes: () => ['api'] },
  'flush-redis': { inject: flushRedis, strikes: () => ['redis'] },
  'restart-redis': { inject: restartRedis, strikes: () => ['redis'] },
  'cut-redis': { inject: cutRedis, strikes: () => ['redis'] },
  'restart-postgres': { inject: restartPostgres, strikes: () => ['postgres'] },
  'crash-postgres': { inject: crashPostgres, strikes: () => ['postgres'] },
  'cut-postgres': { inject: cutPostgres, strikes: () => ['postgres'] },
  'stall-postgres': { inject: stallPostgres, strikes: () => ['postgres'] },
  'kill-engine': { inject: killEngine, strikes: () => ['engine'] },
  'kill-container': { inject: killContainer, strikes: itsBuild },
  'kill-attempt': { inject: killAttempt, strikes: itsBuild },
  'full-disk': { inject: fillDisk, strikes: () => ['disk'] },
  // done by the build itself; it counts when that build has come to its point
  garbage: { inject: async () => true, strikes: itsBuild },
};

/** Lets one fault after the other strike the same thing. */
export class Injector {
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(private readonly run: Pick<Blow, 'stage' | 'builds' | 'client' | 'signal'>) {}

  async inject(fault: PlannedFault, build: RunningBuild): Promise<boolean> {
    const { inject, strikes } = FAULTS[fault.kind];
    const targets = strikes(fault);
    const forItsTime = async (): Promise<void> => void (await sleep(fault.forMs));
    const before = Promise.allSettled(targets.map((target) => this.turns.get(target) ?? Promise.resolve()));
    const turn = before.then(() => inject({ ...this.run, fault, build, forItsTime }));
    for (const target of targets) this.turns.set(target, turn);
    return turn;
  }
}
