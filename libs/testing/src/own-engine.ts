// A Docker Engine of a test's own, so that its dockerd may be killed: in a network namespace of its own, where its bridge and
// rules meet no other engine's, with folders and a socket of its own, and with a containerd that outlives dockerd, as on a system
// that starts both. Only root can start one.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { OwnProcess, ready, type Program } from './own-process.js';

const exec = promisify(execFile);
const NAMESPACE_READY_MS = 5_000;
const READY_MS = 60_000;
const STOP_MS = 30_000;
/** Lines of its log that an error shows. */
const LAST_LINES = 15;
/** What it runs, all of which must be found on the machine. */
export const ENGINE_PROGRAMS = ['dockerd', 'containerd', 'unshare', 'nsenter', 'ip'] as const;

export interface OwnEngineOptions {
  /** Containers outlive its dockerd. */
  liveRestore: boolean;
  /** Where its programs write their logs; its own folder, which goes with it, where none is named. */
  logs?: string;
  /** Ctrl-C on the terminal is not for it: who started it hears of that, and closes it. */
  apart: boolean;
}

export class OwnEngine {
  readonly docker: Docker;
  /** Holds the network namespace open. */
  private holder: OwnProcess | null = null;
  private containerd: OwnProcess | null = null;
  private dockerd: OwnProcess | null = null;

  private constructor(
    readonly folder: string,
    private readonly options: OwnEngineOptions,
  ) {
    this.docker = new Docker({ socketPath: this.socket });
  }

  /** Out: one that answers. Errors: what kept it from that, with the last lines of its log. */
  static async start(options: OwnEngineOptions): Promise<OwnEngine> {
    // sockets lie in it, whose paths must be short
    const engine = new OwnEngine(await mkdtemp(join(tmpdir(), 'ke-')), options);
    try {
      await engine.holdNamespace();
      await engine.startContainerd();
      await engine.up();
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  get socket(): string {
    return this.path('docker.sock');
  }

  /** Starts dockerd, after a kill too. Resolves when it answers. */
  async up(): Promise<void> {
    await rm(this.path('docker.pid'), { force: true });
    await writeFile(this.path('daemon.json'), '{}\n'); // the system's own settings name its own sockets and folders
    const namespace = `kilnyard-${this.folder.split('-').at(-1)}`;
    const program = this.inside('dockerd', [
      ...['--containerd', this.path('c.sock'), '--host', `unix://${this.socket}`],
      ...['--data-root', this.path('data'), '--exec-root', this.path('exec'), '--pidfile', this.path('docker.pid')],
      ...['--config-file', this.path('daemon.json'), '--group', 'root'],
      ...['--containerd-namespace', namespace, '--containerd-plugins-namespace', `${namespace}-plugins`],
      ...(this.options.liveRestore ? ['--live-restore'] : []),
    ]);
    this.dockerd = await OwnProcess.start(program);
    await ready(this.dockerd, READY_MS, () => this.docker.ping()).catch(async (cause: unknown) => {
      const said = (await readFile(program.logFile, 'utf8')).split('\n').slice(-LAST_LINES).join('\n');
      throw new Error(`the test's own Docker Engine does not answer. Its last lines:\n${said}`, { cause });
    });
  }

  /** kill -9: no container is told. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.dockerd?.stop('SIGKILL', STOP_MS);
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
    await this.dockerd?.stop('SIGTERM', STOP_MS);
    await this.containerd?.stop('SIGTERM', STOP_MS);
    await this.holder?.stop('SIGKILL', STOP_MS);
    // dockerd unmounts what it can itself
    for (const mount of ['exec/netns/default', 'data']) await exec('umount', [this.path(mount)]).catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private async holdNamespace(): Promise<void> {
    const holder = await OwnProcess.start(this.program('netns', 'unshare', ['--net', 'sleep', '100000']));
    this.holder = holder;
    await ready(holder, NAMESPACE_READY_MS, async () => {
      // this process's own until unshare has made another
      const [its, ours] = await Promise.all([holder.pid, 'self'].map((who) => readlink(`/proc/${who}/ns/net`)));
      if (its === ours) throw new Error('there is no network namespace yet');
    });
    const { command, args, env } = this.inside('ip', ['link', 'set', 'lo', 'up']);
    await exec(command, args, { env });
  }

  private async startContainerd(): Promise<void> {
    const path = (name: string): string => JSON.stringify(this.path(name));
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
    await writeFile(this.path('containerd.toml'), `${settings.join('\n')}\n`);
    this.containerd = await OwnProcess.start(this.inside('containerd', ['--config', this.path('containerd.toml')]));
  }

  /** A program in the network namespace. */
  private inside(name: string, args: string[]): Program {
    return this.program(name, 'nsenter', ['-t', String(this.holder!.pid), '-n', name, ...args]);
  }

  private program(name: string, command: string, args: string[]): Program {
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const { logs = this.folder, apart } = this.options;
    return { name, command, args, env, logFile: join(logs, `${name}.log`), apart };
  }

  private path(name: string): string {
    return join(this.folder, name);
  }
}
