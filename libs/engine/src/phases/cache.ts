// The cache of a project's builds: paths of the buildspec, restored before a build and saved after a good one, under the buildspec's key
// or as the project's one entry without. A miss or a failure here never fails a build (codebuild-contract C7).
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { PlannedCache } from '#buildspec/plan.js';
import type { CacheUse } from '#core/build.js';
import { messageOf } from '#core/errors.js';
import type { BuildRun } from '../build-run.js';
import { cachePaths } from './artifact-plan.js';
import { cacheKeys, type CacheKeys } from './cache-key.js';
import { packCache, unpackCache } from './cache-tar.js';

const NOTHING: Omit<CacheUse, 'key' | 'result'> = {
  restoredKey: null,
  restoredFrom: null,
  restoredBytes: 0,
  restoreMs: 0,
  saved: null,
  savedBytes: 0,
  saveMs: 0,
};

/** In: all variables of the build. What the key came to is left in run.source.cacheKey, for saveCache and for whoever adopts the run. */
export async function restoreCache(
  run: BuildRun,
  variables: readonly { name: string; value: string }[],
): Promise<void> {
  const { log, ports, signal } = run;
  const { cache } = run.source!.plan;
  await sayModes(run);
  if (cache === null) await log.say('Cache is not defined in the buildspec');
  if (cache === null || ports.cache === null || cache.paths.length === 0)
    return log.say('Skip cache due to: no paths specified to be cached');
  let keys: CacheKeys;
  try {
    keys = await cacheKeys(run, cache, variables);
  } catch (error) {
    signal.throwIfAborted();
    return log.say(`The cache is not used, its key could not be worked out: ${messageOf(error)}`);
  }
  run.source!.cacheKey = keys.key;
  if (cache.action === 'save') return note(run, { ...NOTHING, key: keys.key, result: 'skipped' });
  try {
    await restore(run, cache, keys);
  } catch (error) {
    signal.throwIfAborted();
    await note(run, { ...NOTHING, key: keys.key, result: 'miss' });
    await log.say(`The cache could not be restored, the build goes on without: ${messageOf(error)}`);
  }
}

async function restore(run: BuildRun, cache: PlannedCache, { key, fallbacks, ranCommands }: CacheKeys): Promise<void> {
  const { log, ports, signal, sandbox } = run;
  const began = ports.clock.now().getTime();
  const version = versionOf(cache.paths);
  const entry = await ports.cache!.restore({ key, fallbackPrefixes: fallbacks, version, signal });
  if (entry === null) {
    await note(run, { ...NOTHING, key, result: 'miss', restoreMs: ports.clock.now().getTime() - began });
    return log.say(key === '' ? 'Cache miss' : `Cache miss for key ${key}`);
  }
  // what the key's commands have left running must not swap folders for links under the hands of whoever unpacks
  try {
    if (ranCommands) await sandbox!.freeze();
    await unpackCache(run, entry.packed, entry.sourceFolder ?? sourceFolderOf(run));
  } finally {
    entry.packed.bytes.destroy();
    if (ranCommands) await sandbox!.resume();
  }
  const restoreMs = ports.clock.now().getTime() - began;
  const { key: restoredKey, from: restoredFrom, sizeBytes: restoredBytes } = entry;
  const result = entry.exact ? 'hit' : 'fallback';
  await note(run, { ...NOTHING, key, result, restoredKey, restoredFrom, restoredBytes, restoreMs });
  const which = restoredKey === '' ? '' : `, key ${restoredKey}`;
  await log.say(`Cache restored: ${restoredBytes} bytes in ${restoreMs} ms${which}`);
}

/** Call only when every phase went well: a broken cache would break the next builds too. */
export async function saveCache(run: BuildRun): Promise<void> {
  const { log, ports, signal } = run;
  const { plan, cacheKey: key } = run.source!;
  const { cache } = plan;
  if (cache === null || ports.cache === null || cache.paths.length === 0 || cache.action === 'restore') return;
  if (key === null) return; // told when it was to be restored
  const before: CacheUse = run.cacheUse ?? { ...NOTHING, key, result: 'miss' };
  if (key !== '' && before.result === 'hit') {
    await note(run, { ...before, saved: 'exists' });
    return log.say(`Cache not saved: there is an entry with key ${key}, and entries with a key never change`);
  }
  const began = ports.clock.now().getTime();
  try {
    const { packed, files } = await packCache(run, cachePaths(plan, run.script!.expanded));
    const version = versionOf(cache.paths);
    const sourceFolder = sourceFolderOf(run);
    const request = { key, version, replace: key === '', sourceFolder, packed, signal };
    const { sizeBytes, saved } = await ports.cache.save(request);
    const saveMs = ports.clock.now().getTime() - began;
    await note(run, { ...before, saved, savedBytes: sizeBytes, saveMs });
    await log.say(SAID[saved](`${files()} files, ${sizeBytes} bytes in ${saveMs} ms`, key));
  } catch (error) {
    signal.throwIfAborted();
    await note(run, { ...before, saved: 'failed' });
    await log.say(`The cache could not be saved: ${messageOf(error)}`);
  }
}

const SAID = {
  saved: (figures: string, key: string) => `Cache saved: ${figures}${key === '' ? '' : `, key ${key}`}`,
  exists: (_: string, key: string) =>
    `Cache not saved: another build has saved an entry with key ${key} meanwhile, and entries with a key never change`,
  purged: () => 'Cache not saved: the cache of the project was purged while the build ran',
} as const;

async function note(run: BuildRun, use: CacheUse): Promise<void> {
  run.cacheUse = use;
  await run.ports.journal.setCache(use);
}

/** What a mode cannot do here is said, not passed over. */
async function sayModes(run: BuildRun): Promise<void> {
  const { type, modes = [] } = run.request.build.settings.cache;
  if (type === 'LOCAL' && modes.includes('LOCAL_DOCKER_LAYER_CACHE'))
    await run.log.say('LOCAL_DOCKER_LAYER_CACHE has no effect: no Docker engine of a build outlives it');
}

/** Below the build root. */
function sourceFolderOf(run: BuildRun): string {
  return posix.relative(run.sandbox!.buildRoot, run.source!.sourceDir);
}

function versionOf(paths: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(paths)).digest('hex');
}
