// The API and the workers as processes of the built project, each with its log in the run's folder.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../apps/standalone/src/free-port.js';
import { migrateDatabase } from '../../../apps/standalone/src/services.js';
import { OwnProcess, ready } from '#testing/own-process.js';

/** A start waits for a database that stalls for as long as one of its statements may take. */
const READY_MS = 120_000;
const START_TRIES = 5;
const API_STOP_MS = 20_000;
/** Beyond the grace that a worker gives its builds (30 s), and what it takes at the longest to leave after it (15 s). */
const WORKER_STOP_MS = 50_000;
/** Short, so that a run meets leases that ran out; the sweep as often as it may come. */
export const LEASE_MS = 5_000;
const SLOTS = 3;
/** Containers that wait, by worker: builds of the one find theirs there, those of the other have theirs made. */
export const WAITING_MAX = [4, 0] as const;
/** Of the disks that worker and engine use: a full one is met before no build is taken. */
const MIN_FREE_BYTES = 16 * 1024 ** 2;

export interface KilnyardSettings {
  /** Folder of the program: package.json and dist lie in it. */
  home: string;
  folder: string;
  dataDir: string;
  databaseUrl: string;
  redisUrl: string;
  dockerSocket: string;
  image: string;
}

/** Something that ended in a way in which it should not. */
export type Complain = (what: string) => void;

export class Kilnyard {
  readonly token = `kiln_${randomBytes(12).toString('hex')}`;
  readonly dataDir: string;
  private api!: OwnProcess;
  private readonly workers: OwnProcess[] = [];
  private started = 0;

  private constructor(
    private readonly settings: KilnyardSettings,
    private readonly env: NodeJS.ProcessEnv,
    private readonly apiPort: number,
    private readonly complain: Complain,
  ) {
    this.dataDir = env.KILNYARD_DATA_DIR!;
  }

  static async start(settings: KilnyardSettings, workers: number, complain: Complain): Promise<Kilnyard> {
    const port = await freePort();
    const kilnyard = new Kilnyard(settings, environment(settings, port), port, complain);
    await migrateDatabase({ home: settings.home, env: kilnyard.env });
    await kilnyard.startApi();
    for (let index = 0; index < workers; index += 1) kilnyard.workers[index] = await kilnyard.newWorker(index);
    return kilnyard;
  }

  get url(): string {
    return `http://127.0.0.1:${this.apiPort}`;
  }

  async killApi(pause: () => Promise<unknown>): Promise<void> {
    await this.api.stop('SIGKILL', API_STOP_MS);
    await pause();
    await this.startApi();
  }

  async restartApi(pause: () => Promise<unknown>): Promise<void> {
    await this.endKindly(this.api, API_STOP_MS);
    await pause();
    await this.startApi();
  }

  async killWorker(index: number, pause: () => Promise<unknown>): Promise<void> {
    await this.worker(index).stop('SIGKILL', WORKER_STOP_MS);
    await pause();
    this.workers[index] = await this.newWorker(index);
  }

  /** As a rolling upgrade does: the new one first, then SIGTERM to the old one. */
  async rollWorker(index: number): Promise<void> {
    const old = this.worker(index);
    this.workers[index] = await this.newWorker(index);
    await this.endKindly(old, WORKER_STOP_MS);
  }

  /** All at once, each with a second SIGTERM `hurryMs` after the first. */
  async restartWorkers(hurryMs: number, pause: () => Promise<unknown>): Promise<void> {
    const hurried = this.workers.map(async (worker) => {
      const ended = this.endKindly(worker, WORKER_STOP_MS);
      await sleep(hurryMs);
      worker.signal('SIGTERM');
      await ended;
    });
    await Promise.all(hurried);
    await pause();
    const started = this.workers.map(async (_, index) => (this.workers[index] = await this.newWorker(index)));
    await Promise.all(started);
  }

  async pauseWorker(index: number, forMs: number): Promise<void> {
    const worker = this.worker(index);
    worker.signal('SIGSTOP');
    await sleep(forMs);
    worker.signal('SIGCONT');
    await sleep(1_000);
    if (!worker.running) this.complain(`${worker.program.name} ended after its pause (see ${worker.program.logFile})`);
  }

