// Puts a worker together and starts it; main.ts calls it with the process's settings, scenarios with their own.
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { checkStorage, openBlobs } from '#blobs/open-blobs.js';
import type { Settings } from '#config/settings.js';
import type { Clock } from '#core/clock.js';
import { Fault } from '#core/errors.js';
import { readCarried } from '#core/fleet.js';
import { asWorkerId, type WorkerId } from '#core/ids.js';
import type { Backend } from '#engine/backend/backend.js';
import { DockerBackend } from '#engine/backend/docker/docker-backend.js';
import { createLogger, type Logger } from '#observe/logger.js';
import { Metrics } from '#observe/metrics.js';
import { BuildConsumer } from '#queue/consumer.js';
import { BuildQueue } from '#queue/producer.js';
import { redisPlace } from '#queue/redis-settings.js';
import { SourceFetcherService } from '#source/source-fetcher.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import { BuildsStore } from '#store/builds.store.js';
import { Database } from '#store/database.js';
import { Listener } from '#store/listen.js';
import { IdempotencyStore } from '#store/idempotency.store.js';
import { LogsStore } from '#store/logs.store.js';
import { ParametersStore } from '#store/parameters.store.js';
import { ReportsStore } from '#store/reports.store.js';
import { readMasterKey } from '#store/seal.js';
import { SecretsStore } from '#store/secrets.store.js';
import { UploadsStore } from '#store/uploads.store.js';
import { WorkersStore } from '#store/workers.store.js';
import { Adoption } from './adoption.js';
import { BuildTurns } from './build.consumer.js';
import { cacheBudgets, startCleanup } from './cleanup/start-cleanup.js';
import { Heartbeat } from './heartbeat.js';
import { instanceId } from './instance.js';
import { Leaving } from './leaving.js';
import { Liveness } from './liveness.js';
import { BlobArtifacts } from './ports/blob-artifacts.js';
import { cacheOfBuild } from './ports/cache-of-build.js';
import { MasterKeySeal } from './ports/master-key-seal.js';
import { StoreJournal } from './ports/store-journal.js';
import { StoreLogSink } from './ports/store-log-sink.js';
import { StoreSecrets } from './ports/store-secrets.js';
import { whileAway } from './ports/while-away.js';
import { WorkerReports, type ReportOptions } from './ports/worker-reports.js';
import { WorkerSource } from './ports/worker-source.js';
import { Turns } from './reports/thread-reader.js';
import { Sweep } from './sweep.js';
import { SystemClock } from './system-clock.js';
import { WarmImages } from './warm-images.js';
import { serveWorker } from './worker-http.js';
import { WakeUps } from './wake-ups.js';
import { WorkerMetrics } from './worker-metrics.js';

export const WORKER_SECTIONS = [
  'http',
  'database',
  'redis',
  'storage',
  'worker',
  'docker',
  'source',
  'logs',
  'keep',
  'access',
] as const;
export type WorkerSettings = Settings<(typeof WORKER_SECTIONS)[number]>;

/** Of package.json; shown in the list of workers. */
export const VERSION = '0.1.0';
/** Containers without an owner, partitions and old keys are looked after at every n-th sweep. */
const SLOW_SWEEP_EVERY = 12;
/** A worker that was heard of so lately is there to go on with our builds. */
const SEEN_MS = 15_000;

export interface RunningWorker {
  readonly id: WorkerId;
  /** Builds that it runs now. */
  readonly running: number;
  /**
   * Takes no more builds. Running ones get `graceMs` to end, then they are left for another worker of this host; where one is there
   * already, they pass to it at once. Resolves when all is closed, or LEAVE_MS after the grace, when a database, queue or engine that
   * does not answer keeps it from that. A second call leaves the builds now.
   */
  close(graceMs?: number): Promise<void>;
}

