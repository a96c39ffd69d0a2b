// A Docker Engine as if on a host of its own, for tests of several hosts: its own data root, exec root, socket and network namespace,
// so that its bridges and firewall rules meet nobody else's.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { until } from './until.js';

const STOP_MS = 20_000;

export class OwnEngine {
  private constructor(
    readonly folder: string,
    readonly socket: string,
    readonly docker: Docker,
    private readonly process: ChildProcess,
  ) {}

  /** Needs root. Paths are short: sockets of the engine's helpers have few characters. Errors: the engine's last words. */
  static async start(): Promise<OwnEngine> {
    const folder = await mkdtemp('/tmp/kiln-host-');
    const socket = join(folder, 'docker.sock');
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'daemon.json'), '{}\n');
    const args = [
      ...['--host', `unix://${socket}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'docker.pid'), '--config-file', join(folder, 'daemon.json'), '--group', 'root'],
    ];
    const log = join(folder, 'dockerd.log');
    const out = openSync(log, 'w');
    const inside = 'ip link set lo up && exec dockerd "$@"';
    const child = spawn('unshare', ['--net', 'sh', '-c', inside, 'dockerd', ...args], { stdio: ['ignore', out, out] });
    closeSync(out);
    const engine = new OwnEngine(folder, socket, new Docker({ socketPath: socket }), child);
    try {
      await until('the engine answers', async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended:\n${(await readFile(log, 'utf8')).slice(-2_000)}`);
        return engine.docker.ping().then(
          () => true,
          () => false, // not there yet
        );
      });
    } catch (error) {
      await engine.stop();
      throw error;
    }
    return engine;
  }

  /** Copies an image from another engine. */
  async take(image: string, from: Docker): Promise<void> {
    const loading = await this.docker.loadImage(await from.getImage(image).get());
    await new Promise<void>((resolve, reject) => {
      this.docker.modem.followProgress(loading, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends the engine with all its containers and removes its files. */
  async stop(): Promise<void> {
    const containers = await this.docker.listContainers({ all: true }).catch(() => []); // it may never have come up
    for (const { Id } of containers) await this.docker.getContainer(Id).remove({ force: true });
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill('SIGTERM');
      const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(late);
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
