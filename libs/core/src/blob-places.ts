// Where things lie in the blob store, for those who write, those who give them up, and those who remove them.

/** All artifacts, caches and uploads: what the blob store holds. */
export const BLOB_ROOMS = ['artifacts/', 'caches/', 'uploads/'] as const;

/** Everything cached for one project. */
export function cachePrefix(projectId: string): string {
  return `caches/${projectId}/`;
}

/** One uploaded archive. */
export function uploadKey(id: string): string {
  return `uploads/${id}`;
}
