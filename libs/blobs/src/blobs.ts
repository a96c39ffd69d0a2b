// Where artifacts, caches, uploads and sealed logs lie: one contract, disk now, S3 beside it when there is more than one host.

export interface BlobInfo {
  key: string;
  sizeBytes: number;
  sha256: string;
}

/**
 * Keys are `/`-separated, relative, of [A-Za-z0-9._=+@~-] and spaces, no empty, `.` or `..` part; a bad key is a bug in the caller.
 * An object appears whole or not at all.
 */
export abstract class Blobs {
  /** Stores a stream. Errors: Fault STORAGE_FULL; the source's own error; the signal's reason. Nothing is left behind on any of them. */
  abstract put(key: string, data: NodeJS.ReadableStream, signal?: AbortSignal): Promise<BlobInfo & { md5: string }>;
  /** `range`: first and last byte, inclusive. Errors: Refusal NOT_FOUND. */
  abstract get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream>;
  /** Size in bytes, or null when there is none. */
  abstract stat(key: string): Promise<{ sizeBytes: number } | null>;
  /** Objects under a prefix (`a/b/`), by key in ascending order. */
  abstract list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }>;
  /** Deletes one object; none there is fine. */
  abstract delete(key: string): Promise<void>;
  /** Deletes everything under a prefix. */
  abstract deletePrefix(prefix: string): Promise<void>;
}
