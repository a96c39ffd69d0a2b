// Tells whether the process that made something still lives: each holds a FIFO open for reading, and the kernel closes it when
// the process is gone, however it went. No heartbeat to miss, and a stopped process still counts as alive.
import { constants } from 'node:fs';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Names of marks in a folder: `alive-<id>`. */
export const MARK = /^alive-([0-9a-f]{12})$/;

export class WorkerMark {
  private constructor(
    /** 12 hex digits. */
    readonly id: string,
    private readonly path: string,
    private readonly held: FileHandle,
  ) {}

  static async make(dir: string): Promise<WorkerMark> {
    await mkdir(dir, { recursive: true, mode: 0o711 });
    const id = randomBytes(6).toString('hex');
    const path = join(dir, `alive-${id}`);
    await exec('mkfifo', ['-m', '600', path]);
    return new WorkerMark(id, path, await open(path, constants.O_RDONLY | constants.O_NONBLOCK));
  }

  /** Whether the process that made the mark `id` in `dir` lives. */
  static async lives(dir: string, id: string): Promise<boolean> {
    try {
      await (await open(join(dir, `alive-${id}`), constants.O_WRONLY | constants.O_NONBLOCK)).close();
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENXIO' || code === 'ENOENT') return false;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.held.close();
    await rm(this.path, { force: true });
  }
}
