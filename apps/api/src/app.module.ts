// The API's rooms, put together around the connections that were opened for them.
import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { Blobs } from '#blobs/blobs.js';
import { Metrics } from '#observe/metrics.js';
import { BuildQueue } from '#queue/producer.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import { BuildsStore } from '#store/builds.store.js';
import { CacheEntriesStore } from '#store/cache-entries.store.js';
import { Database } from '#store/database.js';
import { DoomedBlobsStore } from '#store/doomed-blobs.store.js';
import { IdempotencyStore } from '#store/idempotency.store.js';
import { Listener } from '#store/listen.js';
import { LogsStore } from '#store/logs.store.js';
import { ParametersStore } from '#store/parameters.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { QueueCountsStore } from '#store/queue-counts.store.js';
import { ReportsStore } from '#store/reports.store.js';
import { SecretsStore } from '#store/secrets.store.js';
import { StorageUseStore } from '#store/storage-use.store.js';
import { UploadsStore } from '#store/uploads.store.js';
import { WorkersStore } from '#store/workers.store.js';
import { ArtifactsController } from './artifacts/artifacts.controller.js';
import { BlobRemoval } from './artifacts/blob-removal.js';
import { BatchArtifactsController } from './batches/batch-artifacts.controller.js';
import { BatchesController } from './batches/batches.controller.js';
import { StartBatch } from './batches/start-batch.js';
import { BuildsController } from './builds/builds.controller.js';
import { StartBuild } from './builds/start-build.js';
import { BuildspecController } from './buildspec/buildspec.controller.js';
import { CachesController } from './caches/caches.controller.js';
import { LOGGER, SETTINGS, type ApiSettings, type Connections } from './connections.js';
import { checksOf } from './health/checks.js';
import { HealthController } from './health/health.controller.js';
import { HealthChecks } from './health/health.js';
import { IdempotencyInterceptor } from './http/idempotency.interceptor.js';
import { OpenStreams } from './log/event-stream.js';
import { LogController } from './log/log.controller.js';
import { LogFeeds } from './log/log-feeds.js';
import { StreamPace } from './log/stream-pace.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { ParametersController } from './parameters/parameters.controller.js';
import { ProjectsController } from './projects/projects.controller.js';
import { QueueController } from './queue/queue.controller.js';
import { ReportGroupsController } from './reports/report-groups.controller.js';
import { ReportsController } from './reports/reports.controller.js';
import { SecretsController } from './secrets/secrets.controller.js';
import { StorageController } from './storage/storage.controller.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { WorkersController } from './workers/workers.controller.js';

export const CONTROLLERS = [
  ProjectsController,
  CachesController,
  BuildsController,
  BatchesController,
  BatchArtifactsController,
  LogController,
  ArtifactsController,
  ReportsController,
  ReportGroupsController,
  UploadsController,
  BuildspecController,
  ParametersController,
  SecretsController,
  WorkersController,
  QueueController,
  StorageController,
  HealthController,
  MetricsController,
];

@Module({})
export class AppModule {
  /** `open` hands over the connections; it is not called where only the documents are wanted. */
  static on(open: () => Connections): DynamicModule {
    return { module: AppModule, controllers: CONTROLLERS, providers: [...connected(open), ...stores(), ...own()] };
  }
}

const CONNECTIONS = Symbol('Connections');

function connected(open: () => Connections): Provider[] {
  const part = (
    provide: symbol | typeof Blobs | typeof Database | typeof Listener | typeof BuildQueue | typeof Metrics,
    of: (on: Connections) => unknown,
  ): Provider => ({
    provide,
    inject: [CONNECTIONS],
    useFactory: of,
  });
  return [
    { provide: CONNECTIONS, useFactory: open },
    part(SETTINGS, (on) => on.settings),
    part(LOGGER, (on) => on.logger),
    part(Database, (on) => on.database),
    part(Listener, (on) => on.listener),
    part(BuildQueue, (on) => on.queue),
    part(Blobs, (on) => on.blobs),
    part(Metrics, (on) => on.metrics),
  ];
}

function stores(): Provider[] {
  const plain = [
    ProjectsStore,
    BuildsStore,
    BatchesStore,
    IdempotencyStore,
    WorkersStore,
    UploadsStore,
    QueueCountsStore,
    DoomedBlobsStore,
    CacheEntriesStore,
    StorageUseStore,
    ReportsStore,
  ];
  const sealed = [ParametersStore, SecretsStore];
  return [
    {
      provide: LogsStore,
      inject: [Database, Blobs],
      useFactory: (database: Database, archive: Blobs) => new LogsStore(database, { archive }),
    },
    ...plain.map((Store) => ({
      provide: Store,
      inject: [Database],
      useFactory: (database: Database) => new Store(database),
    })),
    ...sealed.map((Store) => ({
      provide: Store,
      inject: [CONNECTIONS],
      useFactory: (on: Connections) => new Store(on.database, on.masterKey),
    })),
  ];
}

function own(): Provider[] {
  return [
    StartBuild,
    StartBatch,
    BlobRemoval,
    IdempotencyInterceptor,
    {
      provide: HealthChecks,
      inject: [CONNECTIONS, WorkersStore],
      useFactory: ({ database, queue, blobs, settings }: Connections, workers: WorkersStore) =>
        new HealthChecks(checksOf({ database, queue, workers, blobs, dataDir: settings.storage.dataDir })),
    },
    {
      provide: LogFeeds,
      inject: [BuildsStore, LogsStore, Listener, SETTINGS],
      useFactory: (builds: BuildsStore, logs: LogsStore, listener: Listener, settings: ApiSettings) =>
        new LogFeeds({ builds, logs, listener }, { connections: settings.database.databasePool }),
    },
    {
      provide: OpenStreams,
      inject: [Metrics, SETTINGS],
      useFactory: (metrics: Metrics, settings: ApiSettings) =>
        new OpenStreams(
          new StreamPace(settings.logs.logStreamBytes),
          metrics.gauge({ name: 'kilnyard_log_readers', help: 'Open live streams of logs.' }),
          metrics.counter({ name: 'kilnyard_log_stream_bytes', help: 'Bytes written to live streams of logs.' }),
        ),
    },
  ];
}
