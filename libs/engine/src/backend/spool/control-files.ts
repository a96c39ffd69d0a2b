// The control files of one sandbox on the worker's disk: the FIFO that hands the script over, the FIFO that takes the output,
// the spool that it ends in, and the events. Each is mounted into the sandbox by itself, so that none can be replaced.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { appendFile, chmod, mkdir, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Fault, PhaseFailure } from '#core/errors.js';

const exec = promisify(execFile);

export interface ControlFiles {
  readonly dir: string;
  readonly plan: string;
  readonly stdout: string;
  readonly output: string;
  readonly events: string;
  readonly workspace: string;
  /** Never mounted: what the worker keeps for whoever adopts the sandbox. */
  readonly record: string;
  /** Never mounted: which container has these files, where its name does not tell. */
  readonly note: string;
}

/** Room of the events file that is set aside: a script can tell how it ends though the disk is full by then. */
const EVENTS_RESERVE_BYTES = 64 * 1024;

/** Paths only; nothing is made. */
export function controlFilesIn(dir: string): ControlFiles {
  return {
    dir,
    plan: join(dir, 'plan'),
    stdout: join(dir, 'stdout'),
    output: join(dir, 'output'),
    events: join(dir, 'events'),
    workspace: join(dir, 'workspace'),
    record: join(dir, 'record'),
    note: join(dir, 'container'),
  };
}

/**
 * Makes the folder (0700: other users of the host stay out) and what lies in it. The files are open to every user, because
 * root inside the sandbox may be another user outside. Errors: EEXIST when the folder is there already.
 */
export async function makeControlFiles(dir: string): Promise<ControlFiles> {
  const files = controlFilesIn(dir);
  await mkdir(dir, { mode: 0o700 });
  try {
    await fill(files);
  } catch (error) {
    await removeControlFiles(files);
    throw error;
  }
  return files;
}

async function fill(files: ControlFiles): Promise<void> {
  await Promise.all([
    exec('mkfifo', [files.plan, files.stdout]),
    makeEvents(files.events),
    writeFile(files.output, ''),
    mkdir(files.workspace),
  ]);
  await Promise.all([
    ...[files.stdout, files.output, files.events].map((file) => chmod(file, 0o666)),
    chmod(files.plan, 0o600),
    chmod(files.workspace, 0o755),
  ]);
}

async function makeEvents(path: string): Promise<void> {
  await writeFile(path, '');
  // a file system that cannot set room aside does without
  await exec('fallocate', ['-n', '-l', String(EVENTS_RESERVE_BYTES), path]).catch(() => undefined);
}

/** Adds a line to the events file. It begins with a newline: what the build wrote last may not have ended its own. */
export async function tellEvent(files: ControlFiles, line: string): Promise<void> {
  await appendFile(files.events, `\n${line}\n`);
}

/** Replaces the record as a whole: a reader sees the old one or the new one. */
export async function keepRecord(files: ControlFiles, record: Buffer): Promise<void> {
  await writeFile(`${files.record}.new`, record, { mode: 0o600 });
  await rename(`${files.record}.new`, files.record);
}

export async function readRecord(files: ControlFiles): Promise<Buffer | null> {
  try {
    return await readFile(files.record);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Which container a folder belongs to, where the folder got its name later than the container. */
export interface ContainerNote {
  containerId: string;
  /** The folder's name when the container was made: the engine knows its mounts by it. */
  madeAs: string;
}

export async function noteContainer(files: ControlFiles, note: ContainerNote): Promise<void> {
  await writeFile(`${files.note}.new`, JSON.stringify(note), { mode: 0o600 });
  await rename(`${files.note}.new`, files.note);
}

/** Null where none was noted: the container's name tells then. */
export async function notedContainer(files: ControlFiles): Promise<ContainerNote | null> {
  try {
    return JSON.parse(await readFile(files.note, 'utf8')) as ContainerNote;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Gives control files their owner's name, at once or not at all; mounts follow the files. A folder that is there already is never
 * replaced, because it is never empty. Errors: Fault INTERNAL when `dir` is there.
 */
export async function claimControlFiles(files: ControlFiles, dir: string): Promise<ControlFiles> {
  try {
    await rename(files.dir, dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    throw new Fault('INTERNAL', `there is a container of this attempt already: ${basename(dir)}`, { cause: error });
  }
  return controlFilesIn(dir);
}

/**
 * Leads the folder's earlier name to the present one. Without it the engine's archive calls (cache, artifacts outside the
 * workspace) fail, because they look the mounts up by the names that they were made with.
 */
export async function linkEarlierName(files: ControlFiles, madeAs: string): Promise<void> {
  try {
    await symlink(basename(files.dir), join(dirname(files.dir), madeAs));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

export async function removeControlFiles(files: ControlFiles): Promise<void> {
  const note = await notedContainer(files).catch(() => null); // unreadable: the sweep finds a link that leads nowhere
  // of a folder that still has the name it was made with this is the folder itself
  if (note !== null) await rm(join(dirname(files.dir), note.madeAs), { recursive: true, force: true, maxRetries: 3 });
  await rm(files.dir, { recursive: true, force: true, maxRetries: 3 });
}

/** How long a sandbox may take from its start until it reads its script. */
export const HAND_OVER_TIMEOUT_MS = 30_000;

/**
 * Writes the script into the FIFO. Never blocks a thread: the FIFO is opened without waiting and tried again until the
 * sandbox reads it.
 * Errors: PhaseFailure BUILD_CONTAINER_UNUSABLE when `gone` tells that the sandbox ended, or after HAND_OVER_TIMEOUT_MS.
 */
export async function handOver(files: ControlFiles, script: string, gone: () => string | null): Promise<void> {
  const until = Date.now() + HAND_OVER_TIMEOUT_MS;
  const ready = (): void => {
    const why = gone();
    if (why !== null)
      throw new PhaseFailure(
        'BUILD_CONTAINER_UNUSABLE',
        `The build container ended before it took its commands: ${why}`,
      );
    if (Date.now() > until) {
      throw new PhaseFailure(
        'BUILD_CONTAINER_UNUSABLE',
        `The build container did not take its commands within ${HAND_OVER_TIMEOUT_MS / 1000} s`,
      );
    }
  };
  const fifo = await retry('ENXIO', ready, () => open(files.plan, constants.O_WRONLY | constants.O_NONBLOCK));
  try {
    let rest = Buffer.from(script);
    while (rest.length > 0) {
      const { bytesWritten } = await retry('EAGAIN', ready, () => fifo.write(rest));
      rest = rest.subarray(bytesWritten);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    throw new PhaseFailure('BUILD_CONTAINER_UNUSABLE', 'The build container ended while it took its commands', {
      cause: error,
    });
  } finally {
    await fifo.close();
  }
}

async function retry<T>(code: string, check: () => void, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== code) throw error;
      check();
      await sleep(2);
    }
  }
}
