// Containers that a house left on the Docker Engine.
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';

/** Ids of all containers, running or not, of builds of the house of this data folder: those that wait for one are left out. */
export async function containersLeft(dataDir: string): Promise<string[]> {
  const containers = await listed(dataDir);
  const waits = await Promise.all(containers.map(({ Labels }) => isWaiting(dataDir, Labels['kilnyard.waiting'])));
  return containers.filter((_, index) => waits[index] !== true).map(({ Id }) => Id);
}

/** Ids of all containers, running or not, that carry the label of the house of this data folder. */
export async function containersOf(dataDir: string): Promise<string[]> {
  return (await listed(dataDir)).map(({ Id }) => Id);
}

async function listed(dataDir: string): Promise<Docker.ContainerInfo[]> {
  const instance = (await readFile(join(dataDir, 'instance-id'), 'utf8')).trim();
  return testDocker().listContainers({ all: true, filters: { label: [`kilnyard.instance=${instance}`] } });
}

/** A container waits as long as its control folder has the name that it was made with; of a taken one that is a link. */
async function isWaiting(dataDir: string, name: string | undefined): Promise<boolean> {
  if (name === undefined) return false;
  const folder = await lstat(join(dataDir, 'sandboxes', name)).catch(() => null); // gone: removed just now
  return folder?.isDirectory() ?? false;
}

export function testDocker(): Docker {
  return new Docker({ socketPath: process.env['KILNYARD_TEST_DOCKER_SOCKET'] ?? '/var/run/docker.sock' });
}
