// The contract on a real engine, and what only a real container can show: its walls.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { until } from '#testing/until.js';
import { describeBackend, type ContractSubject } from '../backend.contract.js';
import type { Sandbox } from '../backend.js';
import { DockerBackend } from './docker-backend.js';
import { firewallScript, onHost } from './network.js';

const socket = process.env.KILNYARD_TEST_DOCKER_SOCKET ?? '/var/run/docker.sock';
const image = process.env.KILNYARD_TEST_IMAGE_SH ?? 'kilnyard-test/busybox:1';

async function begin(waiting = false): Promise<ContractSubject & { backend: DockerBackend; dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'kilnyard-docker-'));
  const backend = new DockerBackend({
    socket,
    sandboxesDir: join(dir, 'sandboxes'),
    instance: `test-${randomUUID()}`,
    network: 'kilnyard-test',
    deny: ['169.254.0.0/16'],
    requireFirewall: true,
    firewallImage: image,
    spoolLimitBytes: 8 * 1024 * 1024,
    ...(waiting ? { waiting: { max: 2, idleMs: 60_000, minFreeBytes: 0, refillDelayMs: 50 } } : {}),
  });
  return {
    backend,
    dir,
    image,
    stop: async () => {
      try {
        await backend.sweep(() => false);
      } finally {
        await backend.close();
        await rm(dir, { recursive: true, force: true });
      }
    },
  };
}

describeBackend('docker', () => begin());
describeBackend('docker with containers that wait', () => begin(true));

