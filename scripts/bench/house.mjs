// The Kilnyard that is measured: Postgres (as durable as `npm start` makes it), Redis, API and worker as processes of their own, in a
// folder and a database of the benchmark's own, on the engine that the machine has. Made of the parts of `npm start`.
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOME } from '../setup.mjs';
import { Client } from './client.mjs';
import { part } from './parts.mjs';

/** The image that all rows use; made or pulled as by `npm start`. */
export const IMAGE = process.env.KILNYARD_BENCH_IMAGE ?? 'kilnyard/standard:1.0';
/** Kept from run to run, as the firewall's rules for its bridge are. */
const NETWORK = 'kilnyard-bench';
const READY_MS = 60_000;
const DRAIN_MS = 5_000;

export class House {
  #closers = [];
  #worker = null;
  #workerKey = '';

  /** Starts all but the worker, which each row asks for with its own settings. In: `say` for progress, `profileDir` or undefined. */
  static async start({ say, profileDir }) {
    const house = new House();
    house.say = say;
    try {
      await house.#start(profileDir);
    } catch (error) {
      await house.stop();
      throw error;
    }
    return house;
  }

  async #start(profileDir) {
    const [{ startPostgres }, { startRedis }, { openEngine }, { thisMachine }, { ProcessTable }, { openDataFolder }] =
      await Promise.all(['postgres', 'redis', 'engine', 'machine', 'process-table', 'data-folder'].map(part));
    const [{ ensureImage }, { migrateDatabase }, { freePort }] = await Promise.all(
      ['image', 'services', 'free-port'].map(part),
    );
    const say = (line) => this.say(line);
    this.folder = await mkdtemp(join(tmpdir(), 'kilnyard-bench-'));
    this.#onStop(() => rm(this.folder, { recursive: true, force: true }));
    await openDataFolder(this.folder);
    const machine = thisMachine();
    this.table = new ProcessTable(join(this.folder, 'processes.json'));
    const engine = await openEngine({ env: process.env, logFile: join(this.folder, 'logs/dockerd.log'), machine, say });
    this.#onStop(() => engine.release());
    this.docker = engine.docker;
    this.engineVersion = engine.version;
    if (engine.socket === undefined) throw new Error('the benchmark needs an engine on this machine, got a remote one');
    process.env.DOCKER_HOST = `unix://${engine.socket}`; // for the docker program of the baselines
    this.instance = randomUUID();
    await writeFile(join(this.folder, 'instance-id'), `${this.instance}\n`);
    this.#onStop(() => this.#removeContainers());
    const redis = await startRedis({ folder: this.folder, machine, table: this.table, say });
    this.#onStop(() => redis.process.stop());
    const postgres = await startPostgres({ folder: this.folder, machine, table: this.table, say });
    // Where `postgres` cannot enter the temporary folder the data lies elsewhere (homeFor); it goes when the server is gone.
    if (!postgres.data.startsWith(this.folder))
      this.#onStop(() => rm(dirname(postgres.data), { recursive: true, force: true }));
    this.#onStop(() => postgres.process.stop());
    this.databaseUrl = postgres.url;
    this.token = `kiln_${randomBytes(24).toString('hex')}`;
    this.env = {
      ...withoutOurs(process.env),
      NODE_ENV: 'production',
      KILNYARD_HOST: '127.0.0.1',
      KILNYARD_DATA_DIR: this.folder,
      KILNYARD_MASTER_KEY: randomBytes(32).toString('base64'),
      KILNYARD_ADMIN_TOKEN: this.token,
      KILNYARD_DATABASE_URL: this.databaseUrl,
      KILNYARD_REDIS_URL: redis.url,
      KILNYARD_DOCKER_SOCKET: engine.socket,
      KILNYARD_DEFAULT_IMAGE: IMAGE,
      KILNYARD_BUILD_NETWORK: NETWORK,
      KILNYARD_LOG_LEVEL: 'warn',
      KILNYARD_LOG_BUILD_BYTES: String(2 ** 33),
      ...(profileDir === undefined ? {} : profiling(profileDir)),
    };
    await ensureImage({ docker: this.docker, image: IMAGE, machine, say, signal: new AbortController().signal });
    await migrateDatabase({ home: HOME, env: { ...this.env, NODE_OPTIONS: '' } });
    this.port = await freePort();
    this.api = await this.startApi({ port: this.port });
    this.client = this.api.client;
  }

  /** A further API process. In: `databaseUrl` of another database. Out: its process, its client, and how to end it. */
  async startApi({ port, databaseUrl = this.databaseUrl, name = '' }) {
    const { startApi } = await part('services');
    const url = `http://127.0.0.1:${port}`;
    const env = { ...this.env, KILNYARD_PORT: String(port), KILNYARD_DATABASE_URL: databaseUrl };
    const folder = join(this.folder, name); // its log
    await mkdir(join(folder, 'logs'), { recursive: true });
    const request = { home: HOME, folder, env, table: this.table, say: (line) => this.say(line) };
    const kept = await startApi(request, url, new AbortController().signal);
    const client = new Client(url, this.token);
    const stop = async () => {
      client.close();
      await kept.stop();
    };
    this.#onStop(stop);
    return { pid: kept.pid, client, stop };
  }

  /** Resolves when a worker with these settings (KILNYARD_* over the house's own) runs; another one is ended before. */
  async worker(settings = {}) {
    const key = JSON.stringify(settings);
    if (this.#worker !== null && this.#workerKey === key) return;
    await this.stopWorker();
    const { startWorker } = await part('services');
    const env = { ...this.env, KILNYARD_PORT: String(this.port), ...settings };
    const request = { home: HOME, folder: this.folder, env, table: this.table, say: (line) => this.say(line) };
    this.#worker = await startWorker(request, DRAIN_MS);
    this.#workerKey = key;
    const deadline = Date.now() + READY_MS;
    while (!(await this.#workerReady())) {
      if (Date.now() > deadline || !this.#worker.running)
        throw new Error(`the worker does not come up; its last lines:\n${await this.#worker.lastLines()}`);
      await sleep(50);
    }
    await this.settled();
  }

  async #workerReady() {
    const { items } = await this.client.json('GET', '/v1/workers');
    return items.some(({ state }) => state === 'ACTIVE');
  }

  async stopWorker() {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.stop();
  }

  get workerPid() {
    return this.#worker?.pid;
  }

  /**
   * Resolves when the engine has had the same containers of ours for a while: what the last build left is removed, and waiting
   * containers are made. Gives up silently after a few seconds, since it only keeps one measurement out of another's way.
   */
  async settled({ quietMs = 400, atMostMs = 8_000 } = {}) {
    const began = performance.now();
    let last = '';
    for (let since = began; performance.now() - began < atMostMs; await sleep(80)) {
      const now = (await this.#containers())
        .map(({ Id, State }) => `${Id} ${State}`)
        .sort()
        .join('\n');
      if (now !== last) since = performance.now();
      last = now;
      if (performance.now() - since >= quietMs) return;
    }
  }

  #containers() {
    const label = `kilnyard.instance=${this.instance}`;
    return this.docker.listContainers({ all: true, filters: { label: [label] } });
  }

  /** What a worker that did not end in order has left. */
  async #removeContainers() {
    for (const { Id } of await this.#containers()) await this.docker.getContainer(Id).remove({ force: true, v: true });
  }

  #onStop(work) {
    this.#closers.push(work);
  }

  /** Ends all that was started, in the opposite order; says what could not be ended and goes on. */
  async stop() {
    await this.stopWorker().catch((error) => this.say(`the worker: ${error.message}`));
    for (const close of this.#closers.splice(0).reverse()) {
      await Promise.resolve(close()).catch((error) => this.say(`while stopping: ${error.message}`));
    }
  }
}

/** Resident memory of a process in MiB, from the kernel; its highest so far with `peak`. */
export function memoryOf(pid, { peak = false } = {}) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kib] = new RegExp(`^${peak ? 'VmHWM' : 'VmRSS'}:\\s+(\\d+) kB`, 'm').exec(text) ?? [];
  return Number(kib) / 1024;
}

function profiling(folder) {
  const preload = join(HOME, 'scripts/bench/profile.mjs');
  return { KILNYARD_BENCH_PROFILES: folder, NODE_OPTIONS: `--import=${preload}` };
}

/** The environment without settings of Kilnyard's: a benchmark must not depend on who runs it. */
function withoutOurs(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('KILNYARD_')));
}
