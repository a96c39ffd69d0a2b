// The cache of a project's builds: paths of the buildspec, one entry for the project, restored before and saved after a good build.
// A miss or a failure here never fails a build (codebuild-contract C7).
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { messageOf } from '#core/errors.js';
import type { BuildRun } from '../build-run.js';
import { cachePaths } from './artifact-plan.js';
import { findFiles } from './find-files.js';

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
    if (entry !== null) await run.sandbox!.unpack('/', entry.tar, signal);
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
  const pack = tar.pack();
  const packing = packPaths(run, cachePaths(run.source!.plan, run.script!.expanded), pack).catch((error: unknown) => {
    pack.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    throw error;
  });
  try {
    const request = { key: UNKEYED, version: versionOf(cache.paths), replace: true, tar: Readable.from(pack), signal };
    const [{ sizeBytes }, files] = await Promise.all([ports.cache.save(request), packing]);
    const saveMs = ports.clock.now().getTime() - began;
    run.cacheUse = {
      ...(run.cacheUse ?? { key: UNKEYED, result: 'miss', restoredBytes: 0, restoreMs: 0 }),
      savedBytes: sizeBytes,
      saveMs,
    };
    await ports.journal.setCache(run.cacheUse);
    await log.say(`Cache saved: ${files} files, ${sizeBytes} bytes in ${saveMs} ms`);
  } catch (error) {
    signal.throwIfAborted();
    await log.say(`The cache could not be saved: ${messageOf(error)}`);
  }
}

/** Names in the tar are absolute without the leading slash, so that they land where they were. */
async function packPaths(run: BuildRun, paths: string[], pack: tar.Pack): Promise<number> {
  const { sourceDir } = run.source!;
  const found = findFiles({
    sandbox: run.sandbox!,
    base: '/',
    patterns: paths.map((path) => posix.resolve(sourceDir, path.replace(/^~(?=\/|$)/, '/root'))).map(wholeFolder),
    excludes: [],
    types: ['file', 'directory', 'symlink'],
    signal: run.signal,
  });
  let files = 0;
  for await (const { name, file } of found) {
    const header = {
      name,
      mode: file.mode,
      mtime: file.mtime,
      type: file.type,
      size: file.sizeBytes,
      linkname: file.linkTarget,
    };
    if (file.type === 'file') {
      files += 1;
      await pipeline(await file.open(), pack.entry(header) as unknown as NodeJS.WritableStream);
    } else pack.entry({ ...header, size: 0 });
  }
  pack.finalize();
  return files;
}

/** `/root/.npm` means all of it; a pattern means what it matches. */
function wholeFolder(path: string): string {
  return /[*?[]/.test(path) ? path : `${path}/**/*`;
}

function versionOf(paths: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(paths)).digest('hex');
}
