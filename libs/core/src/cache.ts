// Caches of builds: who shares an entry with whom. The names are made here and by the store alone; nothing that a build or a buildspec
// says becomes part of them unhashed, so that no key leads out of its space or scope.
import type { ProjectCache } from './project.js';

/**
 * What a build may write to and read from, by how far its code is trusted. `null`: trusted; it reads and writes what all trusted builds of
 * the project share. A name (`pull-request/17`, `fork/someone`): it reads that too, but writes only under its own name, which only builds
 * of the same name read. Set by whoever starts the build for another's code, never by a request's caller or a buildspec.
 */
export type CacheScope = string | null;

/** As the store writes it: of trusted builds. */
export const TRUSTED_SCOPE = '';

export const MAX_CACHE_SCOPE = 200;

/** Does the project keep the buildspec's `cache.paths`? Of the LOCAL modes one alone does. */
export function keepsPaths(cache: ProjectCache): boolean {
  if (cache.type === 'LOCAL') return cache.modes?.includes('LOCAL_CUSTOM_CACHE') === true;
  return cache.type === 'S3';
}

/**
 * The words that a shared space of keyed entries is named by, or null when the project keeps its entries for itself: CodeBuild's
 * cacheNamespace, together with the bucket and prefix.
 */
export function sharedSpaceWords(cache: ProjectCache): string | null {
  if (cache.cacheNamespace === undefined || cache.cacheNamespace === '') return null;
  return JSON.stringify([cache.type, cache.location ?? '', cache.cacheNamespace]);
}
