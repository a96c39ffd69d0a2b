// A small disk of a test's own: a tmpfs, which only root may mount. It is gone with its unmount.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { appendFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isNoSpace } from '#core/errors.js';

export interface SmallDisk {
  path: string;
  /** Fills it but for `leaveBytes`, until `empty`. */
  fill(leaveBytes: number): Promise<void>;
  /** Takes all that is free, beside what was filled before. */
  topUp(): Promise<void>;
  empty(): Promise<void>;
  unmount(): void;
}

/** Out: null where this process may not mount; a suite that needs one is skipped then, which `npm test` says. */
export function mountSmallDisk(sizeBytes: number): SmallDisk | null {
  const path = mkdtempSync(join(tmpdir(), 'kilnyard-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=755`, 'kilnyard-test', path], {
      stdio: 'pipe',
    });
  } catch (error) {
    rmSync(path, { recursive: true });
    console.warn(
      `SKIPPED: tests of a full disk need the right to mount: ${String((error as { stderr?: Buffer }).stderr)}`,
    );
    return null;
  }
  chmodSync(path, 0o755);
  const filler = join(path, 'filler');
  return {
    path,
    fill: async (leaveBytes) => {
      await rm(filler, { force: true });
      const free =
        Number(execFileSync('stat', ['-f', '-c', '%a', path])) * Number(execFileSync('stat', ['-f', '-c', '%S', path]));
      await writeFile(filler, Buffer.alloc(Math.max(0, free - leaveBytes)));
    },
    topUp: async () => {
      const { bavail, bsize } = await statfs(path);
      // others take some of it at the same time
      await appendFile(filler, Buffer.alloc(bavail * bsize)).catch((error: unknown) => {
        if (!isNoSpace(error)) throw error;
      });
    },
    empty: () => rm(filler, { force: true }),
    unmount: () => {
      execFileSync('umount', ['-l', path]);
      rmSync(path, { recursive: true });
    },
  };
}
