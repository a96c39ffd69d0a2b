// Puts a worker's cleanup together from its settings and starts it.
import type { Blobs } from '#blobs/blobs.js';
import type { Section } from '#config/settings.js';
import type { DockerLeftovers } from '#engine/backend/docker/leftovers.js';
import type { Logger } from '#observe/logger.js';
import type { Metrics } from '#observe/metrics.js';
import type { Database } from '#store/database.js';
import { DoomedBlobsStore } from '#store/doomed-blobs.store.js';
import { type CacheBudgets, RetentionStore } from '#store/retention/retention.store.js';
import { StorageUseStore } from '#store/storage-use.store.js';
import { BlobSweep } from './blob-sweep.js';
import { Cleanup } from './cleanup.js';
import { CleanupMetrics } from './cleanup-metrics.js';
import { hostParts, sharedParts } from './parts.js';

export function cacheBudgets(settings: Section<'keep'>): CacheBudgets {
  return { bytes: settings.cachesBytes, projectBytes: settings.cachesProjectBytes, days: settings.cachesDays };
}

export function startCleanup(options: {
  settings: Section<'keep'>;
  sourceTimeoutMs: number;
  dataDir: string;
  hostId: string;
  database: Database;
  blobs: Blobs;
  leftovers: DockerLeftovers | null;
  metrics: Metrics;
  logger: Logger;
}): Cleanup {
  const { settings, database, blobs, logger } = options;
  const policy = {
    buildsDays: settings.keepBuildsDays,
    buildsCount: settings.keepBuildsCount,
    logsDays: settings.keepLogsDays,
    artifactsDays: settings.keepArtifactsDays,
    artifactsCount: settings.keepArtifactsCount,
  };
  const retention = new RetentionStore(database, policy, { blobs, afterDays: settings.logArchiveAfterDays });
  const caches = cacheBudgets(settings);
  const cleanup = new Cleanup({
    retention,
    storage: new StorageUseStore(database),
    shared: sharedParts({
      retention,
      blobSweep: new BlobSweep({ blobs, doomed: new DoomedBlobsStore(database), retention, logger }),
      removeAbandoned: (olderThanMs) => blobs.removeAbandoned(olderThanMs),
      caches,
      uploadDays: settings.keepUploadsDays,
    }),
    host: hostParts({ ...options, mirrorsBytes: settings.mirrorsBytes, imagesBytes: settings.imagesBytes }),
    hostId: options.hostId,
    budgets: caches.bytes === 0 ? {} : { caches: caches.bytes },
    metrics: new CleanupMetrics(options.metrics),
    logger,
  });
  cleanup.start(settings.cleanupMs);
  return cleanup;
}
