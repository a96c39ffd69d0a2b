// The parts of a cleanup, in order: what each is called and whom it asks. Builds go after their logs, bytes after their rows.
import { join } from 'node:path';
import type { DockerLeftovers } from '#engine/backend/docker/leftovers.js';
import { sweepMirrors } from '#source/mirror-sweep.js';
import { sweepTemp } from '#source/temp-sweep.js';
import { diskBytes } from '#source/disk-limit.js';
import type { CacheBudgets, RetentionStore } from '#store/retention/retention.store.js';
import type { BlobSweep } from './blob-sweep.js';
import type { CleanupPart } from './cleanup.js';

const HOUR_MS = 3_600_000;
/** What a put left half done is nobody's after this without a byte more. */
const ABANDONED_MS = 24 * HOUR_MS;

export function sharedParts(options: {
  retention: RetentionStore;
  blobSweep: BlobSweep;
  /** Removes what puts of dead processes left in the blob store; takes the age in ms, says how many. */
  removeAbandoned: (olderThanMs: number) => Promise<number>;
  caches: CacheBudgets;
  uploadDays: number;
}): CleanupPart[] {
  const { retention, blobSweep, caches, uploadDays, removeAbandoned } = options;
  return [
    // first, so that the partitions that it empties go with the logs of the same round
    { name: 'archive', run: (now, signal) => retention.archiveLogs(now, signal) },
    {
      name: 'logs',
      run: async (now, signal) => {
        const { partitions, ...taken } = await retention.expireLogs(now, signal);
        // a partition may go without a log: count it, so that it is told
        return { ...taken, items: Math.max(taken.items, partitions.length), details: { partitions } };
      },
    },
    { name: 'artifacts', run: (now, signal) => retention.expireArtifacts(now, signal) },
    { name: 'reports', run: (now, signal) => retention.expireReports(now, signal) },
    { name: 'builds', run: (now, signal) => retention.expireBuilds(now, signal) },
    { name: 'caches', run: () => retention.evictCaches(caches) },
    { name: 'uploads', run: () => retention.expireUploads(uploadDays) },
    { name: 'workers', run: () => retention.forgetWorkers() },
    { name: 'tokens', run: () => retention.forgetTokens() },
    { name: 'orphans', run: (now, signal) => blobSweep.findOrphans(now, signal) },
    { name: 'blobs', run: (now, signal) => blobSweep.deleteDoomed(now, signal) },
    { name: 'abandoned', run: async () => ({ items: await removeAbandoned(ABANDONED_MS), bytes: 0 }) },
  ];
}

export function hostParts(options: {
  dataDir: string;
  mirrorsBytes: number;
  imagesBytes: number;
  /** The longest that a fetch may take. */
  sourceTimeoutMs: number;
  /** Null where builds run on no Docker Engine. */
  leftovers: DockerLeftovers | null;
}): CleanupPart[] {
  const { dataDir, leftovers } = options;
  const temp = join(dataDir, 'temp');
  const own: CleanupPart[] = [
    {
      name: 'mirrors',
      run: async (_now, signal) => {
        const swept = await sweepMirrors(join(dataDir, 'mirrors'), options.mirrorsBytes, signal);
        const bytes = swept.removed.reduce((sum, mirror) => sum + mirror.bytes, 0);
        return {
          ...{ items: swept.removed.length, bytes, details: { mirrors: swept.removed.map(({ name }) => name) } },
          use: { items: swept.mirrors, usedBytes: swept.bytes, budgetBytes: options.mirrorsBytes || null },
        };
      },
    },
    {
      name: 'temp',
      run: async () => {
        const taken = await sweepTemp(temp, options.sourceTimeoutMs + HOUR_MS);
        return { ...taken, use: { items: 1, usedBytes: await diskBytes([temp]), budgetBytes: null } };
      },
    },
  ];
  return leftovers === null ? own : [...own, ...engineParts(leftovers, options.imagesBytes)];
}

function engineParts(leftovers: DockerLeftovers, imagesBytes: number): CleanupPart[] {
  return [
    { name: 'helpers', run: () => leftovers.helpers() },
    { name: 'networks', run: () => leftovers.networks() },
    { name: 'volumes', run: () => leftovers.volumes() },
    {
      name: 'images',
      run: async () => {
        const swept = await leftovers.images(imagesBytes);
        const bytes = swept.removed.reduce((sum, image) => sum + image.bytes, 0);
        return {
          ...{ items: swept.removed.length, bytes, details: { images: swept.removed.flatMap(({ names }) => names) } },
          use: { items: swept.images, usedBytes: swept.bytes, budgetBytes: imagesBytes || null },
        };
      },
    },
  ];
}
