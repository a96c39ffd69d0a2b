// Everything that a run stands on, brought up in order and taken down again.
import { cp, lstat, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { thisMachine, type Machine } from '../../../apps/standalone/src/machine.js';
import type { OwnEngine } from '#testing/own-engine.js';
import { mountSmallDisk, type SmallDisk } from '#testing/small-disk.js';
import { WORKERS } from '../plan.js';
import { openStageEngine } from './engine.js';
import { Kilnyard, type Complain } from './kilnyard.js';
import { OwnPostgres } from './postgres.js';
import { OwnRedis } from './redis.js';

/** Room for what the builds of a long run leave behind, and little enough to be filled in a moment. */
const DISK_BYTES = 256 * 1024 ** 2;

export type MakeImages = (
  docker: Docker,
  machine: Machine,
  say: (line: string) => void,
) => Promise<{ KILNYARD_TEST_IMAGE_SH: string }>;

export interface Stage {
  folder: string;
  postgres: OwnPostgres;
  redis: OwnRedis;
  kilnyard: Kilnyard;
  docker: Docker;
  /** Null where the engine is the machine's, which is not ours to kill. */
  engine: OwnEngine | null;
  /** Of the workers' data folder; null where none may be mounted. */
  disk: SmallDisk | null;
  image: string;
  /** Takes Kilnyard down kindly; the rest stays, to be looked at. */
  closeKilnyard(): Promise<void>;
  /** Takes the rest down. `keep`: its folder stays, for who must find out what happened. */
  close(keep: boolean): Promise<void>;
}

export async function openStage(request: {
  home: string;
  makeImages: MakeImages;
  say: (line: string) => void;
  complain: Complain;
}): Promise<Stage> {
  const { say, complain } = request;
  const folder = await mkdtemp(join(tmpdir(), 'kilnyard-faults-'));
  const logs = join(folder, 'logs');
  await mkdir(logs);
  const disk = mountSmallDisk(DISK_BYTES);
  const dataDir = join(disk?.path ?? folder, 'data');
  await mkdir(dataDir);
  const ends: (() => Promise<unknown>)[] = [];
  const close = async (keep: boolean): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
    if (keep && disk !== null) await cp(dataDir, join(folder, 'data'), { recursive: true, filter: isFileOrFolder });
    disk?.unmount();
    if (!keep) await rm(folder, { recursive: true, force: true });
  };
  try {
    const redis = await OwnRedis.start(folder, say);
    ends.push(() => redis.close());
    const postgres = await OwnPostgres.start(folder, () => undefined);
    ends.push(() => postgres.close());
    const { docker, socket, own: engine, close: endEngine } = await openStageEngine(logs, say);
    ends.push(endEngine);
    const { KILNYARD_TEST_IMAGE_SH: image } = await request.makeImages(docker, thisMachine(), say);
    if (disk === null) say('no disk may be mounted here: none is filled');
    const addresses = { databaseUrl: postgres.url, redisUrl: redis.url, dockerSocket: socket, image };
    const kilnyard = await Kilnyard.start({ home: request.home, folder, dataDir, ...addresses }, WORKERS, complain);
    ends.push(() => kilnyard.abandon());
    const closeKilnyard = (): Promise<void> => kilnyard.close();
    return { folder, postgres, redis, kilnyard, docker, engine, disk, image, closeKilnyard, close };
  } catch (error) {
    await close(true);
    throw new Error(`the servers of the fault suite could not be started (see ${logs})`, { cause: error });
  }
}

/** FIFOs cannot be copied. */
async function isFileOrFolder(path: string): Promise<boolean> {
  const found = await lstat(path);
  return found.isFile() || found.isDirectory();
}
