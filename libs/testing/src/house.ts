// The whole system in this process for scenarios: API and workers on a database, a Redis prefix and a data folder of their own.
// Told what to do over HTTP alone; `database` is there for what a user cannot do, such as moving a deadline.
import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_SECTIONS } from '../../../apps/api/src/connections.js';
import { startApi } from '../../../apps/api/src/start-api.js';
import { startWorker, WORKER_SECTIONS, type RunningWorker } from '../../../apps/worker/src/start-worker.js';
import { readSettings } from '#config/settings.js';
import { messageOf } from '#core/errors.js';
import { FakeBackend } from '#engine/backend/fake/fake-backend.js';
import { SILENT } from '#observe/logger.js';
import { Database } from '#store/database.js';
import { newTestDatabase, type TestDatabase } from './database.js';
import { containersLeft, containersOf } from './docker-leaks.js';
import { newGitHost, type GitHost } from './git-host.js';
import { HouseClient } from './house-client.js';
import { MovedClock } from './moved-clock.js';
import { until } from './until.js';

/** A scenario waits for conditions; only what hangs gets here. */
jest.setTimeout(120_000);

/** Threads run what is compiled. */
const REPORT_THREAD = new URL('../../../dist/apps/worker/src/reports/report-thread.js', import.meta.url);

export interface HouseOptions {
  /** `docker`: the engine of KILNYARD_TEST_DOCKER_SOCKET. */
  backend?: 'fake' | 'docker';
  /** At the start; addWorker adds more. */
  workers?: number;
  /** Of each worker. */
  slots?: number;
  /** KILNYARD_* variables over the scenarios' own. */
  settings?: Record<string, string>;
  /** A migrated one in place of a clone in the tests' server; the house ends it. */
  database?: TestDatabase;
}

export class House {
  readonly client: HouseClient;
  readonly workers: { running: RunningWorker; backend: FakeBackend | null }[] = [];
  readonly clock = new MovedClock();
  /** Of all workers, as the engine of one Docker host is. */
  private readonly fake: FakeBackend;

  private constructor(
    readonly env: Record<string, string>,
    private readonly backend: 'fake' | 'docker',
    private api: Awaited<ReturnType<typeof startApi>>,
    readonly database: Database,
    readonly git: GitHost,
    private readonly dropDatabase: () => Promise<void>,
  ) {
    this.fake = new FakeBackend(join(this.dataDir, 'sandboxes'));
    this.client = new HouseClient(() => this.api.url, env['KILNYARD_ADMIN_TOKEN']!);
  }

  static async start(options: HouseOptions = {}): Promise<House> {
    const { backend = 'fake', workers = 1, slots = 2, settings = {} } = options;
    const redis = process.env['KILNYARD_TEST_REDIS_URL'];
    if (redis === undefined || redis === '')
      throw new Error(
        'KILNYARD_TEST_REDIS_URL is not set: expected the URL of a Redis. Run `npm test`, which starts one.',
      );
    const test = options.database ?? (await newTestDatabase());
    const env = { ...scenarioSettings(await mkdtemp(join(tmpdir(), 'kilnyard-house-')), slots), ...settings };
    env['KILNYARD_DATABASE_URL'] = test.url;
    env['KILNYARD_REDIS_URL'] ??= redis;
    const house = new House(
      env,
      backend,
      await startApi(readSettings(env, ...API_SECTIONS), SILENT),
      await Database.connect({ url: test.url, pool: 2 }),
      await newGitHost(),
      test.drop,
    );
    try {
      for (let count = 0; count < workers; count += 1) await house.addWorker();
    } catch (error) {
      await house.stop();
      throw error;
    }
    return house;
  }

  get dataDir(): string {
    return this.env['KILNYARD_DATA_DIR']!;
  }

  get url(): string {
    return this.api.url;
  }

