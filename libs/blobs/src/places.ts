// Where things lie in the blob store, for those who write and those who remove them.

/** Everything cached for one project. */
export function cachePrefix(projectId: string): string {
  return `caches/${projectId}/`;
}
