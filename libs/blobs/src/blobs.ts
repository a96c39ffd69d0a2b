// Where artifacts, caches, uploads and sealed logs lie: one contract; on the local disk, or in a bucket when there is more than one host.

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
  /**
   * Stores a stream. Errors: Fault STORAGE_FULL, STORAGE_UNAVAILABLE; the source's own error; the signal's reason, until the object is
   * being made visible. Nothing is left behind on any of them.
   */
  abstract put(key: string, data: NodeJS.ReadableStream, signal?: AbortSignal): Promise<BlobInfo & { md5: string }>;
  /**
   * `range`: first and last byte, inclusive. Errors: Refusal NOT_FOUND, RANGE_NOT_SATISFIABLE; Fault STORAGE_UNAVAILABLE, also later
   * on the stream. A stream that nobody reads to its end must be destroyed: it holds a file or a connection.
   */
  abstract get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream>;
  /** Size in bytes, or null when there is none. */
  abstract stat(key: string): Promise<{ sizeBytes: number } | null>;
  /** Objects under a prefix (`a/b/`), by key in ascending order. */
  abstract list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }>;
  /** Deletes one object; none there is fine. */
  abstract delete(key: string): Promise<void>;
  /** Deletes everything under a prefix. */
  abstract deletePrefix(prefix: string): Promise<void>;
  /** Looks whether objects can be stored at all. Errors: Fault STORAGE_UNAVAILABLE; `retryable` is false where settings are wrong. */
  abstract check(): Promise<void>;
  /** Removes what puts of dead processes left unfinished. Out: how many. Give it more than the longest put takes. */
  abstract removeAbandoned(olderThanMs: number): Promise<number>;
  /** Lets go of idle connections. */
  abstract close(): void;
}
