// Walks a folder of a sandbox's workspace on the worker's disk. The folder was filled by strangers' code: no symlink is ever
// followed, no special file opened.
import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { SandboxFile, WalkChoice } from '../backend.js';

/** Folders deeper than this are not entered. */
const MAX_DEPTH = 200;
const ALL: WalkChoice = { enters: () => true, wants: () => true };

/**
 * Everything below `root/dir`, folders before what is in them, names in byte order.
 * In: `dir` relative to root, `/`-separated. Out: paths relative to `root/dir`. Nothing when a part of it is missing, a file
 * or a symlink. Of what `choice` says no to, folders are told without what is in them, and files are not even looked at. Errors: the file system's own.
 */
export async function* walkWorkspace(root: string, dir: string, choice: WalkChoice = ALL): AsyncGenerator<SandboxFile> {
  let path = await realpath(root).catch(absent);
  if (path === null) return;
  for (const part of dir.split('/').filter((name) => name !== '' && name !== '.')) {
    if (part === '..') return;
    path = join(path, part);
    if (!(await isFolder(path))) return;
  }
  if (!(await isFolder(path))) return;
  yield* walk(path, '', 0, choice);
}

/** As Sandbox.entry: `path` relative to root. */
export async function entryOfWorkspace(root: string, path: string): Promise<SandboxFile | null> {
  const parts = path.split('/').filter((name) => name !== '' && name !== '.');
  const name = parts.pop();
  if (name === undefined || name === '..') return null;
  let folder = await realpath(root);
  for (const part of parts) {
    if (part === '..') return null;
    folder = join(folder, part);
    if (!(await isFolder(folder))) return null;
  }
  const stats = await lstat(join(folder, name)).catch(absent);
  return stats === null ? null : describe(join(folder, name), name, stats);
}

async function* walk(folder: string, prefix: string, depth: number, choice: WalkChoice): AsyncGenerator<SandboxFile> {
  if (depth > MAX_DEPTH) return;
  const entries = (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const { name } = entry;
    if (entry.isFile() && !choice.wants(prefix + name)) continue;
    const path = join(folder, name);
    const stats = await lstat(path).catch(absent);
    if (stats === null) continue;
    const file = await describe(path, prefix + name, stats);
    if (file === null) continue;
    yield file;
    if (file.type === 'directory' && choice.enters(file.path))
      yield* walk(path, `${prefix}${name}/`, depth + 1, choice);
  }
}

async function describe(path: string, name: string, stats: Stats): Promise<SandboxFile | null> {
  const type = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : null;
  if (type === null) return null;
  return {
    path: name.split(sep).join('/'),
    type,
    mode: stats.mode & 0o7777,
    sizeBytes: type === 'file' ? stats.size : 0,
    mtime: stats.mtime,
    ...(type === 'symlink' ? { linkTarget: await readlink(path) } : {}),
    open: () => openRegular(path),
  };
}

/** In: a path without a link in it when it was looked at. Errors: Error when it, or a folder on its way, is another by now. */
async function openRegular(path: string): Promise<NodeJS.ReadableStream> {
  // O_NONBLOCK: a FIFO put in the file's place in the meantime must not hang the worker
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`not a regular file any more: ${path}`);
    // O_NOFOLLOW speaks of the last name alone; the kernel tells where the open file truly lies
    if (process.platform === 'linux' && (await readlink(`/proc/self/fd/${file.fd}`)) !== path)
      throw new Error(`moved while it was read: ${path}`);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file.createReadStream();
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(absent))?.isDirectory() ?? false;
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}
