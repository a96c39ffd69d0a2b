// Containers that wait, on a real engine: who gets one, what is noticed, and what is left behind.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { until } from '#testing/until.js';
import type { ImageInfo, Sandbox, SandboxSpec } from '../backend.js';
import { DockerBackend } from './docker-backend.js';
import { LABEL } from './host-config.js';

const socket = process.env.KILNYARD_TEST_DOCKER_SOCKET ?? '/var/run/docker.sock';
const image = process.env.KILNYARD_TEST_IMAGE_SH ?? 'kilnyard-test/busybox:1';
const limits = { cpus: 1, memoryBytes: 64 * 1024 * 1024, diskBytes: 1024 ** 3, pids: 50 };
const signal = new AbortController().signal;

describe('waiting containers', () => {
  let dir: string;
  let instance: string;
  let takes: boolean[];
  const backends: DockerBackend[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kilnyard-waiting-'));
    instance = `test-${randomUUID()}`;
    takes = [];
  });
  afterEach(async () => {
    try {
      for (const one of backends) await one.sweep(() => false);
    } finally {
      for (const one of backends.splice(0)) await one.close();
      await rm(dir, { recursive: true, force: true });
    }
  }, 60_000);

  function newBackend(max = 2): DockerBackend {
    const one = new DockerBackend({
      socket,
      sandboxesDir: join(dir, 'sandboxes'),
      instance,
      network: 'kilnyard-test',
      deny: [],
      requireFirewall: false,
      firewallImage: image,
      spoolLimitBytes: 8 * 1024 * 1024,
      waiting: { max, idleMs: 600_000, minFreeBytes: 0, refillDelayMs: 1, onTake: (hit) => takes.push(hit) },
    });
    backends.push(one);
    return one;
  }

  function specFor(info: ImageInfo, over: Partial<SandboxSpec> = {}): SandboxSpec {
    return {
      buildId: randomUUID(),
      attempt: 1,
      workerId: 'w',
      projectName: 'p',
      image: info,
      limits,
      privileged: false,
      ...over,
    };
  }

  const imageOf = (backend: DockerBackend, name = image): Promise<ImageInfo> =>
    backend.prepareImage({ image: name, say: () => undefined, signal });

  async function outputOf(sandbox: Sandbox): Promise<string> {
    const pieces: Buffer[] = [];
    for await (const { bytes } of sandbox.output(0, signal)) pieces.push(Buffer.from(bytes));
    return Buffer.concat(pieces).toString();
  }

  async function run(sandbox: Sandbox, script: string): Promise<string> {
    await sandbox.start(`exec >>/kilnyard/output 2>&1\n${script}\n`);
    return outputOf(sandbox);
  }

  /** A backend that has one container waiting for the test's image and limits. */
  async function warm(max = 1): Promise<{ backend: DockerBackend; info: ImageInfo }> {
    const backend = newBackend(max);
    const info = await imageOf(backend);
    await (await backend.create(specFor(info), signal)).remove();
    await until('one waits', () => backend.waitingContainers === 1);
    return { backend, info };
  }

  const ours = (backend: DockerBackend) =>
    backend.docker.listContainers({ all: true, filters: { label: [`${LABEL.instance}=${instance}`] } });
  const waitingIn = async (backend: DockerBackend) =>
    (await ours(backend)).filter(({ Labels, Names }) => LABEL.waiting in Labels && /waiting/.test(Names[0]!));

  it('serve the next build, which sees nothing of another and gets its name', async () => {
    const { backend, info } = await warm();
    const spec = specFor(info);
    const sandbox = await backend.create(spec, signal);
    expect(takes).toEqual([false, true]);
    await writeFile(join(sandbox.workspaceDir, 'source.txt'), 'the source');
    const output = await run(
      sandbox,
      'cat /codebuild/output/source.txt; echo; env; ls -A /codebuild/output /tmp; hostname',
    );
    expect(output).toContain('the source');
    expect(output).not.toMatch(/SECRET|kilnyard\.project|w-pool/);
    await until('it has the name of its build', async () => {
      const { Name } = await backend.docker.getContainer(sandbox.id).inspect();
      return Name === `/kilnyard-${spec.buildId}-1`;
    });
    const { Config, HostConfig } = await backend.docker.getContainer(sandbox.id).inspect();
    expect(Config.Labels[LABEL.project]).toBeUndefined();
    expect(HostConfig).toMatchObject({ Memory: limits.memoryBytes, PidsLimit: limits.pids, Privileged: false });
    await sandbox.remove();
    expect((await readdir(join(dir, 'sandboxes'))).filter((name) => name.includes(spec.buildId))).toEqual([]);
  }, 60_000);

  it('take what is unpacked into them and give their files, although their folder was renamed', async () => {
    const { backend, info } = await warm();
    const sandbox = await backend.create(specFor(info), signal);
    expect(takes.at(-1)).toBe(true);
    const pack = tar.pack();
    pack.entry({ name: 'cached/a.txt' }, 'from the cache');
    pack.finalize();
    await sandbox.unpack('/', Readable.from(pack), signal);
    expect(await run(sandbox, 'cat /cached/a.txt; mkdir /out; echo made >/out/b.txt')).toContain('from the cache');
    const names: string[] = [];
    for await (const file of sandbox.files('/out', signal)) names.push(file.path);
    expect(names).toEqual(['b.txt']);
  }, 60_000);

  it('are not given to another kind: compute type, or a privileged build', async () => {
    const { backend, info } = await warm();
    const [waiting] = await waitingIn(backend);
    const larger = await backend.create(specFor(info, { limits: { ...limits, pids: 51 } }), signal);
    // an engine without the right to start it refuses; it must not be served from the pool either way
    const privileged = await backend.create(specFor(info, { privileged: true }), signal).catch(() => null);
    expect([larger.id, privileged?.id]).not.toContain(waiting!.Id);
    expect(takes).toEqual([false, false]);
  }, 60_000);

  it('go to one of two builds that come at once; one attempt gets one at most', async () => {
    const { backend, info } = await warm();
    const [first, second] = await Promise.all([
      backend.create(specFor(info), signal),
      backend.create(specFor(info), signal),
    ]);
    expect(first.id).not.toBe(second.id);
    expect(takes.filter(Boolean)).toHaveLength(1);
    await until('one waits', () => backend.waitingContainers === 1);
    const spec = specFor(info);
    const outcomes = await Promise.allSettled([backend.create(spec, signal), backend.create(spec, signal)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  }, 60_000);

  it('that died are not handed out, even when the engine has not told yet', async () => {
    const { backend, info } = await warm();
    const [waiting] = await waitingIn(backend);
    const killed = backend.docker.getContainer(waiting!.Id).kill();
    await killed;
    const sandbox = await backend.create(specFor(info), signal);
    expect(sandbox.id).not.toBe(waiting!.Id);
    expect(await run(sandbox, 'echo fine')).toContain('fine');
    await until('the dead one is gone', async () => !(await ours(backend)).some(({ Id }) => Id === waiting!.Id));
  }, 60_000);

  it('that die between being taken and their script are replaced, the source kept', async () => {
    const { backend, info } = await warm();
    const sandbox = await backend.create(specFor(info), signal);
    await writeFile(join(sandbox.workspaceDir, 'source.txt'), 'the source');
    const { id } = sandbox;
    await backend.docker.getContainer(id).kill();
    expect(await run(sandbox, 'cat /codebuild/output/source.txt')).toContain('the source');
    expect(sandbox.id).not.toBe(id);
    expect((await sandbox.wait()).exitCode).toBe(0);
  }, 60_000);

  it('are replaced when their tag moves to another image', async () => {
    const backend = newBackend(1);
    const name = `kilnyard-test/moving:${randomUUID().slice(0, 8)}`;
    const [repo, tag] = name.split(':') as [string, string];
    await backend.docker.getImage(image).tag({ repo, tag });
    try {
      const before = await imageOf(backend, name);
      await (await backend.create(specFor(before), signal)).remove();
      await until('one waits', () => backend.waitingContainers === 1);
      const other = await backend.docker.createContainer({
        Image: image,
        Cmd: ['sh'],
        Labels: { [LABEL.instance]: instance },
      });
      await other.commit({ repo, tag, comment: 'moved' });
      await other.remove();
      await until('the name moves', async () => (await imageOf(backend, name)).id !== before.id);
      const after = await imageOf(backend, name);
      const waits = async (id: string): Promise<boolean> =>
        (await waitingIn(backend)).some(({ ImageID }) => ImageID === id);
      await until('one of the new image waits', () => waits(after.id));
      await until('none of the old one does', async () => !(await waits(before.id)));
      await (await backend.create(specFor(after), signal)).remove();
      expect(takes).toEqual([false, true]);
    } finally {
      await backend.sweep(() => false);
      await backend.close();
      await backend.docker.getImage(name).remove({ force: true });
    }
  }, 60_000);

  it('of a living worker are left by the sweep of another, those of a dead one are taken away', async () => {
    const { backend } = await warm();
    const other = newBackend();
    expect(await other.sweep(() => true)).toBe(0);
    const [waiting] = await waitingIn(backend);
    const name = waiting!.Labels[LABEL.waiting]!;
    const mark = (await readdir(join(dir, 'sandboxes'))).find((name) => name.startsWith('alive-'))!;
    // a process that is gone holds its mark no longer
    await rm(join(dir, 'sandboxes', mark));
    expect(await other.sweep(() => true)).toBe(1);
    // this worker lives after all and makes another: the one that was swept is gone, and its folder
    expect((await ours(backend)).map(({ Id }) => Id)).not.toContain(waiting!.Id);
    expect(await readdir(join(dir, 'sandboxes'))).not.toContain(name);
  }, 60_000);

  it('that were taken are found by another worker before they have their build’s name, and swept as that build', async () => {
    const { backend, info } = await warm();
    const spec = specFor(info);
    const sandbox = await backend.create(spec, signal);
    const other = newBackend();
    const asked: string[] = [];
    await other.sweep(({ buildId, attempt }) => {
      asked.push(`${buildId} ${attempt}`);
      return true;
    });
    expect(asked).toEqual([`${spec.buildId} 1`]);
    const adopted = (await other.adopt({ buildId: spec.buildId, attempt: 1, limits }))!;
    expect(adopted.id).toBe(sandbox.id);
    expect(await run(adopted, 'echo adopted')).toContain('adopted');
    expect(await other.sweep(({ buildId }) => buildId !== spec.buildId)).toBe(1);
    expect(await other.adopt({ buildId: spec.buildId, attempt: 1, limits })).toBeNull();
  }, 60_000);

  it('leave nothing when their worker closes: no container, no folder, no mark; a build goes on', async () => {
    const { backend, info } = await warm();
    const spec = specFor(info);
    const sandbox = await backend.create(spec, signal);
    await sandbox.start(
      'exec >>/kilnyard/output 2>&1\nwhile [ ! -e /codebuild/output/go ]; do sleep 0.05; done; echo went\n',
    );
    await backend.close();
    expect((await ours(backend)).map(({ Id }) => Id)).toEqual([sandbox.id]);
    const left = await readdir(join(dir, 'sandboxes'));
    expect(left.filter((name) => name.startsWith('alive-'))).toEqual([]);
    // nothing of this worker looks at it any more; the next one finds it
    await expect(sandbox.wait()).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE' });
    const next = newBackend(0);
    const adopted = (await next.adopt({ buildId: spec.buildId, attempt: 1, limits }))!;
    await writeFile(join(sandbox.workspaceDir, 'go'), '');
    expect(await outputOf(adopted)).toContain('went');
    await adopted.remove();
    expect(await readdir(join(dir, 'sandboxes'))).toEqual([]);
  }, 60_000);

  it('listen to nobody and hold nothing but a shell', async () => {
    const { backend } = await warm();
    const [waiting] = await waitingIn(backend);
    const container = backend.docker.getContainer(waiting!.Id);
    const { Processes } = (await container.top()) as { Processes: string[][] };
    expect(Processes).toHaveLength(1);
    expect(Processes[0]!.at(-1)).toBe('/bin/sh /kilnyard/plan');
    const { State } = await container.inspect();
    const listening = (await readFile(`/proc/${State.Pid}/net/tcp`, 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line.trim().split(/\s+/)[3] === '0A')
      // the engine's own resolver, on the container's loopback
      .filter((line) => !line.includes('0B00007F:'));
    expect(listening).toEqual([]);
  }, 60_000);
});
