// A part of a workspace as a packed tar and back, by the programs tar and zstd (or gzip). Called by phases/cache.ts, while no process
// of the build runs: what lies there does not change meanwhile, but was written by strangers' code.
import { lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PackedTar, TarCodec } from '../ports.js';
import { PACKERS, UNPACKERS } from './programs.js';
import { bothDone, startTwo } from './two-programs.js';

/** 64 KiB at a time instead of 10. */
const BLOCKING = '--blocking-factor=128';
const NEWLINE = 0x0a;
const SLASH = 0x2f;

export interface WorkspacePart {
  /** Folder on this machine. */
  root: string;
  /** Where it is inside the sandbox: what its names begin with in the tar, absolute without the leading slash. */
  prefix: string;
  codec: TarCodec;
  signal: AbortSignal;
}

/**
 * In: `names` relative to `root`, no folder on their way a link (see isPlainPath); `recursive` = folders with all that is in them.
 * Out: the packed bytes, which fail when a program fails; `files` counts what is no folder, once all is read.
 * Links are stored as links, never followed. Errors come out of the stream.
 */
export function packWorkspace(
  part: WorkspacePart,
  names: AsyncIterable<string> | Iterable<string>,
  recursive: boolean,
): { bytes: Readable; files: () => number } {
  // names come by a list whose lines end in NUL, and are not looked at for options or patterns
  const list = ['--null', '--verbatim-files-from', '--files-from=-'];
  const how = [recursive ? '--recursion' : '--no-recursion', '--numeric-owner', '--verbose', BLOCKING];
  const place = [`--directory=${part.root}`, `--transform=${prefixing(part.prefix)}`];
  const two = startTwo(['tar', '--create', '--file=-', ...how, ...place, ...list], PACKERS[part.codec], part.signal);
  let files = 0;
  let before = 0;
  two.said.on('data', (bytes: Buffer) => {
    // one name a line, escaped; a folder's ends in a slash
    for (const byte of bytes) {
      if (byte === NEWLINE && before !== SLASH) files += 1;
      before = byte;
    }
  });
  const listed = pipeline(Readable.from(terminated(names)), two.stdin, { signal: part.signal });
  listed.catch(() => two.kill()); // told below
  const bytes = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const piece of two.stdout) yield piece as Buffer;
      await bothDone(two.done, listed);
    } finally {
      two.kill();
    }
  };
  const stream = Readable.from(bytes(), { objectMode: false });
  stream.once('close', () => two.kill()); // also when nobody ever read
  return { bytes: stream, files: () => files };
}

/** Many names in one piece. */
async function* terminated(names: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Buffer> {
  let gathered: string[] = [];
  for await (const name of names) {
    if (gathered.push(`${name}\0`) < 1_000) continue;
    yield Buffer.from(gathered.join(''));
    gathered = [];
  }
  yield Buffer.from(gathered.join(''));
}

/** For names and the targets of hard links; those of symbolic links stay as they are written. */
function prefixing(prefix: string): string {
  return `s,^,${prefix.replace(/[\\,&]/g, '\\$&')}/,S`;
}

/**
 * Unpacks what packWorkspace made. Everything of it comes to lie in `root`, whatever is in the tar and whatever lies there already: tar
 * writes into a new, empty folder, where no link is but its own (those that lead away it makes last), and from there the pieces are moved
 * to their places one by one, no link on the way followed. What has another kind than the piece is replaced.
 * `moved`: what the tar has in the folder `from` comes to lie in `to`, and the rest of it is left out.
 * Errors: Error with the program's words, and nothing has changed then; the signal's reason.
 */
export async function unpackWorkspace(
  part: Omit<WorkspacePart, 'codec'>,
  packed: PackedTar,
  moved: { from: string; to: string } | null = null,
): Promise<void> {
  const { root, prefix, signal } = part;
  // heard from now on: until the pipe below stands nobody else would hear it
  const source: { error: Error | null } = { error: null };
  packed.bytes.once('error', (error) => (source.error = error));
  const staging = await mkdtemp(join(root, '.kilnyard-restore-'));
  try {
    const depth = prefix.split('/').length;
    const owner = process.getuid?.() === 0 ? ['--same-owner', '--same-permissions'] : ['--no-same-owner'];
    const how = [...owner, '--numeric-owner', `--strip-components=${depth}`, BLOCKING, `--directory=${staging}`];
    const two = startTwo(UNPACKERS[packed.codec], ['tar', '--extract', '--file=-', ...how], signal);
    two.stdout.resume();
    const fed = pipeline(packed.bytes, two.stdin, { signal });
    await bothDone(two.done, fed);
    if (moved === null) await moveInto(staging, root, signal);
    else await moveFolder(staging, moved, root, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw source.error ?? error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Its way into the other place is made in a new folder of ours, where no link of the tar's is. */
async function moveFolder(
  staging: string,
  { from, to }: { from: string; to: string },
  root: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isPlainPath(staging, from))) return;
  const fitting = await mkdtemp(join(root, '.kilnyard-restore-'));
  try {
    await mkdir(dirname(join(fitting, to)), { recursive: true });
    await rename(join(staging, from), join(fitting, to));
    await moveInto(fitting, root, signal);
  } finally {
    await rm(fitting, { recursive: true, force: true });
  }
}

/** Moves what is in `from` into the folder `into`, both real ones: a whole tree at once where nothing is in its way. */
async function moveInto(from: string, into: string, signal: AbortSignal): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    signal.throwIfAborted();
    const source = join(from, entry.name);
    const target = join(into, entry.name);
    const there = await lstat(target).catch(absent);
    if (there?.isDirectory() === true && entry.isDirectory()) {
      await moveInto(source, target, signal);
      continue;
    }
    if (there !== null) await rm(target, { recursive: true, force: true });
    await rename(source, target);
  }
}

/** Is every part of a relative path a real folder below `root`? Only such a path may be given to tar. */
export async function isPlainPath(root: string, path: string): Promise<boolean> {
  let folder = root;
  for (const part of path.split('/')) {
    if (part === '..') return false;
    folder = join(folder, part);
    if ((await lstat(folder).catch(absent))?.isDirectory() !== true) return false;
  }
  return true;
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}
