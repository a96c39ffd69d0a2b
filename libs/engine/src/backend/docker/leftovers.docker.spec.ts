// What the cleanup takes from an engine, and what it leaves: foreign things beside ours, of which some look like ours.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { testDocker } from '#testing/docker-leaks.js';
import { DANGLING_IDLE_MS, DockerLeftovers, IMAGE_IDLE_MS } from './leftovers.js';
import { PulledImages, repositoryOf } from './pulled-images.js';

jest.setTimeout(120_000);

const docker = testDocker();
const SHELL = process.env['KILNYARD_TEST_IMAGE_SH'] ?? '';
/** Far enough ahead that nothing counts as young. */
const LATER = Date.now() + 3_600_000;
const MB = 1_000_000;

let instance: string;
let dir: string;
let pulled: PulledImages;
let leftovers: DockerLeftovers;
let made: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  instance = randomUUID();
  dir = await mkdtemp(join(tmpdir(), 'leftovers-'));
  pulled = new PulledImages(join(dir, 'pulled-images'));
  leftovers = new DockerLeftovers(docker, { instance, network: `keep-${instance}-now`, pulled });
});
afterEach(async () => {
  for (const remove of made.reverse()) await remove().catch(() => undefined); // gone, as the test wanted
  made = [];
  await rm(dir, { recursive: true });
});

const ours = () => ({ 'kilnyard.instance': instance });
const anothers = () => ({ 'kilnyard.instance': randomUUID() });

async function newContainer(labels: Record<string, string>, image = SHELL): Promise<string> {
  const container = await docker.createContainer({ Image: image, Cmd: ['/bin/sh'], Labels: labels });
  made.push(() => container.remove({ force: true }));
  return container.id;
}
async function newNetwork(name: string, labels: Record<string, string>): Promise<string> {
  const network = await docker.createNetwork({ Name: name, Driver: 'bridge', Internal: true, Labels: labels });
  made.push(() => network.remove());
  return network.id;
}
async function newVolume(labels: Record<string, string>): Promise<string> {
  const Name = `keep-${randomUUID()}`;
  await docker.createVolume({ Name, Labels: labels });
  made.push(() => docker.getVolume(Name).remove());
  return Name;
}
/** An image of random bytes under this name. */
async function newImage(name: string): Promise<string> {
  const tar = pack();
  tar.entry({ name: 'bytes' }, randomBytes(MB));
  tar.finalize();
  const [repo, tag] = name.split(':') as [string, string];
  const answer: unknown = await docker.importImage(Readable.from(tar), { repo, tag });
  for await (const _ of answer as AsyncIterable<Buffer>); // it is made when the answer has ended
  const { Id } = await docker.getImage(name).inspect();
  made.push(() => docker.getImage(Id).remove({ force: true }));
  return Id;
}
/** As if Kilnyard had pulled it and used it so long ago. */
async function recordOf(id: string, name: string, usedMsAgo: number): Promise<void> {
  await pulled.add(id, repositoryOf(name));
  const at = new Date(Date.now() - usedMsAgo);
  await utimes(join(dir, 'pulled-images', id.replace('sha256:', '')), at, at);
}
const there = (inspect: Promise<unknown>) =>
  inspect.then(
    () => true,
    () => false,
  );
const imageThere = (id: string) => there(docker.getImage(id).inspect());

describe('containers, networks and volumes', () => {
  it('of ours go when they are old and unused; others stay, also those of another instance', async () => {
    const helper = await newContainer({ ...ours(), 'kilnyard.helper': 'remover' });
    const stay = [
      await newContainer({ ...ours(), 'kilnyard.build': randomUUID(), 'kilnyard.attempt': '1' }),
      await newContainer({ ...ours(), 'kilnyard.waiting': 'waiting-1' }),
      await newContainer({ ...anothers(), 'kilnyard.helper': 'remover' }),
      await newContainer({ 'kilnyard.helper': 'remover' }),
      await newContainer({}),
    ];
    expect(await leftovers.helpers()).toEqual({ items: 0, bytes: 0 });
    expect(await leftovers.helpers(LATER)).toEqual({ items: 1, bytes: 0 });
    expect(await there(docker.getContainer(helper).inspect())).toBe(false);
    for (const id of stay) expect(await there(docker.getContainer(id).inspect())).toBe(true);
  });

  it('networks: not the one in use, none with somebody in it, none of others', async () => {
    const old = await newNetwork(`keep-${instance}-old`, ours());
    const busy = await newNetwork(`keep-${instance}-busy`, ours());
    const present = await newNetwork(`keep-${instance}-now`, ours());
    const foreign = [await newNetwork(`keep-${instance}-x`, anothers()), await newNetwork(`keep-${instance}-y`, {})];
    const container = docker.getContainer(
      (
        await docker.createContainer({
          Image: SHELL,
          Cmd: ['/bin/sh', '-c', 'sleep 60'],
          HostConfig: { NetworkMode: `keep-${instance}-busy` },
        })
      ).id,
    );
    made.push(() => container.remove({ force: true }));
    await container.start();
    expect(await leftovers.networks()).toEqual({ items: 0, bytes: 0 });
    expect(await leftovers.networks(LATER)).toEqual({ items: 1, bytes: 0 });
    expect(await there(docker.getNetwork(old).inspect())).toBe(false);
    for (const id of [busy, present, ...foreign]) expect(await there(docker.getNetwork(id).inspect())).toBe(true);
  });

  it('volumes: none that a container has, none of others', async () => {
    const old = await newVolume(ours());
    const busy = await newVolume(ours());
    const foreign = [await newVolume(anothers()), await newVolume({})];
    const { id } = await docker.createContainer({
      Image: SHELL,
      Cmd: ['/bin/sh'],
      HostConfig: { Binds: [`${busy}:/data`] },
    });
    made.push(() => docker.getContainer(id).remove({ force: true }));
    expect(await leftovers.volumes()).toEqual({ items: 0, bytes: 0 });
    expect(await leftovers.volumes(LATER)).toEqual({ items: 1, bytes: 0 });
    expect(await there(docker.getVolume(old).inspect())).toBe(false);
    for (const name of [busy, ...foreign]) expect(await there(docker.getVolume(name).inspect())).toBe(true);
  });
});

