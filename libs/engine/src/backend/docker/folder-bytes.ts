// How much of the disk a folder takes.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Bytes of blocks, as `du` counts them: files that vanish meanwhile are no error. */
export async function folderBytes(dir: string): Promise<number> {
  const { stdout } = await exec('du', ['-s', '--block-size=1', '--', dir]).catch(
    (error: { stdout?: string } & Error) => {
      // du ends with 1 when a file vanished under it, and has counted the rest
      if (error.stdout) return { stdout: error.stdout };
      throw error;
    },
  );
  return Number.parseInt(stdout, 10);
}