  /** In: KILNYARD_* variables of this worker alone. */
  async addWorker(own: Record<string, string> = {}): Promise<RunningWorker> {
    const settings = readSettings({ ...this.env, ...own }, ...WORKER_SECTIONS);
    const backend = this.backend === 'fake' ? this.fake : null;
    const over = {
      logger: SILENT,
      clock: this.clock,
      reportThread: REPORT_THREAD,
      ...(backend === null ? {} : { backend }),
    };
    const running = await startWorker(settings, over);
    this.workers.push({ running, backend });
    return running;
  }

  /** Another API process, as after a restart; the workers stay. It gets the same address, so that a reader finds it again. */
  async restartApi(): Promise<void> {
    const port = new URL(this.api.url).port;
    await this.api.close();
    this.api = await startApi(readSettings({ ...this.env, KILNYARD_PORT: port }, ...API_SECTIONS), SILENT);
  }

  /**
   * Takes it all down.
   * Errors: a build that still runs, a sandbox folder or a container that is left over: what a scenario leaves behind is a leak.
   */
  async stop(): Promise<void> {
    const troubles: unknown[] = [];
    // what does not end well keeps nothing else from ending: jest waits for all that is open
    const end = async (step: () => Promise<unknown>): Promise<void> => {
      await step().catch((error: unknown) => troubles.push(error));
    };
    let leaks: string[] = [];
    await end(async () => (leaks = await this.leaks()));
    for (const { running } of this.workers) await end(() => running.close(0));
    // a worker takes its waiting containers and its mark along
    await end(async () => {
      if (leaks.length > 0) return;
      leaks = await namesIn(join(this.dataDir, 'sandboxes'));
      if (this.backend === 'docker') leaks.push(...(await containersOf(this.dataDir)));
    });
    await end(() => this.api.close());
    await end(() => this.git.close());
    await end(() => this.database.close());
    await end(() => this.dropDatabase());
    await end(() => rm(this.dataDir, { recursive: true, force: true }));
    if (leaks.length > 0) troubles.unshift(new Error(`left behind: ${leaks.join(', ')}`));
    if (troubles.length === 1) throw troubles[0];
    if (troubles.length > 1) throw new AggregateError(troubles, troubles.map(messageOf).join('; '));
  }

  /** What is left of builds, once those that have just ended have been cleaned up. */
  private async leaks(): Promise<string[]> {
    const { rows } = await this.database.query<{ id: string }>(
      `SELECT id FROM build WHERE status = 'IN_PROGRESS' AND attempt > 0`,
    );
    if (rows.length > 0) return [`${rows.length} builds that run`];
    let left: string[] = [];
    await until('no sandbox is left', async () => (left = await this.sandboxes()).length === 0).catch(() => undefined);
    return left;
  }

  /** Folders and containers of builds that are there now. */
  async sandboxes(): Promise<string[]> {
    const root = join(this.dataDir, 'sandboxes');
    if (this.backend === 'fake') return namesIn(root);
    const ofBuilds = (await namesIn(root)).filter((name) => !/^(waiting|alive)-/.test(name));
    return [...ofBuilds, ...(await containersLeft(this.dataDir)).map((id) => `container ${id}`)];
  }
}

function scenarioSettings(dataDir: string, slots: number): Record<string, string> {
  return {
    KILNYARD_PORT: '0',
    KILNYARD_DATABASE_POOL: '5',
    KILNYARD_QUEUE_PREFIX: `test-${randomBytes(6).toString('hex')}`,
    KILNYARD_DATA_DIR: dataDir,
    KILNYARD_MASTER_KEY: randomBytes(32).toString('base64'),
    KILNYARD_ADMIN_TOKEN: `kiln_${randomBytes(12).toString('hex')}`,
    KILNYARD_LOG_LEVEL: 'silent',
    KILNYARD_WORKER_SLOTS: String(slots),
    KILNYARD_SWEEP_MS: '500',
    KILNYARD_DEFAULT_IMAGE: process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'fake:1',
    KILNYARD_DOCKER_SOCKET: process.env['KILNYARD_TEST_DOCKER_SOCKET'] ?? '',
    KILNYARD_BUILD_NETWORK: 'kilnyard-test',
  };
}

/** None where the folder is not made yet. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
