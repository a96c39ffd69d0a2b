// The engine's cache store: packed tars in the blob store, entries in the database. The end of an object's name says how it is packed, so
// that any worker reads any entry, those of earlier versions too (`.tar.gz`).
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Blobs } from '#blobs/blobs.js';
import { cachePrefix } from '#core/blob-places.js';
import type { ProjectId } from '#core/ids.js';
import { CacheStore, type PackedTar, type TarCodec } from '#engine/ports.js';
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
    const bytes = await this.blobs.get(entry.location);
    const packed = { ...packingOf(entry.location), bytes: bytes as Readable };
    return { key: entry.key, exact: entry.key === request.key, sizeBytes: entry.sizeBytes, packed };
  }

  async save(request: Parameters<CacheStore['save']>[0]): Promise<{ sizeBytes: number }> {
    const { key, version, packed } = request;
    if (!request.replace && (await this.entries.find(this.projectId, key, version)) !== null) {
      packed.bytes.destroy();
      return { sizeBytes: 0 };
    }
    const location = `${cachePrefix(this.projectId)}${randomUUID()}${endingOf(packed)}`;
    const { sizeBytes, sha256 } = await this.blobs.put(location, packed.bytes, request.signal);
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

const ENDINGS: Readonly<Record<TarCodec, string>> = { gzip: '.tar.gz', zstd: '.tar.zst' };
const IN_WORKSPACE = '.workspace';

function endingOf({ codec, workspaceOnly }: Omit<PackedTar, 'bytes'>): string {
  return `${workspaceOnly ? IN_WORKSPACE : ''}${ENDINGS[codec]}`;
}

function packingOf(location: string): Omit<PackedTar, 'bytes'> {
  const codec = location.endsWith(ENDINGS.zstd) ? 'zstd' : 'gzip';
  return { codec, workspaceOnly: location.endsWith(`${IN_WORKSPACE}${ENDINGS[codec]}`) };
}
