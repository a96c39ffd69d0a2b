// Proves that a run has left nothing behind: in the database, in the queue, on the engine and on the disk.
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { LABEL } from '#engine/backend/docker/host-config.js';
import { WorkerMark } from '#engine/backend/docker/worker-mark.js';
import { instanceId } from '../../apps/worker/src/instance.js';
import { listed, type Findings } from './findings.js';
import { sandboxesIn } from './sandboxes.js';
import { WAITING_MAX } from './stage/kilnyard.js';
import type { Stage } from './stage/stage.js';

/** What is swept on a timer may take so long to be gone: a helper of the engine's that was never started is left for a minute. */
const SWEPT_WITHIN_MS = 90_000;
/** An item that a killed worker had taken: its lock runs out, and the next look of another finds it, after 30 s each at the longest. */
const STALLED_WITHIN_MS = 70_000;
const LOOK_EVERY_MS = 500;
/** Networks that every engine has. */
const BUILT_IN = ['bridge', 'host', 'none'];
/** Of a container that no build has taken: the mark tells whose. */
const WAITING_FOLDER = /^waiting-([0-9a-f]{12})-\d+$/;

/** While Kilnyard still runs. */
export async function verifyRunningService(stage: Stage, builds: number, findings: Findings): Promise<void> {
  await findings.check('the database has each build once', async () => {
    const [row] = await stage.postgres.query<{ count: string }>('SELECT count(*) FROM build');
    return Number(row?.count) === builds ? null : `expected ${builds} builds, got ${row?.count}`;
  });
  await findings.check('every build has a final status and its phases an end', async () => {
    const open = await stage.postgres.query<{ what: string }>(
      `SELECT project_name || ' is ' || status || ' in ' || current_phase AS what FROM build WHERE status = 'IN_PROGRESS'
       UNION ALL SELECT project_name || ' has no end of ' || phase_type FROM build_phase p JOIN build b ON b.id = p.build_id
         WHERE p.ended_at IS NULL AND p.phase_type <> 'COMPLETED'`,
    );
    return listed(open.map(({ what }) => what));
  });
  await findings.check('no lease is held', async () => {
    const held = await stage.postgres.query<{ name: string }>(
      `SELECT project_name || ' by ' || coalesce(worker_id, 'nobody') AS name FROM build WHERE lease_until IS NOT NULL`,
    );
    return listed(held.map(({ name }) => name));
  });
  await findings.check('no container is left but those that wait for builds', () =>
    settled(() => leftContainers(stage)),
  );
  await findings.check('the queue is empty', () => settled(() => queued(stage), STALLED_WITHIN_MS));
}

/** When its workers have ended. */
export async function verifyEndedService(stage: Stage, findings: Findings): Promise<void> {
  const { dataDir } = stage.kilnyard;
  await findings.check('no container is left, nor one that waits', async () =>
    listed((await containers(stage)).map(nameOf)),
  );
  await findings.check('no network is left but the builds’ own', async () => {
    const networks = await stage.docker.listNetworks();
    const known = [...BUILT_IN, 'kilnyard-faults'];
    return stage.engine === null
      ? null
      : listed(networks.map(({ Name }) => Name).filter((name) => !known.includes(name)));
  });
  await findings.check('no volume is left', async () => {
    const { Volumes } = await stage.docker.listVolumes();
    return stage.engine === null ? null : listed((Volumes ?? []).map(({ Name }) => Name));
  });
  for (const [what, folder] of [
    ['sandbox', 'sandboxes'],
    ['temporary file', 'temp'],
    ['half-written object', 'blobs/tmp'],
    ['worker’s socket', 'workers'],
  ] as const) {
    await findings.check(`no ${what} is left`, async () => listed(await namesIn(join(dataDir, folder))));
  }
  await findings.check('every stored object belongs to a build', async () => {
    const known = await stage.postgres.query<{ location: string }>('SELECT location FROM build_artifact');
    const locations = known.map(({ location }) => location);
    const objects = await filesIn(join(dataDir, 'blobs/objects'));
    return listed(objects.filter((file) => !locations.some((location) => file.startsWith(location))));
  });
  await findings.check('no worker that ended kindly is on the list', async () => {
    // killed ones stay until they are forgotten; those that left must not
    const seen = await stage.postgres.query<{ id: string }>(
      `SELECT id FROM worker WHERE seen_at > now() - interval '3 seconds'`,
    );
    return listed(seen.map(({ id }) => id));
  });
}

/** What is still there when it was given time to go. */
async function settled(left: () => Promise<string[]>, withinMs = SWEPT_WITHIN_MS): Promise<string | null> {
  for (const giveUpAt = Date.now() + withinMs; ; await sleep(LOOK_EVERY_MS)) {
    const names = await left();
    if (names.length === 0 || Date.now() > giveUpAt) return listed(names);
  }
}

async function queued(stage: Stage): Promise<string[]> {
  return stage.redis.ask(async (redis) => {
    const counts = await Promise.all([
      ...['wait', 'active', 'paused'].map(async (list) => [list, await redis.llen(`faults:builds:${list}`)] as const),
      ...['delayed', 'prioritized'].map(async (set) => [set, await redis.zcard(`faults:builds:${set}`)] as const),
    ]);
    return counts.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  });
}

/** All, whatever their state: of the run's own engine, or of this Kilnyard where the engine is the machine's. */
async function containers(stage: Stage): Promise<Docker.ContainerInfo[]> {
  if (stage.engine !== null) return stage.docker.listContainers({ all: true });
  const label = [`${LABEL.instance}=${await instanceId(stage.kilnyard.dataDir)}`];
  return stage.docker.listContainers({ all: true, filters: { label } });
}

/**
 * One that waits runs, lies in a folder that still has the name it was made with, and belongs to a worker that lives and keeps no
 * more than it may. All others are left over.
 */
async function leftContainers(stage: Stage): Promise<string[]> {
  const sandboxes = sandboxesIn(stage.kilnyard.dataDir);
  const waiting = new Map<string, number>();
  const left: string[] = [];
  for (const container of await containers(stage)) {
    const folder = container.Labels[LABEL.waiting] ?? '';
    const [, mark] = WAITING_FOLDER.exec(folder) ?? [];
    const waits =
      mark !== undefined &&
      container.State === 'running' &&
      (await isFolder(join(sandboxes, folder))) &&
      (await WorkerMark.lives(sandboxes, mark));
    if (waits) waiting.set(mark, (waiting.get(mark) ?? 0) + 1);
    else left.push(nameOf(container));
  }
  const most = Math.max(...WAITING_MAX);
  return [
    ...left,
    ...[...waiting].filter(([, count]) => count > most).map(([mark, count]) => `${count} wait for ${mark}`),
  ];
}

function nameOf({ Names, Id, State }: Docker.ContainerInfo): string {
  return `${Names[0] ?? Id} is ${State}`;
}

/** No link: a folder that a build has taken has left one behind. */
async function isFolder(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

/** None where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

/** Paths below the folder of all that is no folder. */
async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if ((await stat(path)).isDirectory()) files.push(...(await filesIn(path)).map((file) => join(name, file)));
    else files.push(name);
  }
  return files;
}