describe('images', () => {
  const repo = () => `kilnyard-keep-${randomBytes(4).toString('hex')}`;

  it('that Kilnyard pulled go over the budget, least recently used first; those it did not pull stay', async () => {
    const [first, second, foreign] = [`${repo()}:1`, `${repo()}:1`, `${repo()}:1`];
    const old = await newImage(first);
    const young = await newImage(second);
    const others = await newImage(foreign);
    await recordOf(old, first, IMAGE_IDLE_MS * 3);
    await recordOf(young, second, IMAGE_IDLE_MS * 2);
    expect((await leftovers.images(0)).removed).toEqual([]);
    const swept = await leftovers.images(1.5 * MB);
    expect(swept).toMatchObject({ removed: [{ id: old, names: [first] }], images: 1 });
    expect(swept.bytes).toBeLessThanOrEqual(1.5 * MB);
    expect(await Promise.all([old, young, others].map(imageThere))).toEqual([false, true, true]);
    expect(await readdir(join(dir, 'pulled-images'))).toEqual([young.replace('sha256:', '')]);
  });

  it('stay while a container has them, were just used, or have a name from somebody else', async () => {
    const names = [`${repo()}:1`, `${repo()}:1`, `${repo()}:1`];
    const [busy, warm, named] = (await Promise.all(names.map(newImage))) as [string, string, string];
    await recordOf(busy, names[0]!, DANGLING_IDLE_MS);
    await recordOf(warm, names[1]!, IMAGE_IDLE_MS / 2);
    await recordOf(named, names[2]!, DANGLING_IDLE_MS);
    await newContainer({}, busy);
    await docker.getImage(named).tag({ repo: repo(), tag: 'mine' });
    expect((await leftovers.images(1)).removed).toEqual([]);
    expect(await Promise.all([busy, warm, named].map(imageThere))).toEqual([true, true, true]);
  });

  it('without a tag go when nobody used them for a day, budget or not', async () => {
    const name = `${repo()}:1`;
    const before = await newImage(name);
    const after = await newImage(name);
    const foreign = await newImage(`${repo()}:1`);
    await docker.getImage(foreign).tag({ repo: 'kilnyard-keep-moved', tag: '1' });
    await recordOf(before, name, DANGLING_IDLE_MS / 2);
    await recordOf(after, name, DANGLING_IDLE_MS * 2);
    expect((await leftovers.images(0)).removed).toEqual([]);
    await recordOf(before, name, DANGLING_IDLE_MS * 2);
    expect((await leftovers.images(0)).removed).toMatchObject([{ id: before, names: [] }]);
    expect(await Promise.all([before, after, foreign].map(imageThere))).toEqual([false, true, true]);
  });

  it('with several names go with all of them; what is gone by other hands is forgotten', async () => {
    const name = `${repo()}:1`;
    const id = await newImage(name);
    await docker.getImage(id).tag({ repo: name.split(':')[0]!, tag: '2' });
    await recordOf(id, name, DANGLING_IDLE_MS);
    await recordOf(`sha256:${'0'.repeat(64)}`, name, DANGLING_IDLE_MS);
    expect((await leftovers.images(1)).removed).toMatchObject([{ id }]);
    expect(await imageThere(id)).toBe(false);
    expect(await readdir(join(dir, 'pulled-images'))).toEqual([]);
  });
});
