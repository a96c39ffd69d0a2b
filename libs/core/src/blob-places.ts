// Where things lie in the blob store, for those who write, those who give them up, and those who remove them.

/** All artifacts, caches, archived logs and uploads: what the blob store holds. */
export const BLOB_ROOMS = ['artifacts/', 'caches/', 'logs/', 'uploads/'] as const;

/** Everything cached for one project. */
export function cachePrefix(projectId: string): string {
  return `caches/${projectId}/`;
}

/** The archived log of one attempt. `mark` tells one try to archive it from another: an object is never written over. */
export function logArchiveKey(buildId: string, attempt: number, mark: string): string {
  return `logs/${buildId}/${attempt}-${mark}`;
}

/** One uploaded archive. */
export function uploadKey(id: string): string {
  return `uploads/${id}`;
}
