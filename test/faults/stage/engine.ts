// A Docker Engine of the suite's own, so that dockerd may be killed: in a network namespace of its own, where its bridge and
// its rules meet no other engine's, with a containerd of its own that outlives it as on a system with live-restore.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { findProgram, thisMachine } from '../../../apps/standalone/src/machine.js';
import { OwnProcess, ready, type Program } from './own-process.js';

const exec = promisify(execFile);
const READY_MS = 60_000;
const STOP_MS = 30_000;
const NAMESPACE = 'kilnyard-faults';

/** Why no engine of our own can be started here; null when it can. */
export function whyNoEngine(): string | null {
  if (!thisMachine().root) return 'only root can start a Docker Engine';
  const missing = ['dockerd', 'containerd', 'unshare', 'nsenter', 'ip'].filter((name) => !findProgram(name));
  return missing.length === 0 ? null : `${missing.join(', ')} missing`;
}

export class OwnEngine {
  readonly docker: Docker;

  private constructor(
    private readonly folder: string,
    readonly socket: string,
    /** Holds the network namespace open. */
    private readonly holder: OwnProcess,
    private readonly containerd: OwnProcess,
    private readonly program: Program,
    private dockerd: OwnProcess,
  ) {
    this.docker = new Docker({ socketPath: socket });
  }

  /** `logs`: folder for its diagnostics. Its own folder has a short path, since sockets lie in it. */
  static async start(logs: string): Promise<OwnEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'kf-'));
    const logFile = (name: string): string => join(logs, `${name}.log`);
    const path = (name: string): string => join(folder, name);
    const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    const holder = await OwnProcess.start({
      name: 'netns',
      command: 'unshare',
      args: ['--net', '/bin/sh', '-c', 'ip link set lo up && echo up && exec sleep 100000'],
      env,
      logFile: logFile('netns'),
    });
    await ready(holder, 5_000, async () => exec('nsenter', ['-t', String(holder.pid), '-n', 'ip', 'route'], { env }));
    const inside = ['-t', String(holder.pid), '-n'];
    await mkdir(path('containerd'));
    await writeFile(path('containerd.toml'), containerdSettings(folder));
    await writeFile(path('daemon.json'), '{}\n'); // the system's own settings name its own sockets and folders
    const containerd = await OwnProcess.start({
      name: 'containerd',
      command: 'nsenter',
      args: [...inside, 'containerd', '--config', path('containerd.toml')],
      env,
      logFile: logFile('containerd'),
    });
    const program: Program = {
      name: 'dockerd',
      command: 'nsenter',
      args: [
        ...[...inside, 'dockerd', '--live-restore', '--containerd', path('containerd/c.sock')],
        ...['--host', `unix://${path('docker.sock')}`, '--data-root', path('data'), '--exec-root', path('exec')],
        ...['--pidfile', path('docker.pid'), '--config-file', path('daemon.json'), '--group', 'root'],
        ...['--containerd-namespace', NAMESPACE, '--containerd-plugins-namespace', `${NAMESPACE}-plugins`],
      ],
      env,
      logFile: logFile('dockerd'),
    };
    const dockerd = await OwnProcess.start(program);
    const engine = new OwnEngine(folder, path('docker.sock'), holder, containerd, program, dockerd);
    await engine.answering();
    return engine;
  }

  /** kill -9, and a new one; containers live on under containerd. */
  async killAndRestart(pause: () => Promise<unknown>): Promise<void> {
    await this.dockerd.stop('SIGKILL', STOP_MS);
    await pause();
    await rm(join(this.folder, 'docker.pid'), { force: true });
    this.dockerd = await OwnProcess.start(this.program);
    await this.answering();
  }

  /** Containers that are left over are removed first: with live-restore they would outlive their engine. */
  async close(): Promise<void> {
    for (const { Id } of await this.docker.listContainers({ all: true })) {
      await this.docker.getContainer(Id).remove({ force: true, v: true });
    }
    await this.dockerd.stop('SIGTERM', STOP_MS);
    await this.containerd.stop('SIGTERM', STOP_MS);
    await this.holder.stop('SIGKILL', STOP_MS);
    for (const mount of ['exec/netns/default', 'data']) {
      await exec('umount', [join(this.folder, mount)]).catch(() => undefined); // dockerd unmounts what it can itself
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private answering(): Promise<void> {
    return ready(this.dockerd, READY_MS, () => this.docker.ping());
  }
}

function containerdSettings(folder: string): string {
  const path = (name: string): string => JSON.stringify(join(folder, 'containerd', name));
  return [
    'version = 2',
    `root = ${path('root')}`,
    `state = ${path('state')}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `  address = ${path('c.sock')}`,
    '[ttrpc]',
    `  address = ${path('c.sock.ttrpc')}`,
    '',
  ].join('\n');
}
