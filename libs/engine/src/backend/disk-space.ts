// How much room the disks have that builds run on.
import { stat, statfs } from 'node:fs/promises';

export interface DiskSpace {
  /** For a person: `the worker's data folder`. Never a path: builds' users read it. */
  name: string;
  freeBytes: number;
  totalBytes: number;
}

/** Less free than this is full: what fails then, fails for want of room. */
export const FULL_BYTES = 8 * 1024 * 1024;

/**
 * The disks that folders lie on, each disk once under the first name.
 * In: folders by name; one that is not there (the engine may be on another host) is passed over.
 */
export async function diskSpaces(folders: Readonly<Record<string, string>>): Promise<DiskSpace[]> {
  const devices = new Set<number>();
  const spaces: DiskSpace[] = [];
  for (const [name, folder] of Object.entries(folders)) {
    try {
      const { dev } = await stat(folder);
      if (devices.has(dev)) continue;
      devices.add(dev);
      const { bavail, blocks, bsize } = await statfs(folder);
      spaces.push({ name, freeBytes: bavail * bsize, totalBytes: blocks * bsize });
    } catch (error) {
      if (!['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return spaces;
}

/** `the worker's data folder: 12 of 64 MiB free`. */
export function sayDisk({ name, freeBytes, totalBytes }: DiskSpace): string {
  return `${name}: ${Math.floor(freeBytes / 1024 ** 2)} of ${Math.floor(totalBytes / 1024 ** 2)} MiB free`;
}
