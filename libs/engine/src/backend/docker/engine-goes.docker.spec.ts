// An engine that goes away in the middle of what it was asked: what is told, and what is left for the sweep.
import { afterEach, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '#testing/until.js';
import type { SandboxSpec } from '../backend.js';
import { DockerBackend } from './docker-backend.js';
import { LABEL } from './host-config.js';

const socket = process.env.KILNYARD_TEST_DOCKER_SOCKET ?? '/var/run/docker.sock';
const image = process.env.KILNYARD_TEST_IMAGE_SH ?? 'kilnyard-test/busybox:1';
const limits = { cpus: 1, memoryBytes: 64 * 1024 * 1024, diskBytes: 1024 ** 3, pids: 50 };
const signal = new AbortController().signal;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
}, 60_000);

/** The engine by way of a socket that is gone when a container is to be started for the `nth` time. */
async function engineUntilStart(dir: string, nth: number): Promise<string> {
  const path = join(dir, 'engine.sock');
  const open = new Set<Socket>();
  let starts = 0;
  const server = createServer((near) => {
    const far = connect(socket);
    for (const one of [near, far]) {
      open.add(one);
      one.on('error', () => undefined); // cut, as it is meant to be
      one.on('close', () => [near, far].forEach((other) => other.destroy()));
    }
    far.pipe(near);
    near.on('data', (bytes) => {
      if (/POST \S+\/start/.test(bytes.toString('latin1'))) starts += 1;
      if (starts < nth) return void far.write(bytes);
      server.close();
      for (const one of open) one.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ends.push(async () => server.close());
  return path;
}

async function newDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kilnyard-goes-'));
  ends.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

function newBackend(dir: string, instance: string, over: { socket?: string; waiting?: number }): DockerBackend {
  const backend = new DockerBackend({
    socket: over.socket ?? socket,
    sandboxesDir: join(dir, 'sandboxes'),
    instance,
    network: 'kilnyard-test',
    deny: [],
    requireFirewall: false,
    firewallImage: image,
    spoolLimitBytes: 8 * 1024 * 1024,
    waiting: { max: over.waiting ?? 0, idleMs: 600_000, minFreeBytes: 0, refillDelayMs: 1 },
  });
  ends.push(() => backend.close());
  return backend;
}

async function specFor(backend: DockerBackend): Promise<SandboxSpec> {
  const info = await backend.prepareImage({ image, say: () => undefined, signal });
  return { buildId: randomUUID(), attempt: 1, workerId: 'w', projectName: 'p', image: info, limits, privileged: false };
}

const left = (backend: DockerBackend, instance: string) =>
  backend.docker.listContainers({ all: true, filters: { label: [`${LABEL.instance}=${instance}`] } });

it('while a build container starts: the engine is told as away, and the sweep takes the container', async () => {
  const [dir, instance] = [await newDir(), randomUUID()];
  const backend = newBackend(dir, instance, { socket: await engineUntilStart(dir, 1) });
  const spec = await specFor(backend);
  await expect(backend.create(spec, signal)).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE', retryable: true });
  const other = newBackend(dir, instance, {});
  ends.push(() => other.sweep(() => false));
  expect(await left(other, instance)).toHaveLength(1);
  expect(await other.sweep(() => false)).toBe(1);
  expect(await left(other, instance)).toEqual([]);
}, 60_000);

it('while a container starts that is to wait: the sweep takes it, though its worker lives', async () => {
  const [dir, instance] = [await newDir(), randomUUID()];
  const backend = newBackend(dir, instance, { socket: await engineUntilStart(dir, 3), waiting: 1 });
  const other = newBackend(dir, instance, {});
  ends.push(() => other.sweep(() => false));
  const spec = await specFor(backend);
  const ids = [(await backend.create(spec, signal)).id];
  await until('one waits', async () => backend.waitingContainers === 1);
  ids.push((await backend.create({ ...spec, buildId: randomUUID() }, signal)).id); // it waited: the next one is made, and meets it
  await until('what was to wait is left on the engine alone', async () => {
    const folders = await readdir(join(dir, 'sandboxes'), { withFileTypes: true });
    const waiting = folders.filter((one) => one.name.startsWith('waiting-') && one.isDirectory());
    return waiting.length === 0 && (await left(other, instance)).length === 3;
  });
  expect(await other.sweep(() => true)).toBe(1);
  expect((await left(other, instance)).map(({ Id }) => Id).sort()).toEqual(ids.sort());
}, 60_000);
