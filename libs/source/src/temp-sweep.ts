// Room: source. Removes what fetches of dead processes left in the folder for short-lived files: keys, downloads.
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { diskBytes } from './disk-limit.js';

/**
 * Removes what nothing was written to for `olderThanMs`: give it more than the longest fetch takes. A folder is as old as the newest of
 * itself and of what lies directly in it, since a download grows without touching its folder.
 */
export async function sweepTemp(tempDir: string, olderThanMs: number): Promise<{ items: number; bytes: number }> {
  const swept = { items: 0, bytes: 0 };
  for (const name of await namesIn(tempDir)) {
    const path = join(tempDir, name);
    if (Date.now() - (await newestIn(path)) < olderThanMs) continue;
    swept.bytes += await diskBytes([path]);
    await rm(path, { recursive: true, force: true });
    swept.items += 1;
  }
  return swept;
}

async function newestIn(path: string): Promise<number> {
  const paths = [path, ...(await namesIn(path)).map((name) => join(path, name))];
  const times = await Promise.all(
    paths.map((each) =>
      lstat(each).then(
        (info) => info.mtimeMs,
        () => Date.now(), // gone meanwhile: somebody is at work
      ),
    ),
  );
  return Math.max(...times);
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}
