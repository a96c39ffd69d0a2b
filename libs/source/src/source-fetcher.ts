// Room: source. The way in: brings a build's source into an empty folder on the worker's disk, whatever its type.
// The worker calls it in DOWNLOAD_SOURCE; it has the shape of the engine's SourceFetcher without knowing the engine.
import type { Readable } from 'node:stream';
import { ArchiveSource, type UploadedArchive } from './archive.js';
import type { FetchRequest } from './fetch-request.js';
import { GitSource } from './git-source.js';

export interface SourceFetcherOptions {
  /** Kept between builds; may be shared by workers on one host. */
  mirrorsDir: string;
  /** Private and short-lived: keys (0600), downloads. */
  tempDir: string;
  /** KILNYARD_SOURCE_MAX_BYTES. */
  maxBytes: number;
  /** KILNYARD_SOURCE_TIMEOUT_MS. */
  timeoutMs: number;
  /** KILNYARD_SOURCE_LOCAL_PATHS; empty: no local repositories. */
  localPaths: readonly string[];
  /** The text of a secret, by SourceAuth.resource. */
  secret: (reference: string) => Promise<string>;
  /** An uploaded archive. Errors: Refusal UPLOAD_NOT_FOUND. */
  upload: (id: string) => Promise<UploadedArchive & { open(): Promise<Readable> }>;
}

export class SourceFetcherService {
  private readonly git: GitSource;
  private readonly archive: ArchiveSource;

  constructor(options: SourceFetcherOptions) {
    this.git = new GitSource(options);
    this.archive = new ArchiveSource(options);
  }

  /**
   * Puts the source into `into`. Out: the commit id for Git, nothing for the rest.
   * Errors: Refusal SOURCE_NOT_ALLOWED, UPLOAD_NOT_FOUND; PhaseFailure CLIENT_ERROR, SOURCE_FETCH_FAILED, SOURCE_TOO_LARGE;
   * Fault STORAGE_FULL; the signal's reason. After an error `into` may hold parts; its owner removes it.
   */
  async fetch(request: FetchRequest): Promise<{ resolvedVersion?: string }> {
    const { type } = request.source;
    switch (type) {
      case 'NO_SOURCE':
        return {};
      case 'ARCHIVE':
      case 'S3':
        await this.archive.fetch(request);
        return {};
      case 'GIT':
      case 'GITHUB':
      case 'GITHUB_ENTERPRISE':
      case 'GITLAB':
      case 'GITLAB_SELF_MANAGED':
      case 'BITBUCKET':
      case 'CODECOMMIT':
        return this.git.fetch(request);
      default:
        return unreachable(type);
    }
  }
}

function unreachable(type: never): never {
  throw new Error(`no such source type: ${String(type)}`);
}
