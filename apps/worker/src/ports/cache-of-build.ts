// Which cache a build gets: its project's, with the reach that its trust gives it.
import type { Blobs } from '#blobs/blobs.js';
import type { Build } from '#core/build.js';
import { keepsPaths } from '#core/cache.js';
import type { CacheStore } from '#engine/ports.js';
import type { Logger } from '#observe/logger.js';
import { CacheEntriesStore } from '#store/cache-entries.store.js';
import type { Database } from '#store/database.js';
import { type CacheBudgets, evictCaches } from '#store/retention/evict-caches.js';
import { BlobCache } from './blob-cache.js';

export interface CachesOptions {
  blobs: Blobs;
  database: Database;
  budgets: CacheBudgets;
  logger: Logger;
}

/** Out: null for a build whose project keeps no paths, or is gone. */
export function cacheOfBuild(options: CachesOptions): (build: Build) => CacheStore | null {
  const { blobs, database, budgets, logger } = options;
  const entries = new CacheEntriesStore(database);
  const evict = async (): Promise<void> => {
    try {
      await evictCaches(database, budgets);
    } catch (error) {
      logger.warn('caches are left over their quota until the next cleanup', { error });
    }
  };
  return ({ projectId, settings, cacheScope, startedAt, queuedAt }) => {
    if (projectId === null || !keepsPaths(settings.cache)) return null;
    return new BlobCache({
      blobs,
      entries,
      project: { id: projectId, cache: settings.cache },
      scope: cacheScope,
      since: startedAt ?? queuedAt,
      quotaBytes: budgets.projectBytes,
      evict,
    });
  };
}
