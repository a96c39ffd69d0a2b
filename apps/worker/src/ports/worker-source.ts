// The engine's source fetcher: libs/source under the engine's name.
import type { FetchedSource } from '#engine/ports.js';
import { SourceFetcher } from '#engine/ports.js';
import { readSourceFile } from '#source/source-file.js';
import type { FetchRequest } from '#source/fetch-request.js';
import type { SourceFetcherService } from '#source/source-fetcher.js';

export class WorkerSource extends SourceFetcher {
  constructor(private readonly service: SourceFetcherService) {
    super();
  }

  fetch(request: FetchRequest): Promise<FetchedSource> {
    return this.service.fetch(request);
  }

  readFile(root: string, relativePath: string, maxBytes: number): Promise<Buffer | null> {
    return readSourceFile(root, relativePath, maxBytes);
  }
}
