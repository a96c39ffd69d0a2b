// The cache of a project's builds: paths of the buildspec, one entry for the project, restored before and saved after a good build.
// A miss or a failure here never fails a build (codebuild-contract C7).
import { createHash } from 'node:crypto';
import { messageOf } from '#core/errors.js';
import type { BuildRun } from '../build-run.js';
import { cachePaths } from './artifact-plan.js';
import { packCache, unpackCache } from './cache-tar.js';

/** The one entry of a project whose buildspec names no key. */
const UNKEYED = '';

export async function restoreCache(run: BuildRun): Promise<void> {
  const { log, ports, signal } = run;
  const { cache } = run.source!.plan;
  if (cache === null) return log.say('Cache is not defined in the buildspec');
  if (ports.cache === null || cache.paths.length === 0)
    return log.say('Skip cache due to: no paths specified to be cached');
  if (cache.key !== null) await log.say('The cache key is not used: builds of this project share one entry');
  if (cache.action === 'save') return;
  const began = ports.clock.now().getTime();
  try {
    const entry = await ports.cache.restore({
      key: UNKEYED,
      fallbackPrefixes: [],
      version: versionOf(cache.paths),
      signal,
    });
    if (entry !== null) await unpackCache(run, entry.packed);
    const restoreMs = ports.clock.now().getTime() - began;
    const restoredBytes = entry?.sizeBytes ?? 0;
    run.cacheUse = {
      key: UNKEYED,
      result: entry === null ? 'miss' : 'hit',
      restoredBytes,
      restoreMs,
      savedBytes: 0,
      saveMs: 0,
    };
    await ports.journal.setCache(run.cacheUse);
    await log.say(entry === null ? 'Cache miss' : `Cache restored: ${restoredBytes} bytes in ${restoreMs} ms`);
  } catch (error) {
    signal.throwIfAborted();
    await log.say(`The cache could not be restored, the build goes on without: ${messageOf(error)}`);
  }
}

/** Call only when every phase went well: a broken cache would break the next builds too. */
export async function saveCache(run: BuildRun): Promise<void> {
  const { log, ports, signal } = run;
  const { cache } = run.source!.plan;
  if (cache === null || ports.cache === null || cache.paths.length === 0 || cache.action === 'restore') return;
  const began = ports.clock.now().getTime();
  try {
    const { packed, files } = await packCache(run, cachePaths(run.source!.plan, run.script!.expanded));
    const request = { key: UNKEYED, version: versionOf(cache.paths), replace: true, packed, signal };
    const { sizeBytes } = await ports.cache.save(request);
    const saveMs = ports.clock.now().getTime() - began;
    run.cacheUse = {
      ...(run.cacheUse ?? { key: UNKEYED, result: 'miss', restoredBytes: 0, restoreMs: 0 }),
      savedBytes: sizeBytes,
      saveMs,
    };
    await ports.journal.setCache(run.cacheUse);
    await log.say(`Cache saved: ${files()} files, ${sizeBytes} bytes in ${saveMs} ms`);
  } catch (error) {
    signal.throwIfAborted();
    await log.say(`The cache could not be saved: ${messageOf(error)}`);
  }
}

function versionOf(paths: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(paths)).digest('hex');
}
