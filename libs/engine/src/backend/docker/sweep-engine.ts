// What a Kilnyard left on an engine and on this disk, and whose it is: containers by their labels, control folders by their names.
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Backend } from '../backend.js';
import { controlFilesIn, notedContainer, removeControlFiles } from '../spool/control-files.js';
import { LABEL } from './host-config.js';
import { MARK, WorkerMark } from './worker-mark.js';

const OWNED = /^([0-9a-f-]{36})-(\d+)$/;
/** Folder of a container that waits, or of one that is being made: the mark tells whose. */
const WAITING = /^waiting-([0-9a-f]{12})-\d+$/;

/** A helper is started right after it was made. */
const HELPER_MS = 60_000;

interface Owner {
  buildId: string;
  attempt: number;
  workerId: string;
}

export interface SweepRequest {
  dir: string;
  /** All containers of this instance, listed before the folders are read: one that is taken meanwhile is found in its folder. */
  containers: Docker.ContainerInfo[];
  keep: Parameters<Backend['sweep']>[0];
  /** Takes a container and its control folder away. */
  remove: (container: Docker.ContainerInfo, folder: string | null) => Promise<void>;
}

/** Removes what no build owns and no living worker keeps waiting. Out: how many. */
export async function sweepEngine(request: SweepRequest): Promise<number> {
  const { dir, containers, keep } = request;
  const names = await namesIn(dir);
  const folderOf = await noted(dir, names);
  const lives = livingMarks(dir);
  const seen = new Set<string>();
  let swept = 0;
  for (const container of containers) {
    const folder = folderOf.get(container.Id) ?? folderByLabel(container);
    if (folder !== null) seen.add(folder);
    if (await kept(container, folder, { names, keep, lives })) continue;
    await request.remove(container, folder);
    swept += 1;
  }
  for (const name of names) {
    if (!seen.has(name) && (await sweepFolder(dir, name, keep, lives))) swept += 1;
  }
  await sweepMarks(dir, names, lives);
  return swept;
}

async function kept(
  container: Docker.ContainerInfo,
  folder: string | null,
  { names, keep, lives }: { names: string[]; keep: SweepRequest['keep']; lives: (mark: string) => Promise<boolean> },
): Promise<boolean> {
  const owner = folder === null ? null : ownerOf(folder);
  if (owner !== null) return keep({ ...owner, workerId: container.Labels[LABEL.worker] ?? '' });
  const waiting = container.Labels[LABEL.waiting] ?? '';
  const [, mark] = WAITING.exec(waiting) ?? [];
  // made before its container and taken away after it: without a folder nobody has it, though its worker lives
  if (mark !== undefined) return names.includes(waiting) && lives(mark);
  // a helper of ours runs for a moment and is removed by who made it, unless the engine went away before
  const young = Date.now() - container.Created * 1000 < HELPER_MS;
  return container.State === 'running' || (container.State === 'created' && young);
}

/** A folder without a container: its worker died between making one and the other, or removed only the container. */
async function sweepFolder(
  dir: string,
  name: string,
  keep: SweepRequest['keep'],
  lives: (mark: string) => Promise<boolean>,
): Promise<boolean> {
  const path = join(dir, name);
  const owner = ownerOf(name);
  const [, mark] = WAITING.exec(name) ?? [];
  if (owner !== null && keep(owner)) return false;
  if (owner === null && mark === undefined) return false;
  if (mark !== undefined) {
    if (await isLink(path)) {
      // the earlier name of a folder that a build owns now
      if (!(await exists(path))) await rm(path, { force: true });
      return false;
    }
    if (await lives(mark)) return false;
  }
  await removeControlFiles(controlFilesIn(path));
  return true;
}

/** Marks of dead workers, when nothing that they name is left. */
async function sweepMarks(dir: string, names: string[], lives: (mark: string) => Promise<boolean>): Promise<void> {
  for (const name of names) {
    const [, mark] = MARK.exec(name) ?? [];
    if (mark !== undefined && !(await lives(mark))) await rm(join(dir, name), { force: true });
  }
}

function ownerOf(folder: string): Owner | null {
  const [, buildId, attempt] = OWNED.exec(folder) ?? [];
  return buildId === undefined ? null : { buildId, attempt: Number(attempt), workerId: '' };
}

/** As it was named when the container was made. */
function folderByLabel({ Labels }: Docker.ContainerInfo): string | null {
  const [build, attempt] = [Labels[LABEL.build], Labels[LABEL.attempt]];
  return build === undefined || attempt === undefined ? (Labels[LABEL.waiting] ?? null) : `${build}-${attempt}`;
}

/** Folders that a build owns, by the container that is noted in them. */
async function noted(dir: string, names: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of names.filter((one) => OWNED.test(one))) {
    const note = await notedContainer(controlFilesIn(join(dir, name))).catch(() => null); // half written by one who died
    if (note !== null) found.set(note.containerId, name);
  }
  return found;
}

function livingMarks(dir: string): (mark: string) => Promise<boolean> {
  const asked = new Map<string, Promise<boolean>>();
  return (mark) => {
    const answer = asked.get(mark) ?? WorkerMark.lives(dir, mark);
    asked.set(mark, answer);
    return answer;
  };
}

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null))?.isSymbolicLink() ?? false; // gone meanwhile
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null; // leads nowhere
}
