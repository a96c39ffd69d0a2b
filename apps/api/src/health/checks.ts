// How each part is looked at.
import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import type { Blobs } from '#blobs/blobs.js';
import type { BuildQueue } from '#queue/producer.js';
import type { Database } from '#store/database.js';
import type { WorkersStore } from '#store/workers.store.js';
import { judgeWorkers, type Check, type ComponentName } from './health.js';

/** Less free than this on the data folder's disk is said before it hurts. */
export const LOW_DISK_BYTES = 1024 ** 3;

export function checksOf(on: {
  database: Pick<Database, 'ping' | 'isFull'>;
  queue: Pick<BuildQueue, 'ping'>;
  workers: Pick<WorkersStore, 'list'>;
  blobs: Pick<Blobs, 'check'>;
  dataDir: string;
}): Record<ComponentName, Check> {
  return {
    database: async () => {
      await on.database.ping();
      return on.database.isFull ? 'The disk of Postgres is full: nothing can be written.' : '';
    },
    redis: async () => void (await on.queue.ping()),
    workers: async () => judgeWorkers(await on.workers.list(), Date.now()),
    storage: async () => {
      await Promise.all([access(on.dataDir, constants.W_OK), on.blobs.check()]);
      const { bavail, bsize } = await statfs(on.dataDir);
      const free = bavail * bsize;
      return free < LOW_DISK_BYTES
        ? `Only ${Math.floor(free / 1024 ** 2)} MiB are free on the data folder's disk.`
        : '';
    },
  };
}
