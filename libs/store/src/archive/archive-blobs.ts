// What the log archive needs of a blob store. `Blobs` of libs/blobs is one; this room does not know that one.

export interface ArchiveBlobs {
  /** Stores a stream; the object appears whole or not at all. Errors: the stream's own; Fault STORAGE_FULL, STORAGE_UNAVAILABLE. */
  put(key: string, data: NodeJS.ReadableStream, signal?: AbortSignal): Promise<{ sizeBytes: number }>;
  /** `range`: first and last byte, inclusive. Errors: Refusal NOT_FOUND, RANGE_NOT_SATISFIABLE; Fault STORAGE_UNAVAILABLE, also later. */
  get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream>;
}

/** Where the log of one attempt lies in the blob store: a row of log_archive. */
export interface ArchivedLog {
  location: string;
  sizeBytes: number;
  /** Length of the object's end, index and footer (archive-format.ts). */
  indexBytes: number;
}
