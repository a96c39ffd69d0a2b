// A whole API on a port of its own, on a fresh database, for *.db.spec.ts. The store beside it plays the worker.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '#config/settings.js';
import type { Build, Lease } from '#core/build.js';
import { asWorkerId, parseBuildId, type BuildId } from '#core/ids.js';
import { SILENT, type Logger } from '#observe/logger.js';
import { BuildsStore } from '#store/builds.store.js';
import { Database } from '#store/database.js';
import { LogsStore } from '#store/logs.store.js';
import { newTestDatabase } from '#testing/database.js';
import { API_SECTIONS } from '../connections.js';
import { startApi, type RunningApi } from '../start-api.js';
import { newCutOffProxy, type CutOffProxy } from './cut-off-proxy.js';

export const ADMIN_TOKEN = 'kiln_admin_token_of_the_tests';
/** Nothing listens there: the API lives without Redis, and these tests with it. */
const NO_REDIS = 'redis://127.0.0.1:1';

export interface ApiUnderTest {
  url: string;
  /** Between the API and Postgres; the store beside it does not go through. */
  postgres: CutOffProxy;
  dataDir: string;
  /** The worker's side. */
  builds: BuildsStore;
  logs: LogsStore;
  database: Database;
  /** A request as admin; JSON unless told otherwise. `path` starts with `/`. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Starts a build of a new project over HTTP. Out: its public id. */
  startBuild(project?: string): Promise<string>;
  /** Claims the oldest build as a worker would. */
  claim(): Promise<{ build: Build; lease: Lease }>;
  /** Takes the API down; the rest stays. */
  stopApi(): Promise<void>;
  /** Another API process on the same database. */
  restartApi(): Promise<void>;
  close(): Promise<void>;
}

export async function newApiUnderTest(
  over: Record<string, string> = {},
  logger: Logger = SILENT,
): Promise<ApiUnderTest> {
  const test = await newTestDatabase();
  const postgres = await newCutOffProxy(test.url);
  const dataDir = await mkdtemp(join(tmpdir(), 'kilnyard-api-'));
  const settings = readSettings(
    {
      KILNYARD_PORT: '0',
      KILNYARD_DATABASE_URL: postgres.url,
      KILNYARD_DATABASE_POOL: '5',
      KILNYARD_REDIS_URL: process.env['KILNYARD_TEST_REDIS_URL'] ?? NO_REDIS,
      KILNYARD_QUEUE_PREFIX: `test-${randomBytes(6).toString('hex')}`,
      KILNYARD_DATA_DIR: dataDir,
      KILNYARD_MASTER_KEY: randomBytes(32).toString('base64'),
      KILNYARD_ADMIN_TOKEN: ADMIN_TOKEN,
      KILNYARD_LOG_LEVEL: 'silent',
      ...over,
    },
    ...API_SECTIONS,
  );
  const database = await Database.connect({ url: test.url, pool: 3 });
  let api: RunningApi = await startApi(settings, logger);
  const builds = new BuildsStore(database);
  const ask: ApiUnderTest['ask'] = (method, path, body, headers = {}) =>
    fetch(`${api.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    get url() {
      return api.url;
    },
    postgres,
    dataDir,
    builds,
    logs: new LogsStore(database),
    database,
    ask,
    startBuild: async (project = 'demo') => {
      await ask('POST', '/v1/projects', projectBody(project));
      const answer = await ask('POST', `/v1/projects/${project}/builds`, {});
      const build = (await answer.json()) as { id: string };
      return build.id;
    },
    claim: async () => {
      const claimed = await builds.claimNext({ workerId: asWorkerId('test-00000001'), leaseMs: 60_000 });
      if (claimed === null) throw new Error('nothing to claim');
      return { build: claimed.build, lease: claimed.lease };
    },
    stopApi: () => api.close(),
    restartApi: async () => {
      await api.close();
      api = await startApi(settings, logger);
    },
    close: async () => {
      await api.close();
      await database.close();
      await postgres.close();
      await test.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function projectBody(name: string): Record<string, unknown> {
  return {
    name,
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n' },
  };
}

/** The store's id of a public one. */
export function storeId(publicId: string): BuildId {
  return parseBuildId(publicId).id;
}
