// Room: source. Reads a file out of a fetched source (buildspec.yml) without being led out of it by what strangers put there.
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PhaseFailure } from '#core/errors.js';

export type Walked =
  | { kind: 'found'; /** Free of symlinks. */ path: string; isFile: boolean }
  | { kind: 'missing' }
  /** A symlink or `..` leads out of the root, is absolute, or goes round in circles. */
  | { kind: 'outside' };

/** As Linux does it. */
const MAX_SYMLINKS = 40;

/**
 * Walks a relative path part by part, following symlinks only while they stay inside the root.
 * Holds as long as nobody changes the tree meanwhile: a source is read before its container starts.
 */
export async function walkInside(root: string, relativePath: string): Promise<Walked> {
  if (relativePath.startsWith('/') || relativePath.includes('\0')) return { kind: 'outside' };
  const todo = relativePath.split('/').reverse();
  const done: string[] = [];
  for (let symlinks = 0; ;) {
    const part = todo.pop();
    if (part === undefined) break;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (done.pop() === undefined) return { kind: 'outside' };
      continue;
    }
    const path = join(root, ...done, part);
    const info = await lstat(path).catch(missingAsNull);
    if (info === null) return { kind: 'missing' };
    if (!info.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    symlinks += 1;
    const target = await readlink(path);
    if (target.startsWith('/') || symlinks > MAX_SYMLINKS) return { kind: 'outside' };
    todo.push(...target.split('/').reverse());
  }
  const path = join(root, ...done);
  const info = await lstat(path).catch(missingAsNull);
  return info === null ? { kind: 'missing' } : { kind: 'found', path, isFile: info.isFile() };
}

/**
 * Reads a file inside a source. Out: its bytes, or null when there is none.
 * Errors: PhaseFailure CLIENT_ERROR when the path leads out of the source, is no regular file, or is over maxBytes.
 */
export async function readSourceFile(root: string, relativePath: string, maxBytes: number): Promise<Buffer | null> {
  const shown = JSON.stringify(relativePath).slice(0, 200);
  const walked = await walkInside(root, relativePath);
  if (walked.kind === 'missing') return null;
  if (walked.kind === 'outside')
    throw new PhaseFailure('CLIENT_ERROR', `${shown} leads out of the source; expected a path inside it`);
  if (!walked.isFile) throw new PhaseFailure('CLIENT_ERROR', `${shown} is not a regular file`);
  // The last look is at the open file: no symlink slipped in its place, no FIFO that would block.
  const handle = await open(walked.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new PhaseFailure('CLIENT_ERROR', `${shown} is not a regular file`);
    if (info.size > maxBytes)
      throw new PhaseFailure('CLIENT_ERROR', `${shown} has ${info.size} bytes; allowed are ${maxBytes}`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function missingAsNull(thrown: NodeJS.ErrnoException): null {
  if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(thrown.code ?? '')) return null;
  throw thrown;
}