/** Errors: Fault when the database does not answer or the storage refuses us; Refusal for a wrong master key or bucket settings. `backend` stands in for Docker and `clock` for the real one in scenarios; `reportThread`: where the compiled report-thread.ts lies, for tests that are not compiled. */
export async function startWorker(
  settings: WorkerSettings,
  over: { backend?: Backend; logger?: Logger; clock?: Clock; reportThread?: URL } = {},
): Promise<RunningWorker> {
  const id = asWorkerId(`${hostname()}-${randomBytes(4).toString('hex')}`);
  const logger = (over.logger ?? createLogger({ level: settings.logs.logLevel, name: 'worker' })).with({ worker: id });
  const dataDir = resolve(settings.storage.dataDir);
  await mkdir(join(dataDir, 'temp'), { recursive: true });
  const masterKey = readMasterKey(settings.storage);
  const redis = redisPlace(settings.redis);
  const blobs = await openBlobs(settings.storage, dataDir);
  await checkStorage(blobs, (error) => logger.warn('the storage does not answer yet', { error }));
  const database = await Database.connect({ url: settings.database.databaseUrl, pool: settings.database.databasePool });
  const listener = await Listener.start(settings.database.databaseUrl);
  const docker = over.backend
    ? null
    : await dockerBackend(settings, dataDir, logger, (hit) => workerMetrics.waitingTaken(hit));
  const backend: Backend = over.backend ?? docker!;
  const queue = new BuildQueue({ ...redis, onError: (error) => logger.warn('queue', { error }) });
  const builds = new BuildsStore(database);
  const awayMs = settings.worker.databaseAwayMs;
  const logs = new LogsStore(database, { appendRetryMs: awayMs });
  const host = await instanceId(dataDir);
  const carried = readCarried(settings.worker.workerFleet, settings.worker.workerLabels);
  const clock = over.clock ?? new SystemClock();
  const metrics = new Metrics({ process: true });
  const patiently = <T>(work: () => Promise<T>): Promise<T> => whileAway(clock, awayMs, work);
  const secrets = new StoreSecrets(
    new ParametersStore(database, masterKey),
    new SecretsStore(database, masterKey),
    patiently,
  );
  const uploads = new UploadsStore(database);
  const workers = new WorkersStore(database);
  const cacheFor = cacheOfBuild({ blobs, database, budgets: cacheBudgets(settings.keep), logger });
  const reports: ReportOptions = {
    store: new ReportsStore(database),
    clock,
    thread: over.reportThread ?? new URL('./reports/report-thread.js', import.meta.url),
    turns: new Turns(),
    awayMs,
    keepCases: settings.keep.keepReportCases,
    keepDays: settings.keep.keepReportsDays,
  };
  const source = new WorkerSource(
    new SourceFetcherService({
      mirrorsDir: join(dataDir, 'mirrors'),
      tempDir: join(dataDir, 'temp'),
      maxBytes: settings.source.sourceMaxBytes,
      timeoutMs: settings.source.sourceTimeoutMs,
      localPaths: settings.source.sourceLocalPaths,
      secret: (reference) => secrets.secret(reference),
      upload: async (uploadId) => {
        const upload = await patiently(() => uploads.get(uploadId));
        return {
          format: archiveFormat(upload.format),
          open: async () => Readable.from(await blobs.get(upload.location)),
        };
      },
    }),
  );

  const turns: BuildTurns = new BuildTurns({
    workerId: id,
    workerName: id,
    host,
    publicUrl: settings.http.publicUrl || `http://${settings.http.host}:${settings.http.port}`,
    leaseMs: settings.worker.leaseMs,
    diskCheckMs: settings.worker.diskCheckMs,
    pauseLimitMs: settings.worker.pauseLimitMs,
    logLimits: {
      maxLineBytes: settings.logs.logLineBytes,
      maxBuildBytes: settings.logs.logBuildBytes,
      flushMs: settings.logs.logFlushMs,
    },
    privilegedProjects: settings.docker.privilegedProjects,
    slots: settings.worker.workerSlots,
    carried,
    builds,
    listener,
    clock,
    logger,
    portsFor: ({ lease, build }) => ({
      backend,
      source,
      secrets,
      clock,
      journal: new StoreJournal(builds, lease, clock, awayMs),
      recordSeal: new MasterKeySeal(masterKey, lease),
      log: new StoreLogSink(logs, lease, clock, awayMs, (lines, bytes) => {
        workerMetrics.logLines.inc(lines);
        workerMetrics.logBytes.inc(bytes);
      }),
      artifacts: new BlobArtifacts(blobs, lease, clock),
      reports: new WorkerReports(reports, lease),
      cache: cacheFor(build),
    }),
    wake: (fleet) => queue.wake(fleet),
    mayTake: () => heartbeat.takes,
    look: () => heartbeat.look(),
  });
  const workerMetrics = new WorkerMetrics(metrics, {
    total: settings.worker.workerSlots,
    running: () => turns.running,
    waiting: () => docker?.waitingContainers ?? 0,
  });
  turns.metrics = workerMetrics;
  const heartbeat: Heartbeat = new Heartbeat({
    workerId: id,
    host,
    version: VERSION,
    slots: settings.worker.workerSlots,
    carried,
    running: () => turns.running,
    backend,
    workers,
    logger,
    minFreeBytes: settings.worker.minFreeBytes,
    notes: () => warmImages.notes,
  });
  const warmImages = new WarmImages({ backend, logger, images: settings.docker.warmImages });
  const liveness = await Liveness.start(dataDir, id, () => turns.names());
  const adoption = new Adoption({
    workerId: id,
    host,
    leaseMs: settings.worker.leaseMs,
    builds,
    listener,
    liveness,
    logger,
    owns: (buildId, attempt) => turns.owns(buildId, attempt),
    take: (claimed) => turns.adopt(claimed),
    mayTake: () => heartbeat.takes,
  });
  const consumer = new BuildConsumer({
    ...redis,
    fleet: carried.fleet,
    slots: settings.worker.workerSlots,
    run: (_, nudged) => turns.turn(nudged ? () => wakeUps.nudge() : undefined, !nudged).then(() => wakeUps.passOn()),
    onError: (error) => logger.warn('queue', { error }),
  });
  const wakeUps = new WakeUps({
    carried,
    builds,
    listener,
    logger,
    freeSlots: () => (heartbeat.takes ? settings.worker.workerSlots - turns.running : 0),
    nudge: () => consumer.nudge(),
  });
  const sweep = new Sweep({
    builds,
    batches: new BatchesStore(database),
    logs,
    carried,
    nudge: () => wakeUps.nudge(),
    backend,
    logger,
    owns: (buildId, attempt) => turns.owns(buildId, attempt),
    everySlow: SLOW_SWEEP_EVERY,
    idempotency: new IdempotencyStore(database),
    idempotencyMs: settings.access.idempotencyMinutes * 60_000,
    leaseMs: settings.worker.leaseMs,
    hostLostMs: settings.worker.hostLostMs,
    tidySockets: () => liveness.tidy(),
    swept: (count) => workerMetrics.swept.inc(count),
  });
  let http: Server | null = null;
  if (settings.worker.workerMetricsPort !== 0) {
    http = await serveWorker({
      host: settings.http.host,
      port: settings.worker.workerMetricsPort,
      metrics,
      info: () => heartbeat.info,
    });
  }
  await heartbeat.start();
  await adoption.start(settings.worker.sweepMs);
  consumer.start();
  sweep.start(settings.worker.sweepMs);
  const cleanup = startCleanup({
    ...{ settings: settings.keep, sourceTimeoutMs: settings.source.sourceTimeoutMs, dataDir, database, blobs, metrics },
    hostId: await instanceId(dataDir),
    leftovers: backend instanceof DockerBackend ? backend.leftovers : null,
    logger,
  });
  warmImages.start(settings.docker.warmImagesMs);
  logger.info('worker ready', { slots: settings.worker.workerSlots, engine: heartbeat.info.message });

  /** Another worker of this host takes builds: it goes on with ours at once. */
  const hasSuccessor = async (): Promise<boolean> => {
    try {
      return (await workers.list()).some(
        (one) =>
          one.host === host && one.id !== id && one.state === 'ACTIVE' && Date.now() - one.seenAt.getTime() < SEEN_MS,
      );
    } catch (error) {
      logger.warn('other workers of this host could not be looked up', { error });
      return false;
    }
  };
  const windDown = async (graceMs: number): Promise<void> => {
    logger.info('worker draining', { running: turns.running, graceMs });
    await heartbeat.drain();
    await adoption.stop();
    wakeUps.stop();
    await consumer.stopTaking();
    await sweep.stop();
    await cleanup.stop();
    await warmImages.stop();
    const late = new AbortController();
    clock.sleep((await hasSuccessor()) ? 0 : graceMs, late.signal).then(
      () => turns.handOverAll(),
      () => undefined, // all builds ended in time
    );
    await Promise.all([consumer.close(), turns.adoptedEnded()]);
    late.abort();
    await liveness.close();
    await heartbeat.stop();
    await queue.close();
    await backend.close();
    await listener.close();
    await database.close();
    blobs.close();
    http?.close();
    logger.info('worker stopped');
  };
  const leave = new Leaving(clock, {
    windDown,
    letGo: () => turns.handOverAll(),
    // whoever asks for us finds that we are gone, and goes on with what we ran
    abandon: () => {
      logger.warn('the worker leaves without having tidied up', { running: turns.running });
      return liveness.close();
    },
  });
  return {
    id,
    get running() {
      return turns.running;
    },
    close: (graceMs = settings.worker.drainGraceMs) => leave.within(graceMs),
  };
}

