// The engine's cache store: packed tars in the blob store, entries in the database. The end of an object's name says how it is packed, so
// that any worker reads any entry, those of earlier versions too (`.tar.gz`). Which entries a build sees is decided here alone.
import { randomUUID } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Blobs } from '#blobs/blobs.js';
import { cachePrefix } from '#core/blob-places.js';
import type { CacheScope } from '#core/cache.js';
import type { ProjectId } from '#core/ids.js';
import type { ProjectCache } from '#core/project.js';
import { CacheStore, type PackedTar, type TarCodec } from '#engine/ports.js';
import {
  type CacheEntriesStore,
  type CacheEntry,
  type CacheReach,
  restoredFrom,
  scopesOf,
  spaceOf,
} from '#store/cache-entries.store.js';

export interface BlobCacheOptions {
  blobs: Blobs;
  entries: CacheEntriesStore;
  project: { id: ProjectId; cache: ProjectCache };
  scope: CacheScope;
  /** When the build was claimed: what is purged later it does not save. */
  since: Date;
  /** Of all entries of a project; 0: none. */
  quotaBytes: number;
  /** Brings everything back under its quotas; called when something was saved. */
  evict: () => Promise<unknown>;
}

export class BlobCache extends CacheStore {
  constructor(private readonly options: BlobCacheOptions) {
    super();
  }

  async restore(request: Parameters<CacheStore['restore']>[0]): ReturnType<CacheStore['restore']> {
    const { blobs, entries } = this.options;
    const reach = this.reach(request.key);
    for (;;) {
      const entry = await this.find(reach, request);
      if (entry === null) return null;
      const stat = await blobs.stat(entry.location);
      if (stat?.sizeBytes !== entry.sizeBytes) {
        // the bytes are gone or cut short: no later build need look again, and there may be another that fits
        await entries.forget(entry);
        continue;
      }
      await entries.touch(entry.id);
      const bytes = await blobs.get(entry.location);
      return {
        key: entry.key,
        exact: entry.key === request.key,
        from: restoredFrom(reach, entry),
        sizeBytes: entry.sizeBytes,
        sourceFolder: entry.sourceFolder,
        packed: { ...packingOf(entry.location), bytes: bytes as Readable },
      };
    }
  }

  async save(request: Parameters<CacheStore['save']>[0]): ReturnType<CacheStore['save']> {
    const { blobs, entries, project, since } = this.options;
    const { key, version, packed, sourceFolder, signal } = request;
    const { space, scopes } = this.reach(key);
    const scope = scopes[0]!;
    if (!request.replace && (await entries.find({ space, scopes: [scope] }, key, version)) !== null) {
      packed.bytes.destroy();
      return { sizeBytes: 0, saved: 'exists' };
    }
    const location = `${cachePrefix(project.id)}${randomUUID()}${endingOf(packed)}`;
    const { sizeBytes, sha256 } = await blobs.put(location, this.within(packed.bytes, signal), signal);
    const entry = { projectId: project.id, space, scope, key, version, sizeBytes, sha256, location, sourceFolder };
    const saved = request.replace ? await entries.replace(entry, since) : await entries.add(entry, since);
    if (saved === 'saved') await this.options.evict();
    else await blobs.delete(location);
    return { sizeBytes: saved === 'saved' ? sizeBytes : 0, saved };
  }

  private reach(key: string): CacheReach {
    const { project, scope } = this.options;
    return { space: spaceOf(project.id, project.cache, key !== ''), scopes: scopesOf(scope) };
  }

  private async find(
    reach: CacheReach,
    { key, fallbackPrefixes, version }: Parameters<CacheStore['restore']>[0],
  ): Promise<CacheEntry | null> {
    const { entries } = this.options;
    const exact = await entries.find(reach, key, version);
    if (exact !== null) return exact;
    for (const prefix of fallbackPrefixes) {
      const entry = await entries.findByPrefix(reach, prefix, version);
      if (entry !== null) return entry;
    }
    return null;
  }

  /** An entry over the quota would only push all others out, and then itself. */
  private within(bytes: Readable, signal: AbortSignal): Readable {
    const { quotaBytes } = this.options;
    if (quotaBytes === 0) return bytes;
    let count = 0;
    const limit = new Transform({
      transform: (piece: Buffer, _encoding, done) => {
        count += piece.length;
        if (count <= quotaBytes) return done(null, piece);
        done(
          new Error(`it takes more than the ${quotaBytes} bytes that a project's caches may (CACHES_PROJECT_BYTES)`),
        );
      },
    });
    pipeline(bytes, limit, { signal }).catch(() => undefined); // its error reaches the reader of `limit`
    return limit;
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
