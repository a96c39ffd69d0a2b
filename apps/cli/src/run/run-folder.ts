// Where a run keeps its sandbox while it lasts, and what it is known by on the engine. Its mark tells other runs whether it lives, so that
// the next one can clear up behind one that was killed.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MARK, WorkerMark } from '#engine/backend/docker/worker-mark.js';
import { UsageError } from '../command.js';
import type { RunEngine } from './run-engine.js';

const NAME = /^kilnyard-run-([0-9a-f]{6})$/;
/** File that tells on which engine the run was. */
const ENGINE = 'engine';
/** A younger folder without a mark is just being made. */
const YOUNG_MS = 60_000;

export class RunFolder {
  private constructor(
    /** 6 hex digits. */
    readonly id: string,
    /** Real path. */
    readonly path: string,
    private readonly mark: WorkerMark,
  ) {}

  /** In: the engine's address; the sources, real paths. Errors: UsageError when one of them would be copied into itself. */
  static async make(tempDir: string, socket: string, sources: readonly string[]): Promise<RunFolder> {
    const root = await realpath(tempDir);
    for (const source of sources)
      if (`${root}/`.startsWith(source === '/' ? source : `${source}/`))
        throw new UsageError(
          `the source ${source} holds the folder of temporary files, ${root}: set TMPDIR to another`,
        );
    const id = randomBytes(3).toString('hex');
    const path = join(root, `kilnyard-run-${id}`);
    await mkdir(path, { mode: 0o700 });
    await writeFile(join(path, ENGINE), socket);
    return new RunFolder(id, path, await WorkerMark.make(path));
  }

  /** Call when nothing of the run is on the engine any more. */
  async remove(): Promise<void> {
    await this.mark.close();
    await rm(this.path, { recursive: true, force: true });
  }
}

/**
 * Clears up behind runs that were killed: container, network, folder. Out: how many there were. Errors: as RunEngine.clear.
 * Only folders of this user, and runs on the engine at `socket`, are looked at.
 */
export async function clearDeadRuns(
  { tempDir, socket }: { tempDir: string; socket: string },
  engineOf: (run: Pick<RunFolder, 'id' | 'path'>) => RunEngine,
): Promise<number> {
  const root = await realpath(tempDir);
  let cleared = 0;
  for (const name of await readdir(root)) {
    const [, id] = NAME.exec(name) ?? [];
    const path = join(root, name);
    if (id === undefined || !(await isDead(path, socket))) continue;
    await engineOf({ id, path }).clear({ all: true });
    await rm(path, { recursive: true, force: true });
    cleared += 1;
  }
  return cleared;
}

async function isDead(path: string, socket: string): Promise<boolean> {
  const folder = await lstat(path).catch(() => null); // it has just ended
  if (!folder?.isDirectory() || folder.uid !== process.getuid?.()) return false;
  const on = await readFile(join(path, ENGINE), 'utf8').catch(() => socket); // it had not come so far
  if (on !== socket) return false;
  const marks = (await readdir(path).catch(() => [])).flatMap((name) => MARK.exec(name)?.[1] ?? []);
  if (marks.length === 0) return Date.now() - folder.mtimeMs > YOUNG_MS;
  for (const mark of marks) if (await WorkerMark.lives(path, mark)) return false;
  return true;
}
