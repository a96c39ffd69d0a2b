// The blob store's side of the cleanup: deletes what is doomed, and looks for objects that nobody knows of.
import type { Blobs } from '#blobs/blobs.js';
import { BLOB_ROOMS } from '#core/blob-places.js';
import type { Logger } from '#observe/logger.js';
import type { DoomedBlobsStore } from '#store/doomed-blobs.store.js';
import type { RetentionStore } from '#store/retention/retention.store.js';
import type { PartResult } from './cleanup.js';

const BATCH = 200;
/** One that could not be deleted is tried again after this. */
const AGAIN_MS = 60 * 60_000;
/** Listing everything is work for the disk: it is done so often, and not at each round. */
export const ORPHANS_EVERY_MS = 24 * 60 * 60_000;
/** An object without a row is looked for again after this before it is deleted: its row may be on its way. Longer than any upload. */
export const ORPHAN_AGAIN_MS = 24 * 60 * 60_000;
const LISTED_AT_ONCE = 1_000;

export interface BlobSweepOptions {
  blobs: Pick<Blobs, 'delete' | 'deletePrefix' | 'list'>;
  doomed: DoomedBlobsStore;
  retention: Pick<RetentionStore, 'withoutRow'>;
  logger: Logger;
}

export class BlobSweep {
  private listedAtMs = -Infinity;

  constructor(private readonly options: BlobSweepOptions) {}

  /** Deletes what is due. One that fails is told, and tried again later. */
  async deleteDoomed(_now: Date, signal: AbortSignal): Promise<PartResult> {
    const { doomed } = this.options;
    let items = 0;
    for (;;) {
      const due = await doomed.due(BATCH);
      if (due.length === 0) return { items, bytes: 0 };
      const known = await this.known(due.filter(({ orphan }) => orphan).map(({ location }) => location));
      for (const { location } of due) {
        signal.throwIfAborted();
        if (!known.has(location)) items += await this.remove(location);
      }
      await doomed.done([...known]);
    }
  }

  /** Writes down objects without a row; they go after another look. */
  async findOrphans(now: Date, signal: AbortSignal): Promise<PartResult> {
    if (now.getTime() - this.listedAtMs < ORPHANS_EVERY_MS) return { items: 0, bytes: 0 };
    const found = { items: 0, bytes: 0 };
    for (const room of BLOB_ROOMS) {
      let listed = new Map<string, number>();
      for await (const { key, sizeBytes } of this.options.blobs.list(room)) {
        signal.throwIfAborted();
        listed.set(key, sizeBytes);
        if (listed.size < LISTED_AT_ONCE) continue;
        await this.writeDown(listed, found);
        listed = new Map();
      }
      await this.writeDown(listed, found);
    }
    this.listedAtMs = now.getTime();
    return { ...found, details: { deletedAfterMs: ORPHAN_AGAIN_MS } };
  }

  private async writeDown(listed: Map<string, number>, found: { items: number; bytes: number }): Promise<void> {
    if (listed.size === 0) return;
    const orphans = await this.options.retention.withoutRow([...listed.keys()]);
    await this.options.doomed.doom(orphans, ORPHAN_AGAIN_MS, true);
    found.items += orphans.length;
    for (const key of orphans) found.bytes += listed.get(key) ?? 0;
  }

  /** Those that have a row after all. */
  private async known(orphans: string[]): Promise<Set<string>> {
    if (orphans.length === 0) return new Set();
    const still = new Set(await this.options.retention.withoutRow(orphans));
    return new Set(orphans.filter((key) => !still.has(key)));
  }

  private async remove(location: string): Promise<number> {
    const { blobs, doomed, logger } = this.options;
    try {
      await (location.endsWith('/') ? blobs.deletePrefix(location) : blobs.delete(location));
      await doomed.done([location]);
      return 1;
    } catch (error) {
      logger.warn('cleanup: stored bytes could not be deleted', { location, error });
      await doomed.putOff(location, AGAIN_MS);
      return 0;
    }
  }
}
