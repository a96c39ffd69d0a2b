// Containers that a house left on the Docker Engine.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';

/** Names of all containers, running or not, that carry the label of the house of this data folder. */
export async function containersLeft(dataDir: string): Promise<string[]> {
  const instance = (await readFile(join(dataDir, 'instance-id'), 'utf8')).trim();
  const containers = await testDocker().listContainers({
    all: true,
    filters: { label: [`kilnyard.instance=${instance}`] },
  });
  return containers.map(({ Names, Id }) => `container ${Names[0] ?? Id}`);
}

export function testDocker(): Docker {
  return new Docker({ socketPath: process.env['KILNYARD_TEST_DOCKER_SOCKET'] ?? '/var/run/docker.sock' });
}
