// A Docker Engine of one test's own, so that its dockerd may be killed: in a network namespace of its own, where its bridge and
// rules meet no other engine's, with folders and a socket of its own, and with a containerd that outlives dockerd, as on a system
// that starts both. Only root can start one.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';

const exec = promisify(execFile);
const READY_MS = 60_000;
const STOP_MS = 30_000;

export class OwnEngine {
  readonly docker: Docker;
  private dockerd: ChildProcess | null = null;
  private containerd: ChildProcess | null = null;

  private constructor(
    readonly folder: string,
    private readonly holder: ChildProcess,
    private readonly liveRestore: boolean,
  ) {
    this.docker = new Docker({ socketPath: this.socket });
  }

  /** `liveRestore`: containers outlive its dockerd. Out: one that answers. */
  static async start(options: { liveRestore: boolean }): Promise<OwnEngine> {
    // sockets lie in it, whose paths must be short
    const folder = await mkdtemp(join(tmpdir(), 'ke-'));
    const holder = spawn('unshare', ['--net', '/bin/sh', '-c', 'ip link set lo up; exec sleep 100000'], {
      stdio: 'ignore',
    });
    const engine = new OwnEngine(folder, holder, options.liveRestore);
    await writeFile(join(folder, 'daemon.json'), '{}\n');
    try {
      await sleep(200); // unshare has made its namespace by then; dockerd would tell otherwise
      await engine.startContainerd();
      await engine.up();
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  get socket(): string {
    return join(this.folder, 'docker.sock');
  }

  /** Starts dockerd, after a kill too. Resolves when it answers. */
  async up(): Promise<void> {
    const path = (name: string): string => join(this.folder, name);
    await rm(path('docker.pid'), { force: true });
    const namespace = `kilnyard-${this.folder.split('-').at(-1)}`;
    const args = [
      ...['dockerd', '--containerd', path('c.sock'), '--host', `unix://${this.socket}`],
      ...['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('docker.pid')],
      ...['--config-file', path('daemon.json'), '--group', 'root'],
      ...['--containerd-namespace', namespace, '--containerd-plugins-namespace', `${namespace}-plugins`],
      ...(this.liveRestore ? ['--live-restore'] : []),
    ];
    const dockerd = this.spawnInside(args);
    this.dockerd = dockerd;
    for (const until = Date.now() + READY_MS; Date.now() < until && dockerd.exitCode === null; await sleep(100)) {
      const answers = await this.docker.ping().then(
        () => true,
        () => false, // not yet
      );
      if (answers) return;
    }
    const said = (await readFile(path('log'), 'utf8')).split('\n').slice(-15).join('\n');
    throw new Error(`the test's own Docker Engine does not answer. Its last lines:\n${said}`);
  }

  private async startContainerd(): Promise<void> {
    const path = (name: string): string => JSON.stringify(join(this.folder, name));
    const settings = [
      'version = 2',
      `root = ${path('containerd')}`,
      `state = ${path('containerd-state')}`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
      '[grpc]',
      `  address = ${path('c.sock')}`,
      '[ttrpc]',
      `  address = ${path('c.sock.ttrpc')}`,
    ];
    await writeFile(join(this.folder, 'containerd.toml'), `${settings.join('\n')}\n`);
    this.containerd = this.spawnInside(['containerd', '--config', join(this.folder, 'containerd.toml')]);
  }

  /** In the network namespace; what it says goes to the log. */
  private spawnInside(command: string[]): ChildProcess {
    const log = openSync(join(this.folder, 'log'), 'a');
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const inside = ['-t', String(this.holder.pid), '-n', ...command];
    const child = spawn('nsenter', inside, { stdio: ['ignore', log, log], env });
    closeSync(log);
    return child;
  }

  /** kill -9: no container is told. Resolves when it is gone. */
  async kill(): Promise<void> {
    await end(this.dockerd, 'SIGKILL');
  }

  /** Copies an image from another engine. */
  async take(image: string, from: Docker): Promise<void> {
    const answer = await this.docker.loadImage(await from.getImage(image).get());
    await new Promise((resolve, reject) =>
      this.docker.modem.followProgress(answer, (error) => (error ? reject(error) : resolve(null))),
    );
  }

  /** Containers first: with live-restore they would outlive their engine. */
  async close(): Promise<void> {
    for (const { Id } of await this.docker.listContainers({ all: true }).catch(() => []))
      // an engine that never came up has none
      await this.docker.getContainer(Id).remove({ force: true, v: true });
    await end(this.dockerd, 'SIGTERM');
    await end(this.containerd, 'SIGTERM');
    await end(this.holder, 'SIGKILL');
    // dockerd unmounts what it can itself
    for (const mount of ['exec/netns/default', 'data'])
      await exec('umount', [join(this.folder, mount)]).catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function end(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
}
