// Whether Kilnyard can do its work, part by part. Looked at no more than once a second and never longer than two.
import type { WorkerInfo } from '#core/worker.js';

export type ComponentStatus = 'ok' | 'degraded' | 'failing';
export const COMPONENTS = ['database', 'redis', 'workers', 'storage'] as const;
export type ComponentName = (typeof COMPONENTS)[number];

export interface ComponentHealth {
  status: ComponentStatus;
  /** Empty when all is well. */
  message: string;
  lastCheckedAt: Date;
  lastOkAt: Date | null;
}
export interface Health {
  status: ComponentStatus;
  components: Record<ComponentName, ComponentHealth>;
}

/** Resolves with a message when something is odd, with nothing when all is well; rejects when the part does not work. */
export type Check = () => Promise<string | void>;

export const HEALTH_CACHE_MS = 1000;
export const CHECK_TIMEOUT_MS = 2000;

/** What the trouble of each part means for the whole: without Postgres nothing goes, the rest mends itself or waits. */
const WHEN_BROKEN: Readonly<Record<ComponentName, ComponentStatus>> = {
  database: 'failing',
  redis: 'degraded',
  workers: 'degraded',
  storage: 'failing',
};

export class HealthChecks {
  private readonly lastOk = new Map<ComponentName, Date>();
  private cached: { at: number; health: Promise<Health> } | null = null;

  constructor(
    private readonly checks: Record<ComponentName, Check>,
    private readonly options: { now?: () => number; timeoutMs?: number } = {},
  ) {}

  /** The present health; concurrent and quick callers share one look. Never rejects. */
  read(): Promise<Health> {
    const now = (this.options.now ?? Date.now)();
    if (this.cached === null || now - this.cached.at >= HEALTH_CACHE_MS)
      this.cached = { at: now, health: this.look(now) };
    return this.cached.health;
  }

  private async look(now: number): Promise<Health> {
    const at = new Date(now);
    const entries = await Promise.all(COMPONENTS.map(async (name) => [name, await this.component(name, at)] as const));
    const components = Object.fromEntries(entries) as Health['components'];
    return { status: worst(entries.map(([, { status }]) => status)), components };
  }

  private async component(name: ComponentName, at: Date): Promise<ComponentHealth> {
    const { status, message } = await this.outcome(name);
    if (status === 'ok') this.lastOk.set(name, at);
    return { status, message, lastCheckedAt: at, lastOkAt: this.lastOk.get(name) ?? null };
  }

  private async outcome(name: ComponentName): Promise<{ status: ComponentStatus; message: string }> {
    const timeoutMs = this.options.timeoutMs ?? CHECK_TIMEOUT_MS;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      const message = (await Promise.race([this.checks[name](), late])) ?? '';
      return { status: message === '' ? 'ok' : 'degraded', message };
    } catch {
      // The cause may hold addresses and belongs into the diagnostics of whoever met it; this page is open to all.
      return { status: WHEN_BROKEN[name], message: BROKEN[name] };
    } finally {
      clearTimeout(timer);
    }
  }
}

const BROKEN: Readonly<Record<ComponentName, string>> = {
  database: 'Postgres does not answer: nothing can be read or started.',
  redis: 'Redis does not answer: builds start with some delay.',
  workers: 'Not known, since Postgres does not answer.',
  storage: 'The data folder cannot be written, or the bucket does not answer.',
};

/** What the list of workers says. */
export function judgeWorkers(
  workers: readonly Pick<WorkerInfo, 'state' | 'message' | 'hostname' | 'seenAt'>[],
  now: number,
): string {
  const alive = workers.filter((worker) => now - worker.seenAt.getTime() < WORKER_SILENT_MS);
  if (alive.length === 0) return 'No worker is there: builds wait.';
  const active = alive.filter((worker) => worker.state === 'ACTIVE');
  if (active.length > 0) return '';
  return `No worker takes builds: ${alive.length} of ${alive.length} are draining or degraded.`;
}

/** A worker that was not seen for so long is not there. */
export const WORKER_SILENT_MS = 60_000;

function worst(statuses: ComponentStatus[]): ComponentStatus {
  if (statuses.includes('failing')) return 'failing';
  return statuses.includes('degraded') ? 'degraded' : 'ok';
}
