// What a cache's paths mean as a tar, packed and unpacked the quickest way that is safe: by the machine's own programs where all of it
// lies in a workspace that is ours, else file by file through the sandbox. Called by cache.ts.
import { posix } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import tar from 'tar-stream';
import { messageOf } from '#core/errors.js';
import type { BuildRun } from '../build-run.js';
import { programs } from '../packing/programs.js';
import { movedTar } from '../packing/moved-tar.js';
import { unpacked } from '../packing/unpacked.js';
import { isPlainPath, packWorkspace, unpackWorkspace } from '../packing/workspace-tar.js';
import type { PackedTar } from '../ports.js';
import { findFiles, type FoundFile } from './find-files.js';

export interface PackedCache {
  /** Its bytes fail when something could not be read. */
  packed: PackedTar;
  /** How many files and links are in it, once all its bytes are read. */
  files: () => number;
}

/** In: paths of the buildspec with their variables filled in. Nothing of the build may run any more. */
export async function packCache(run: BuildRun, paths: readonly string[]): Promise<PackedCache> {
  const { buildRoot, workspaceOurs } = run.sandbox!;
  const patterns = paths
    .map((path) => posix.resolve(run.source!.sourceDir, path.replace(/^~(?=\/|$)/, '/root')))
    .map(wholeFolder);
  const { tar: hasTar } = await programs();
  const inside = patterns.every((pattern) => pattern.startsWith(`${buildRoot}/`));
  return workspaceOurs && hasTar && inside ? packInWorkspace(run, patterns) : packFileByFile(run, patterns);
}

/**
 * In: `sourceFolder`: where the source lay, below the build root, that the cache was packed beside; what lies in it comes to lie in this
 * build's. Errors: what the programs or the sandbox say; the signal's reason.
 */
export async function unpackCache(run: BuildRun, packed: PackedTar, sourceFolder: string): Promise<void> {
  const { sandbox, signal } = run;
  const to = posix.relative(sandbox!.buildRoot, run.source!.sourceDir);
  const moved = sourceFolder === to ? null : { from: sourceFolder, to };
  packed.bytes.on('error', () => undefined); // told by whoever reads them; it must not come before
  const has = await programs();
  if (packed.workspaceOnly && sandbox!.workspaceOurs && has.tar && has[packed.codec])
    return unpackWorkspace({ ...workspaceOf(run), signal }, packed, moved);
  const plain = await unpacked(packed, signal);
  const fitting = moved === null ? plain : movedTar(plain, workspaceOf(run).prefix, moved, signal);
  await sandbox!.unpack('/', fitting, signal);
}

function workspaceOf(run: BuildRun): { root: string; prefix: string } {
  return { root: run.sandbox!.workspaceDir, prefix: run.sandbox!.buildRoot.slice(1) };
}

async function packInWorkspace(run: BuildRun, patterns: readonly string[]): Promise<PackedCache> {
  const { root, prefix } = workspaceOf(run);
  const has = await programs();
  const codec = has.zstd ? 'zstd' : 'gzip';
  const part = { root, prefix, codec, signal: run.signal } as const;
  const folders = patterns.map((pattern) => folderOf(pattern, prefix));
  const whole = folders.every((folder) => folder !== null);
  const names = whole ? await outermost(root, folders as string[]) : namesIn(found(run, patterns), prefix);
  const { bytes, files } = packWorkspace(part, names, whole);
  return { packed: { codec, workspaceOnly: true, bytes }, files };
}

/** The folder in the workspace, relative, of which a pattern means all; null when it means anything else. */
function folderOf(pattern: string, prefix: string): string | null {
  const folder = /^(.*?)\/\*\*(\/\*)?$/.exec(pattern)?.[1];
  if (folder === undefined || /[*?[\\]/.test(folder)) return null;
  const name = posix.relative(`/${prefix}`, folder);
  return name === '' ? null : name;
}

/** Of these folders those that are there and in none of the others: tar would take what lies in two of them twice. */
async function outermost(root: string, folders: readonly string[]): Promise<string[]> {
  const plain: string[] = [];
  for (const folder of new Set(folders)) {
    if (folders.some((other) => folder.startsWith(`${other}/`))) continue;
    if (await isPlainPath(root, folder)) plain.push(folder);
  }
  return plain;
}

async function* namesIn(files: AsyncIterable<FoundFile>, prefix: string): AsyncGenerator<string> {
  for await (const { name } of files) yield name.slice(prefix.length + 1);
}

/** Names in the tar are absolute without the leading slash, so that they land where they were. */
function packFileByFile(run: BuildRun, patterns: readonly string[]): PackedCache {
  const pack = tar.pack();
  const bytes = new PassThrough();
  let files = 0;
  const write = async (): Promise<void> => {
    for await (const { name, file } of found(run, patterns)) {
      const header = { name, mode: file.mode, mtime: file.mtime, type: file.type, linkname: file.linkTarget };
      if (file.type === 'file') {
        const entry = pack.entry({ ...header, size: file.sizeBytes }) as unknown as NodeJS.WritableStream;
        await pipeline(await file.open(), entry);
      } else pack.entry({ ...header, size: 0 });
      if (file.type !== 'directory') files += 1;
    }
    pack.finalize();
  };
  write().catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(messageOf(error))));
  // its error reaches the reader of `bytes`
  pipeline(Readable.from(pack), createGzip({ level: constants.Z_BEST_SPEED }), bytes, { signal: run.signal }).catch(
    () => undefined,
  );
  return { packed: { codec: 'gzip', workspaceOnly: false, bytes }, files: () => files };
}

function found(run: BuildRun, patterns: readonly string[]): AsyncGenerator<FoundFile> {
  return findFiles({
    sandbox: run.sandbox!,
    base: '/',
    patterns,
    excludes: [],
    types: ['file', 'directory', 'symlink'],
    signal: run.signal,
  });
}

/** `/root/.npm` means all of it; a pattern means what it matches. */
function wholeFolder(path: string): string {
  return /[*?[]/.test(path) ? path : `${path}/**/*`;
}
