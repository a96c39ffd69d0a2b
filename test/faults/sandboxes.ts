// What lies in the workers' data folder of each build: its container, and whether that had waited for it.
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlFilesIn, notedContainer } from '#engine/backend/spool/control-files.js';
import { containerName } from '#engine/backend/docker/host-config.js';

const EVERY_MS = 100;
const OF_A_BUILD = /^([0-9a-f-]{36})-(\d+)$/;

export interface BuildContainer {
  attempt: number;
  /** Id or name. */
  container: string;
  /** It was there before its build. */
  waited: boolean;
}

/** The container of a build's latest attempt; null where it has none now. In: the store's id of the build. */
export async function containerOf(dataDir: string, buildId: string): Promise<BuildContainer | null> {
  const found = (await controlFolders(dataDir)).filter((folder) => folder.buildId === buildId);
  const latest = found.sort((a, b) => b.attempt - a.attempt)[0];
  return latest === undefined ? null : lookInto(dataDir, latest);
}

/** Counts, while it runs, how builds came to their containers. */
export class ContainerCount {
  private readonly seen = new Map<string, boolean>();

  constructor(private readonly dataDir: string) {}

  get waited(): number {
    return [...this.seen.values()].filter((waited) => waited).length;
  }

  get made(): number {
    return this.seen.size - this.waited;
  }

  async run(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await sleep(EVERY_MS)) {
      for (const folder of await controlFolders(this.dataDir)) {
        const name = `${folder.buildId}-${folder.attempt}`;
        if (this.seen.has(name)) continue;
        const found = await lookInto(this.dataDir, folder);
        if (found !== null) this.seen.set(name, found.waited);
      }
    }
  }
}

/** None before the first worker has made their folder. */
async function controlFolders(dataDir: string): Promise<{ buildId: string; attempt: number }[]> {
  const names = await readdir(sandboxesIn(dataDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.flatMap((name) => {
    const [, buildId, attempt] = OF_A_BUILD.exec(name) ?? [];
    return buildId === undefined ? [] : [{ buildId, attempt: Number(attempt) }];
  });
}

/** Null when the folder is gone by now. */
async function lookInto(
  dataDir: string,
  { buildId, attempt }: { buildId: string; attempt: number },
): Promise<BuildContainer | null> {
  const files = controlFilesIn(join(sandboxesIn(dataDir), `${buildId}-${attempt}`));
  const note = await notedContainer(files);
  const there = await access(files.output).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  return { attempt, container: note?.containerId ?? containerName(buildId, attempt), waited: note !== null };
}

export function sandboxesIn(dataDir: string): string {
  return join(dataDir, 'sandboxes');
}