describe('a build container', () => {
  let subject: Awaited<ReturnType<typeof begin>>;
  const signal = new AbortController().signal;
  const limits = { cpus: 1, memoryBytes: 64 * 1024 * 1024, diskBytes: 1024 ** 3, pids: 50 };

  beforeAll(async () => {
    subject = await begin();
  }, 60_000);
  afterAll(() => subject.stop(), 60_000);

  /** A plain script in place of a plan: what it prints, and how it ends. */
  async function run(
    script: string,
    over: { image?: string } = {},
  ): Promise<{ output: string; sandbox: Sandbox; outOfMemory: boolean }> {
    const info = await subject.backend.prepareImage({ image: over.image ?? image, say: () => undefined, signal });
    const spec = {
      buildId: randomUUID(),
      attempt: 1,
      workerId: 'w',
      projectName: 'p',
      image: info,
      limits,
      privileged: false,
    };
    const sandbox = await subject.backend.create(spec, signal);
    await sandbox.start(`exec >>/kilnyard/output 2>&1\n${script}\n`);
    const pieces: Buffer[] = [];
    for await (const piece of sandbox.output(0, signal)) pieces.push(Buffer.from(piece.bytes));
    const { outOfMemory } = await sandbox.wait();
    return { output: Buffer.concat(pieces).toString(), sandbox, outOfMemory };
  }

  it('stands still while it is frozen, with all that runs in it, and shows no engine what was run beside it', async () => {
    const info = await subject.backend.prepareImage({ image, say: () => undefined, signal });
    const owner = { buildId: randomUUID(), attempt: 1, workerId: 'w', projectName: 'p' };
    const sandbox = await subject.backend.create({ ...owner, image: info, limits, privileged: false }, signal);
    const writer = 'SECRET=s3cret; cd /codebuild/output; (while :; do echo x >>ticks; done) >/dev/null 2>&1 &';
    await sandbox.runAside(writer, signal);
    const ticks = async (): Promise<number> => (await stat(join(sandbox.workspaceDir, 'ticks'))).size;
    await sandbox.freeze();
    const before = await ticks();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([before > 0, await ticks()]).toEqual([true, before]);
    await sandbox.resume();
    await until('it goes on writing', async () => (await ticks()) > before);
    const docker = new Docker({ socketPath: socket });
    const told: unknown[] = [];
    const container = await docker.getContainer(sandbox.id).inspect();
    for (const id of container.ExecIDs ?? []) told.push(await docker.getExec(id).inspect());
    expect(JSON.stringify([container, told])).not.toContain('s3cret');
    await sandbox.remove();
  }, 60_000);

  it('has the plain capabilities, no way to more, and its limits', async () => {
    const { output } = await run(
      'grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status; cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max',
    );
    const bits = (name: string): bigint => BigInt(`0x${new RegExp(`${name}:\\s+([0-9a-f]+)`).exec(output)?.[1] ?? ''}`);
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE SYS_CHROOT SETFCAP, by their numbers
    const expected = [0n, 1n, 3n, 4n, 5n, 6n, 7n, 10n, 18n, 31n].reduce((sum, bit) => sum | (1n << bit), 0n);
    expect(bits('CapEff')).toBe(expected);
    expect(bits('CapBnd')).toBe(expected);
    expect(output).toMatch(/NoNewPrivs:\s+1/);
    expect(output).toMatch(/Seccomp:\s+2/);
    expect(output).toMatch(/^50$/m);
  }, 60_000);

  it('shows neither the engine socket nor the worker in its mounts, and its variables nowhere on the engine', async () => {
    const { output, sandbox } = await run('ls /var/run/docker.sock 2>&1; cat /proc/mounts');
    expect(output).toContain('No such file');
    const inspected = JSON.stringify(await subject.backend.docker.getContainer(sandbox.id).inspect());
    expect(inspected).not.toContain('exec >>/kilnyard/output');
  }, 60_000);

  it('cannot reach this host, the metadata address or another build', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
    const server: Server = createServer((_, response) => response.end('reached'));
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    const port = (server.address() as { port: number }).port;
    const info = await subject.backend.prepareImage({ image, say: () => undefined, signal });
    const spec = {
      buildId: randomUUID(),
      attempt: 1,
      workerId: 'w',
      projectName: 'p',
      image: info,
      limits,
      privileged: false,
    };
    const other = await subject.backend.create(spec, signal);
    try {
      await other.start('exec >>/kilnyard/output 2>&1\nwhile :; do echo reached | nc -l -p 8080; done\n');
      const peer =
        Object.values((await subject.backend.docker.getContainer(other.id).inspect()).NetworkSettings.Networks)[0]
          ?.IPAddress ?? '';
      const { output } = await run(
        [
          `gateway=$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')`,
          `for at in $gateway:${port} ${address}:${port} ${peer}:8080 169.254.169.254:80; do`,
          'echo "try $at"; wget -T 2 -q -O - http://$at/ 2>&1; done; echo done',
        ].join('\n'),
      );
      expect(peer).not.toBe('');
      expect(output.match(/^try [0-9]/gm)).toHaveLength(4);
      expect(output).toContain('done');
      expect(output).not.toContain('reached');
    } finally {
      await other.remove();
      await new Promise((resolve) => server.close(resolve));
    }
  }, 60_000);

  it('has its firewall laid from a container too, where the worker may not do it itself', async () => {
    await onHost(
      subject.backend.docker,
      { image, instance: 'test' },
      firewallScript('kilnyardte-br0', ['169.254.0.0/16']),
    );
    await expect(
      onHost(subject.backend.docker, { image, instance: 'test' }, 'iptables -L KILN-NO-SUCH-CHAIN'),
    ).rejects.toThrow(/iptables/);
  }, 60_000);

  it('tells of the kernel killing it for want of memory', async () => {
    const { outOfMemory } = await run('x=$(head -c 200m /dev/zero | tr "\\0" a); echo $?');
    expect(outOfMemory).toBe(true);
  }, 60_000);

  it('is paused at the limit of its spool and loses nothing', async () => {
    const info = await subject.backend.prepareImage({ image, say: () => undefined, signal });
    const spec = {
      buildId: randomUUID(),
      attempt: 1,
      workerId: 'w',
      projectName: 'p',
      image: info,
      limits,
      privileged: false,
    };
    const sandbox = await subject.backend.create(spec, signal);
    await sandbox.start('exec >>/kilnyard/output 2>&1\nyes 0123456 | head -n 12000000\n');
    const container = subject.backend.docker.getContainer(sandbox.id);
    let bytes = 0;
    let paused = false;
    for await (const piece of sandbox.output(0, signal)) {
      bytes += piece.bytes.length;
      sandbox.release(piece.at);
      if (!paused && bytes > 1024 * 1024) {
        // a reader that is slow until the container stands still
        for (let look = 0; look < 200 && !paused; look += 1) {
          await new Promise((resolve) => setTimeout(resolve, 25));
          paused = (await container.inspect()).State.Paused;
        }
      }
    }
    expect(paused).toBe(true);
    expect(bytes).toBe(12_000_000 * 8);
    await sandbox.remove();
  }, 60_000);

  it('says clearly that an image without a shell cannot be used', async () => {
    const { default: tar } = await import('tar-stream');
    const pack = tar.pack();
    pack.entry({ name: 'hello' }, 'no shell here');
    pack.finalize();
    const name = `kilnyard-test/no-shell:${randomUUID().slice(0, 8)}`;
    const answer = await subject.backend.docker.importImage(Readable.from(pack), {
      repo: name.split(':')[0],
      tag: name.split(':')[1],
    });
    for await (const piece of answer as unknown as AsyncIterable<Buffer>) void piece;
    try {
      await expect(run('echo', { image: name })).rejects.toMatchObject({
        code: 'BUILD_CONTAINER_UNUSABLE',
        message: 'The image has no /bin/sh, which a build needs to run its commands',
      });
    } finally {
      await subject.backend.docker.getImage(name).remove({ force: true });
    }
  }, 60_000);

  it('says that an image cannot be pulled', async () => {
    const pull = subject.backend.prepareImage({ image: '127.0.0.1:1/nobody/nothing:1', say: () => undefined, signal });
    await expect(pull).rejects.toMatchObject({ code: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE' });
  }, 60_000);
});
