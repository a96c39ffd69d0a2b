// Brings the API up and takes it down again, in order. Used by main.ts, by `npm start` and by the scenario tests.
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { checkStorage, openBlobs } from '#blobs/open-blobs.js';
import { createLogger, type Logger } from '#observe/logger.js';
import { Metrics } from '#observe/metrics.js';
import { BuildQueue } from '#queue/producer.js';
import { redisPlace } from '#queue/redis-settings.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import { BuildsStore } from '#store/builds.store.js';
import { Database } from '#store/database.js';
import { Listener } from '#store/listen.js';
import { readMasterKey } from '#store/seal.js';
import { Rounds } from '#upkeep/rounds.js';
import { RowUpkeep } from '#upkeep/row-upkeep.js';
import type { ApiSettings, Connections } from './connections.js';
import { createApp } from './create-app.js';
import { OpenStreams } from './log/event-stream.js';

export interface RunningApi {
  /** Where it listens, without a slash at the end. */
  url: string;
  /** Ends streams with a hint to come back, waits for requests at work, closes what it opened. Safe to call twice. */
  close(): Promise<void>;
}

/** Requests that are still at work after this are cut off. */
export const CLOSE_GRACE_MS = 10_000;

/**
 * Connects, and listens when all is there. The database must be migrated.
 * In: settings; a logger of the caller's where it has one. Errors: Fault DATABASE_UNAVAILABLE; EADDRINUSE; a bad master key. Nothing stays open then.
 */
export async function startApi(settings: ApiSettings, logger?: Logger): Promise<RunningApi> {
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    const connections = await connect(
      settings,
      logger ?? createLogger({ level: settings.logs.logLevel, name: 'api' }),
      opened,
    );
    const upkeep = upkeepOf(connections);
    opened.push(() => upkeep.stop());
    const app = await createApp(connections);
    opened.push(() => app.close());
    const streams = app.get(OpenStreams);
    await app.listen(settings.http.port, settings.http.host);
    opened.push(async () => streams.shutDown());
    upkeep.start(settings.worker.sweepMs);
    const url = listeningUrl(app.getHttpServer().address(), settings.http.host);
    let closing: Promise<void> | null = null;
    return { url, close: () => (closing ??= withGrace(closeAll(), () => app.getHttpServer().closeAllConnections())) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function connect(settings: ApiSettings, logger: Logger, opened: (() => Promise<void>)[]): Promise<Connections> {
  const { databaseUrl, databasePool } = settings.database;
  const dataDir = resolve(settings.storage.dataDir);
  await mkdir(dataDir, { recursive: true });
  const masterKey = readMasterKey(settings.storage);
  const database = await Database.connect({ url: databaseUrl, pool: databasePool });
  opened.push(() => database.close());
  const listener = await Listener.start(databaseUrl);
  opened.push(() => listener.close());
  const queue = new BuildQueue(redisPlace(settings.redis));
  opened.push(() => queue.close());
  const blobs = await openBlobs(settings.storage, dataDir);
  opened.push(async () => blobs.close());
  await checkStorage(blobs, (error) => logger.warn('the storage does not answer yet', { error }));
  const metrics = new Metrics({ process: true });
  return { settings, database, listener, queue, blobs, masterKey, logger, metrics };
}

/** What ends builds that no worker will end, for when no worker is there to do it. */
function upkeepOf({ database, settings, logger }: Connections): Rounds {
  const { leaseMs, hostLostMs } = settings.worker;
  const builds = new BuildsStore(database);
  const batches = new BatchesStore(database);
  const rows = new RowUpkeep({ builds, batches, logger, leaseMs, hostLostMs, graceAtStart: true });
  return new Rounds((lateMs) => rows.round(lateMs));
}

function listeningUrl(address: unknown, host: string): string {
  const port = typeof address === 'object' && address !== null && 'port' in address ? String(address.port) : '';
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function withGrace(work: Promise<void>, force: () => void): Promise<void> {
  const timer = setTimeout(force, CLOSE_GRACE_MS);
  try {
    await work;
  } finally {
    clearTimeout(timer);
  }
}
