// Images from a real registry on a real engine: who may use what is on the host already, and what a bad network does to a pull.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import tar from 'tar-stream';
import { BadNetwork } from '#testing/bad-network.js';
import { BUILDER, startRegistry, type TestRegistry } from '#testing/registry.js';
import type { ImageInfo, ImageRequest } from '../backend.js';
import { DockerImages, type ImagesOptions } from './images.js';

const socket = process.env.KILNYARD_TEST_DOCKER_SOCKET ?? '/var/run/docker.sock';
const docker = new Docker({ socketPath: socket });
const WRONG = { username: 'builder', password: 'guessed' };
const UNABLE = 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE';

let registry: TestRegistry;
let network: BadNetwork;
let folder: string;
let images: DockerImages;
let said: string[];
const made = new Set<string>();

beforeAll(async () => {
  registry = await startRegistry();
}, 60_000);
afterAll(() => registry.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-images-'));
  network = await BadNetwork.before(registry.port);
  images = newImages();
  said = [];
});
afterEach(async () => {
  await network.close();
  for (const name of made) await forget(name);
  made.clear();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

function newImages(options: Partial<ImagesOptions> = {}): DockerImages {
  return new DockerImages(docker, {
    pulled: { add: async () => undefined },
    privateImagesFile: join(folder, 'private-images'),
    accessCacheMs: 0,
    ...options,
    limits: { attempts: 1, ...options.limits },
  });
}

const prepare = (image: string, over: Partial<ImageRequest> = {}, of = images): Promise<ImageInfo> =>
  of.prepare({ image, say: (text) => said.push(text), signal: new AbortController().signal, ...over });

/** An image of its own with `bytes` of noise, on the registry under `name` and nowhere on the engine. Out: its id. */
async function pushed(name: string, bytes = 1_000): Promise<string> {
  const pack = tar.pack();
  pack.entry({ name: 'noise' }, randomBytes(bytes));
  pack.finalize();
  const [repo, tag] = [name.slice(0, name.lastIndexOf(':')), name.slice(name.lastIndexOf(':') + 1)];
  await followed(docker.importImage(Readable.from(pack), { repo, tag }));
  const { Id } = await docker.getImage(name).inspect();
  await followed(docker.getImage(name).push({ authconfig: BUILDER }));
  await forget(name);
  made.add(name);
  return Id;
}

/** Takes the image off the engine with every name that it has. */
async function forget(name: string): Promise<void> {
  const found = await docker
    .getImage(name)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode === 404) return null;
      throw error;
    });
  if (found !== null) await docker.getImage(found.Id).remove({ force: true });
}

async function followed(stream: Promise<NodeJS.ReadableStream>): Promise<void> {
  const answer = await stream;
  await new Promise((resolve, reject) =>
    docker.modem.followProgress(answer, (error) => (error ? reject(error) : resolve(null))),
  );
}

const repository = (at = registry.address): string => `${at}/team/${randomUUID().slice(0, 8)}`;

