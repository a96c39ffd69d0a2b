// Room: source. Writes an archive's entries into one folder and nowhere else, whatever their names, links and sizes say.
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, symlink, unlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { PhaseFailure } from '#core/errors.js';
import { tooLarge } from './disk-limit.js';
import { walkInside } from './source-file.js';

export const MAX_ARCHIVE_ENTRIES = 1_000_000;
const MAX_NAME_LENGTH = 4_096;

/**
 * Modes: collecting (file, folder, symlink, hardLink), then finished. Symlinks are made at the end, so that no entry can be written through one.
 * Errors of every verb: PhaseFailure CLIENT_ERROR naming the entry, PhaseFailure SOURCE_TOO_LARGE; the file system's own.
 */
export class TreeWriter {
  private readonly folders = new Set<string>(['']);
  private readonly symlinks = new Map<string, string>();
  /** So far. */
  entries = 0;
  /** Written so far, of file contents. */
  bytes = 0;

  constructor(
    private readonly root: string,
    private readonly maxBytes: number,
    private readonly maxEntries = MAX_ARCHIVE_ENTRIES,
  ) {}

  async folder(rawName: string): Promise<void> {
    await this.makeFolders(this.entry(rawName, true), rawName);
  }

  /** Mode bits other than "executable" are dropped: no setuid, no odd owners. */
  async file(rawName: string, executable: boolean, data: AsyncIterable<unknown>): Promise<void> {
    const name = this.entry(rawName, false);
    await this.makePlace(name, rawName);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await open(join(this.root, name), flags, executable ? 0o755 : 0o644).catch(naming(rawName));
    try {
      for await (const chunk of data as AsyncIterable<Buffer>) {
        this.bytes += chunk.length;
        if (this.bytes > this.maxBytes) throw tooLarge('the unpacked archive', this.bytes, this.maxBytes);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
  }

  async symlink(rawName: string, target: string): Promise<void> {
    const name = this.entry(rawName, false);
    const resolved = posix.normalize(posix.join(posix.dirname(name), target));
    if (target === '' || target.includes('\0') || posix.isAbsolute(target) || isOutside(resolved)) {
      throw refuse(rawName, `it is a symlink to ${printable(target)}, outside the archive`);
    }
    await this.makePlace(name, rawName);
    this.symlinks.set(name, target);
  }

  /** The target must be a file that came before. */
  async hardLink(rawName: string, rawTarget: string): Promise<void> {
    const name = this.entry(rawName, false);
    const target = safeName(rawTarget);
    const info =
      target === null || !this.folders.has(parentOf(target))
        ? null
        : await lstat(join(this.root, target)).catch(() => null);
    if (target === null || !info?.isFile()) {
      throw refuse(rawName, `it is a hard link to ${printable(rawTarget)}, which is no earlier file of the archive`);
    }
    if (target === name) return;
    await this.makePlace(name, rawName);
    await link(join(this.root, target), join(this.root, name)).catch(naming(rawName));
  }

  /** Makes the symlinks, then checks where each really leads: a chain of harmless ones can still climb out. */
  async finish(): Promise<void> {
    for (const [name, target] of this.symlinks) {
      if (await lstat(join(this.root, name)).catch(() => null))
        throw refuse(name, 'it is a symlink and another entry lies at or under its name');
      await symlink(target, join(this.root, name)).catch(naming(name));
    }
    for (const name of this.symlinks.keys()) {
      if ((await walkInside(this.root, name)).kind === 'outside')
        throw refuse(name, 'its symlink leads out of the archive');
    }
  }

  private entry(rawName: string, isFolder: boolean): string {
    this.entries += 1;
    if (this.entries > this.maxEntries) {
      throw new PhaseFailure(
        'CLIENT_ERROR',
        `the archive has more than ${this.maxEntries} entries (MAX_ARCHIVE_ENTRIES)`,
      );
    }
    const name = safeName(rawName);
    if (name === null || (name === '' && !isFolder)) throw refuse(rawName, 'expected a relative name without .. parts');
    return name;
  }

  /** The last entry of a name wins, as tar does it; folders are never replaced. */
  private async makePlace(name: string, rawName: string): Promise<void> {
    await this.makeFolders(parentOf(name), rawName);
    this.symlinks.delete(name);
    const there = await lstat(join(this.root, name)).catch(() => null);
    if (there?.isDirectory()) throw refuse(rawName, 'a folder of that name came before');
    if (there) await unlink(join(this.root, name));
  }

  private async makeFolders(name: string, rawName: string): Promise<void> {
    if (this.folders.has(name)) return;
    await this.makeFolders(parentOf(name), rawName);
    if (this.symlinks.has(name)) throw refuse(rawName, 'it would be written through a symlink');
    await mkdir(join(this.root, name), 0o755).catch(async (thrown: NodeJS.ErrnoException) => {
      const there = thrown.code === 'EEXIST' ? await lstat(join(this.root, name)) : null;
      if (there && !there.isDirectory()) throw refuse(rawName, 'a file of the name of its folder came before');
      if (!there) naming(rawName)(thrown);
    });
    this.folders.add(name);
  }
}

/** The name without `./` and slashes at the end; '' for the root itself; null when it is absolute, climbs, or no name at all. */
function safeName(rawName: string): string | null {
  if (
    rawName.length > MAX_NAME_LENGTH ||
    /[\u0000\\]/.test(rawName) ||
    rawName.startsWith('/') ||
    /^[A-Za-z]:[\\/]/.test(rawName)
  )
    return null;
  const parts = rawName.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? null : parts.join('/');
}

function parentOf(name: string): string {
  return name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '';
}

function isOutside(normalised: string): boolean {
  return normalised === '..' || normalised.startsWith('../');
}

export function printable(text: string): string {
  return JSON.stringify(text).slice(0, 200);
}

export function refuse(name: string, why: string): PhaseFailure {
  return new PhaseFailure('CLIENT_ERROR', `archive entry ${printable(name)} is not allowed: ${why}`);
}

/** File-system errors that the name itself brings about become the archive's fault; others stay ours. */
function naming(rawName: string): (thrown: NodeJS.ErrnoException) => never {
  return (thrown) => {
    if (['ENAMETOOLONG', 'EEXIST', 'ENOTDIR', 'EINVAL', 'EILSEQ', 'ELOOP', 'EMLINK'].includes(thrown.code ?? '')) {
      throw refuse(rawName, `the file system refuses it (${thrown.code})`);
    }
    throw thrown;
  };
}