function archiveFormat(format: string): 'zip' | 'tar.gz' {
  if (format === 'zip' || format === 'tar.gz') return format;
  throw new Fault('INTERNAL', `an upload of the unknown format ${format}`);
}

async function dockerBackend(
  settings: WorkerSettings,
  dataDir: string,
  logger: Logger,
  onTake: (hit: boolean) => void,
): Promise<DockerBackend> {
  const { docker } = settings;
  return new DockerBackend({
    socket: docker.dockerSocket || process.env.DOCKER_HOST || '/var/run/docker.sock',
    sandboxesDir: join(dataDir, 'sandboxes'),
    instance: await instanceId(dataDir),
    network: docker.buildNetwork,
    deny: docker.networkDeny,
    requireFirewall: docker.requireFirewall,
    firewallImage: docker.defaultImage,
    spoolLimitBytes: docker.spoolLimitBytes,
    images: {
      registryAuthFile: docker.registryAuthFile,
      limits: {
        timeoutMs: docker.imagePullTimeoutMs,
        stallMs: docker.imagePullStallMs,
        attempts: docker.imagePullAttempts,
      },
      accessCacheMs: docker.imageAccessMs,
    },
    waiting: {
      max: docker.waitingMax,
      idleMs: docker.waitingIdleMs,
      minFreeBytes: docker.waitingMinFreeBytes,
      onTake,
      onError: (error) => logger.warn('a waiting container', { error }),
    },
    onError: (error) => logger.warn('a sandbox was not taken away; the sweep tries again', { error }),
  });
}