describe('an image of a private repository', () => {
  it('is pulled by digest with the credential, and known by its tag', async () => {
    const name = `${repository()}:1`;
    const id = await pushed(name);
    const info = await prepare(name, { auth: BUILDER });
    expect(info).toEqual({ id, digest: expect.stringMatching(/^127\.0\.0\.1:\d+\/team\/\w+@sha256:[0-9a-f]{64}$/) });
    expect((await docker.getImage(name).inspect()).Id).toBe(id);
    expect(said[0]).toMatch(/^Pulling .*:1: it is sha256:[0-9a-f]{64}$/);
    expect(said.at(-1)).toMatch(/^Pulled .*:1 in [0-9.]+ s$/);
  }, 60_000);

  it.each([
    ['a wrong credential', WRONG, /unauthorized/],
    ['none', undefined, /no basic auth credentials/],
  ])(
    'is not pulled with %s, which is not tried again',
    async (_, auth, why) => {
      const name = `${repository(network.address)}:1`;
      await pushed(name);
      const one = newImages({ limits: { attempts: 5 } });
      const refused = prepare(name, auth ? { auth } : {}, one);
      await expect(refused).rejects.toMatchObject({
        code: UNABLE,
        message: expect.stringMatching(why),
        details: { retryable: false },
      });
      expect(said.filter((line) => line.includes('again'))).toEqual([]);
    },
    60_000,
  );

  it('that does not exist is not asked for again', async () => {
    const one = newImages({ limits: { attempts: 5 } });
    await expect(prepare(`${repository()}:1`, { auth: BUILDER }, one)).rejects.toMatchObject({
      code: UNABLE,
      details: { retryable: false },
    });
    expect(said).toEqual([]);
  }, 60_000);

  describe('that one project has brought to this host', () => {
    let name: string;
    let id: string;
    beforeEach(async () => {
      name = `${repository(network.address)}:1`;
      id = await pushed(name);
      await prepare(name, { auth: BUILDER });
    }, 60_000);

    const byDigest = async (): Promise<string> => (await docker.getImage(name).inspect()).RepoDigests[0]!;

    it.each<[string, () => Promise<string>]>([
      ['its tag', async () => name],
      ['its digest', byDigest],
      ['its id', async () => id],
      ['the beginning of its id', async () => id.slice('sha256:'.length, 30)],
      [
        'a name that somebody gave it here',
        async () => {
          const [repo, tag] = ['kilnyard-test/alias', randomUUID()];
          await docker.getImage(id).tag({ repo, tag });
          return `${repo}:${tag}`;
        },
      ],
    ])(
      'is refused to another by %s',
      async (_, named) => {
        await expect(prepare(await named())).rejects.toMatchObject({ code: UNABLE });
        await expect(prepare(await named(), { auth: WRONG })).rejects.toMatchObject({ code: UNABLE });
      },
      60_000,
    );

    it('is refused by the next worker process too', async () => {
      await expect(prepare(name, {}, newImages())).rejects.toMatchObject({ code: UNABLE });
    });

    it('is refused even when it lost its name', async () => {
      await docker.getImage(id).tag({ repo: 'kilnyard-test/alias', tag: 'left' });
      await docker.getImage(name).remove();
      await expect(prepare('kilnyard-test/alias:left')).rejects.toMatchObject({ code: UNABLE });
      await docker.getImage(id).remove({ force: true });
    });

    it('is given to another who has the right, without a pull', async () => {
      said = [];
      expect(await prepare(name, { auth: { ...BUILDER } })).toMatchObject({ id });
      expect(said).toEqual([]);
    });

    it('is given to all where the operator has a credential for its registry', async () => {
      const registryAuthFile = join(folder, 'auth.json');
      const auth = Buffer.from(`${BUILDER.username}:${BUILDER.password}`).toString('base64');
      await writeFile(registryAuthFile, JSON.stringify({ auths: { [network.address]: { auth } } }));
      expect(await prepare(name, {}, newImages({ registryAuthFile }))).toMatchObject({ id });
    });

    it('stays what it is when its tag moves, until somebody asks for the newest', async () => {
      const [repo] = name.split(/:1$/);
      const keep = (await docker.getImage(name).inspect()).RepoDigests[0]!;
      await docker.getImage(id).tag({ repo: 'kilnyard-test/alias', tag: 'keep' });
      const newer = await pushed(`${repo}:1`);
      // pushed() has put the tag on the newer image and taken that away: give the tag back to what was here
      await docker.getImage(id).tag({ repo: repo!, tag: '1' });
      expect(newer).not.toBe(id);
      expect(await prepare(keep, { auth: BUILDER })).toMatchObject({ id });
      expect(await prepare(name, { auth: BUILDER })).toMatchObject({ id });
      expect(await prepare(name, { auth: BUILDER, policy: 'ALWAYS' })).toMatchObject({ id: newer });
      expect(await prepare(name, { auth: BUILDER })).toMatchObject({ id: newer });
      await docker.getImage(id).remove({ force: true });
    }, 60_000);

    it('is used by nobody while its registry is away, which is said', async () => {
      await network.close();
      for (const over of [{}, { auth: BUILDER }]) {
        await expect(prepare(name, over)).rejects.toMatchObject({
          code: UNABLE,
          message: expect.stringMatching(/it is private, and its registry does not answer.*connection refused/),
          details: { retryable: true },
        });
      }
    });

    it('is not asked for again within the time that a yes holds, by the same credential alone', async () => {
      const one = newImages({ accessCacheMs: 60_000 });
      await prepare(name, { auth: BUILDER }, one);
      await network.close();
      expect(await prepare(name, { auth: BUILDER }, one)).toMatchObject({ id });
      await expect(prepare(name, { auth: WRONG }, one)).rejects.toMatchObject({ code: UNABLE });
      await expect(prepare(name, {}, one)).rejects.toMatchObject({ code: UNABLE });
    });
  });

  it('is not pulled when it cannot be written down that it is private', async () => {
    const name = `${repository()}:1`;
    await pushed(name);
    const one = newImages({ privateImagesFile: join(folder, 'no', 'such', 'folder') });
    await expect(prepare(name, { auth: BUILDER }, one)).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(docker.getImage(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
  }, 60_000);
});

describe('an image that is free', () => {
  it('is everyone’s when the operator has put it on the host', async () => {
    const image = process.env.KILNYARD_TEST_IMAGE_SH ?? 'kilnyard-test/busybox:1';
    expect((await prepare(image)).id).toMatch(/^sha256:/);
    expect((await prepare(image, { auth: WRONG })).id).toMatch(/^sha256:/);
    expect(said).toEqual([]);
  });

  it('stays free when a project pulls it with a credential that it does not need', async () => {
    const open = await startRegistry({ open: true });
    try {
      const name = `${open.address}/public/app:1`;
      const id = await pushed(name);
      expect(await prepare(name, { auth: BUILDER })).toMatchObject({ id });
      await open.stop();
      expect(await prepare(name)).toMatchObject({ id });
    } finally {
      await open.stop();
    }
  }, 60_000);
});

describe('a pull over a bad network', () => {
  it('tells how it goes', async () => {
    const name = `${repository(network.address)}:1`;
    await pushed(name, 3_000_000);
    network.bytesPerSecond = 600_000;
    await prepare(name, { auth: BUILDER });
    const lines = said.filter((line) => /^Pulling .*: [01] of 1 layers, [0-9.]+ of 3\.0 MB$/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(10);
  }, 60_000);

  it('is tried again after a connection that was cut', async () => {
    const name = `${repository(network.address)}:1`;
    const id = await pushed(name);
    network.refuse = 2;
    const one = newImages({ limits: { attempts: 4 } });
    expect(await prepare(name, { auth: BUILDER }, one)).toMatchObject({ id });
    expect(said[0]).toMatch(/asking its registry again in 1 s \(2 of 4\)$/);
  }, 60_000);

  it('that takes too long is given up, and says how far it came', async () => {
    const name = `${repository(network.address)}:1`;
    await pushed(name, 3_000_000);
    network.bytesPerSecond = 100_000;
    const one = newImages({ limits: { timeoutMs: 2_000 } });
    await expect(prepare(name, { auth: BUILDER }, one)).rejects.toMatchObject({
      code: UNABLE,
      message: expect.stringMatching(
        /not pulled within 2 s \(KILNYARD_IMAGE_PULL_TIMEOUT_MS\); it stood at 0 of 1 layers/,
      ),
      details: { retryable: true },
    });
  }, 60_000);

  it('that stands still is cut and tried again', async () => {
    const name = `${repository(network.address)}:1`;
    const id = await pushed(name, 3_000_000);
    network.bytesPerSecond = 400_000;
    const one = newImages({ limits: { stallMs: 1_500, attempts: 2 } });
    const stall = setTimeout(() => (network.silent = true), 1_000);
    const pulling = prepare(
      name,
      {
        auth: BUILDER,
        say: (text) => {
          said.push(text);
          if (!text.includes('sent nothing')) return;
          network.silent = false;
          network.bytesPerSecond = Infinity;
          network.cut();
        },
      },
      one,
    );
    expect(await pulling).toMatchObject({ id });
    clearTimeout(stall);
    expect(said.find((line) => line.includes('sent nothing'))).toMatch(/for 1\.5 s .*trying again in 1 s \(2 of 2\)$/);
  }, 60_000);

  it('is shared by builds that want the same, and outlives the first of them', async () => {
    const name = `${repository(network.address)}:1`;
    const id = await pushed(name, 2_000_000);
    network.bytesPerSecond = 500_000;
    const first = new AbortController();
    const stopped = prepare(name, { auth: BUILDER, signal: first.signal });
    const heard: string[] = [];
    const second = prepare(name, { auth: BUILDER, say: (text) => heard.push(text) });
    setTimeout(() => first.abort(new Error('stopped')), 1_500);
    await expect(stopped).rejects.toThrow('stopped');
    expect(await second).toMatchObject({ id });
    expect([...said, ...heard].filter((line) => line.startsWith('Another build pulls'))).toHaveLength(1);
  }, 60_000);
});