  /** Workers first; each must end by itself and well. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => this.endKindly(worker, WORKER_STOP_MS)));
    await this.endKindly(this.api, API_STOP_MS);
  }

  /** After a failure: everything, at once. */
  async abandon(): Promise<void> {
    for (const one of [...this.workers, this.api]) if (one?.running) await one.stop('SIGKILL', 1_000);
  }

  /** Those that ended without having been asked to. */
  crashed(): string[] {
    return [...this.workers, this.api]
      .filter((one) => !one.running)
      .map(({ program, end }) => `${program.name} ended by itself with ${end?.signal ?? end?.code}`);
  }

  private worker(index: number): OwnProcess {
    const worker = this.workers[index];
    if (worker === undefined) throw new Error(`there is no worker ${index}`);
    return worker;
  }

  private async endKindly(process: OwnProcess, graceMs: number): Promise<void> {
    const { name, logFile } = process.program;
    const { code, signal } = await process.stop('SIGTERM', graceMs);
    if (signal !== null)
      this.complain(`${name} was ended by ${signal}, ${graceMs / 1000} s after SIGTERM at the latest (see ${logFile})`);
    else if (code !== 0) this.complain(`${name} ended with ${code} after SIGTERM (see ${logFile})`);
  }

  private async startApi(): Promise<void> {
    const env = { ...this.env, KILNYARD_ADMIN_TOKEN: this.token };
    const health = `http://127.0.0.1:${this.apiPort}/health`;
    this.api = await this.untilReady(
      () => this.run('api', 'api', env),
      () => fetch(health, { signal: AbortSignal.timeout(2_000) }),
    );
  }

  /** As a supervisor does: what ends before it is ready (its database may be away) is started again. */
  private async untilReady(
    start: () => Promise<OwnProcess>,
    answers: (started: OwnProcess) => Promise<unknown>,
  ): Promise<OwnProcess> {
    for (let tries = 1; ; tries += 1) {
      const process = await start();
      try {
        await ready(process, READY_MS, () => answers(process));
        return process;
      } catch (error) {
        const runs = process.running;
        if (runs) await process.stop('SIGKILL', API_STOP_MS); // nobody else would know of it
        if (runs || tries === START_TRIES) throw error;
      }
    }
  }

  private async newWorker(index: number): Promise<OwnProcess> {
    this.started += 1;
    const name = `worker-${index}-${this.started}`;
    const env = { ...this.env, KILNYARD_WAITING_MAX: String(WAITING_MAX[index % WAITING_MAX.length]) };
    // before it has started SIGTERM is a kill
    return this.untilReady(
      () => this.run('worker', name, env),
      async ({ program }) => {
        if (!(await readFile(program.logFile, 'utf8')).includes('"worker ready"'))
          throw new Error('it is not ready yet');
      },
    );
  }

  private run(app: 'api' | 'worker', name: string, env: NodeJS.ProcessEnv): Promise<OwnProcess> {
    const { home, folder } = this.settings;
    const args = ['--enable-source-maps', join(home, `dist/apps/${app}/src/main.js`)];
    const logFile = join(folder, 'logs', `${name}.log`);
    return OwnProcess.start({ name, command: process.execPath, args, apart: true, env, cwd: home, logFile });
  }
}

function environment(settings: KilnyardSettings, port: number): NodeJS.ProcessEnv {
  const ours = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KILNYARD_')));
  return {
    ...ours,
    NODE_ENV: 'production',
    KILNYARD_HOST: '127.0.0.1',
    KILNYARD_PORT: String(port),
    KILNYARD_DATABASE_URL: settings.databaseUrl,
    KILNYARD_DATABASE_POOL: '5',
    KILNYARD_REDIS_URL: settings.redisUrl,
    KILNYARD_QUEUE_PREFIX: 'faults',
    KILNYARD_DATA_DIR: settings.dataDir,
    KILNYARD_MIN_FREE_BYTES: String(MIN_FREE_BYTES),
    KILNYARD_MASTER_KEY: randomBytes(32).toString('base64'),
    KILNYARD_DOCKER_SOCKET: settings.dockerSocket,
    KILNYARD_BUILD_NETWORK: 'kilnyard-faults',
    KILNYARD_DEFAULT_IMAGE: settings.image,
    KILNYARD_WORKER_SLOTS: String(SLOTS),
    KILNYARD_LEASE_MS: String(LEASE_MS),
    KILNYARD_SWEEP_MS: '1000',
    KILNYARD_LOG_LEVEL: 'debug',
  };
}
