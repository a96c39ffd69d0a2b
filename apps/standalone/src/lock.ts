// One `npm start` per data folder: a lock file with the pid and start time of its holder.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from './data-folder.js';
import { isAlive, startTimeOf } from './process-table.js';
import { SetupError } from './say.js';

/**
 * Takes the folder for this process. Out: gives it back.
 * Errors: SetupError naming the holder while that lives; a lock whose holder is gone is taken over.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, 'lock');
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(`${process.pid} ${startTimeOf(process.pid) ?? ''}\n`);
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', startTime = ''] = ((await readIfThere(file)) ?? '').trim().split(' ');
    if (pid !== '' && isAlive({ pid: Number(pid), startTime })) {
      throw new SetupError(
        `Kilnyard runs already from this folder (pid ${pid}).\n` +
          `Stop that one first, or start a second one with another KILNYARD_DATA_DIR and KILNYARD_PORT.`,
      );
    }
    await rm(file, { force: true });
  }
  throw new SetupError(`the lock file ${file} changes hands faster than it can be taken; start again`);
}
