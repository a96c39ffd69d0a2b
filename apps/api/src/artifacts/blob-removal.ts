// Deletes at once what a request has given up. What fails is in the store's list already, and the cleanup goes on with it.
import { Inject, Injectable } from '@nestjs/common';
import { Blobs } from '#blobs/blobs.js';
import type { Logger } from '#observe/logger.js';
import { DoomedBlobsStore } from '#store/doomed-blobs.store.js';
import { LOGGER } from '../connections.js';

@Injectable()
export class BlobRemoval {
  constructor(
    private readonly blobs: Blobs,
    private readonly doomed: DoomedBlobsStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** In: keys, and prefixes that end in `/`, that a committed transaction doomed. Never fails: the row is gone either way. */
  async now(locations: readonly string[]): Promise<void> {
    for (const location of locations) {
      try {
        await (location.endsWith('/') ? this.blobs.deletePrefix(location) : this.blobs.delete(location));
        await this.doomed.done([location]);
      } catch (error) {
        this.logger.warn('stored bytes are left to the cleanup', { location, error });
      }
    }
  }
}
