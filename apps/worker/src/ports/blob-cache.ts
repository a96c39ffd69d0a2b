// The engine's cache store: bytes in the blob store (a gzip-compressed tar), entries in the database.
import { randomUUID } from 'node:crypto';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import type { Blobs } from '#blobs/blobs.js';
import { cachePrefix } from '#core/blob-places.js';
import type { ProjectId } from '#core/ids.js';
import { CacheStore } from '#engine/ports.js';
import type { CacheEntriesStore, CacheEntry } from '#store/cache-entries.store.js';

export class BlobCache extends CacheStore {
  constructor(
    private readonly blobs: Blobs,
    private readonly entries: CacheEntriesStore,
    private readonly projectId: ProjectId,
  ) {
    super();
  }

  async restore(request: Parameters<CacheStore['restore']>[0]): ReturnType<CacheStore['restore']> {
    const entry = await this.find(request);
    if (entry === null) return null;
    const stat = await this.blobs.stat(entry.location);
    if (stat?.sizeBytes !== entry.sizeBytes) {
      // the bytes are gone or cut short: a miss, and no later build need look again
      await this.entries.delete(entry.id);
      return null;
    }
    await this.entries.touch(entry.id);
    const gunzip = createGunzip();
    // its error reaches the reader of `gunzip`
    pipeline(await this.blobs.get(entry.location), gunzip, { signal: request.signal }).catch(() => undefined);
    return { key: entry.key, exact: entry.key === request.key, sizeBytes: entry.sizeBytes, tar: gunzip };
  }

  async save(request: Parameters<CacheStore['save']>[0]): Promise<{ sizeBytes: number }> {
    const { key, version } = request;
    if (!request.replace && (await this.entries.find(this.projectId, key, version)) !== null) return { sizeBytes: 0 };
    const location = `${cachePrefix(this.projectId)}${randomUUID()}.tar.gz`;
    const out = new PassThrough();
    const packing = pipeline(request.tar as Readable, createGzip({ level: constants.Z_BEST_SPEED }), out, {
      signal: request.signal,
    });
    const [{ sizeBytes, sha256 }] = await Promise.all([this.blobs.put(location, out, request.signal), packing]);
    const entry = { projectId: this.projectId, key, version, sizeBytes, sha256, location };
    if (request.replace) {
      const { replacedLocation } = await this.entries.replace(entry);
      if (replacedLocation !== null) await this.blobs.delete(replacedLocation);
    } else if ((await this.entries.add(entry)) === null) await this.blobs.delete(location);
    return { sizeBytes };
  }

  private async find({
    key,
    fallbackPrefixes,
    version,
  }: Parameters<CacheStore['restore']>[0]): Promise<CacheEntry | null> {
    const exact = await this.entries.find(this.projectId, key, version);
    if (exact !== null) return exact;
    for (const prefix of fallbackPrefixes) {
      const entry = await this.entries.findByPrefix(this.projectId, prefix, version);
      if (entry !== null) return entry;
    }
    return null;
  }
}
