// Builds as containers of a Docker Engine on this host.
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Docker from 'dockerode';
import type { ComputeLimits } from '#core/compute-type.js';
import { PhaseFailure } from '#core/errors.js';
import {
  Backend,
  type BackendHealth,
  type ImageInfo,
  type ImageRequest,
  type Sandbox,
  type SandboxSpec,
} from '../backend.js';
import { diskSpaces, type DiskSpace } from '../disk-space.js';
import { controlFilesIn, makeControlFiles, removeControlFiles, type ControlFiles } from '../spool/control-files.js';
import { DockerSandbox } from './docker-sandbox.js';
import { engineFault, statusOf, wordsOf } from './engine-errors.js';
import { DockerImages, type ImagesOptions } from './images.js';
import { LABEL, containerName, containerOptions } from './host-config.js';
import { buildNetwork, ensureNetwork, layFirewall, type BuildNetwork, type FirewallState } from './network.js';

/** Of a container that is only found again to be removed. */
const NO_LIMITS: ComputeLimits = { cpus: 0, memoryBytes: 0, diskBytes: 0, pids: 0 };

/** An engine that does not answer a ping for so long is away. */
const PING_MS = 5_000;

export interface DockerBackendOptions {
  /** `/var/run/docker.sock`, `unix:///…` or `tcp://host:port`. */
  socket: string;
  /** Folder on the worker's disk for control files and workspaces; the engine must see it under the same path. */
  sandboxesDir: string;
  /** Tells this Kilnyard's containers from another's on the same engine. */
  instance: string;
  network: string;
  /** CIDRs that no build may reach. */
  deny: readonly string[];
  /** Count the engine as unusable while the firewall is not in force. */
  requireFirewall: boolean;
  /** An image that the operator trusts with the host; used where this process may not lay the firewall itself. */
  firewallImage: string;
  spoolLimitBytes: number;
  /** Where they are not the defaults. */
  images?: Partial<ImagesOptions>;
}

export class DockerBackend extends Backend {
  readonly docker: Docker;
  private readonly network: BuildNetwork;
  private readonly images: DockerImages;
  /** As the engine told it last. */
  private engineRoot: string | null = null;
  private firewall: FirewallState = { inForce: false, message: 'not laid yet' };
  private ready: Promise<{ cpus: number }> | null = null;

  constructor(private readonly options: DockerBackendOptions) {
    super();
    this.docker = new Docker(socketOptions(options.socket));
    this.network = buildNetwork(options.network);
    const privateImagesFile = join(dirname(options.sandboxesDir), 'private-images');
    this.images = new DockerImages(this.docker, { privateImagesFile, ...options.images });
  }

  prepareImage(request: ImageRequest): Promise<ImageInfo> {
    return this.images.prepare(request);
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { cpus } = await this.prepare();
    await mkdir(this.options.sandboxesDir, { recursive: true, mode: 0o711 });
    const files = await makeControlFiles(join(this.options.sandboxesDir, `${spec.buildId}-${spec.attempt}`));
    const host = { instance: this.options.instance, network: this.network.name, cpus, files };
    let container: Docker.Container | null = null;
    try {
      container = await this.docker.createContainer(containerOptions(spec, host));
      signal.throwIfAborted();
      await container.start();
    } catch (error) {
      await container?.remove({ force: true, v: true });
      await removeControlFiles(files);
      if (signal.aborted) throw signal.reason;
      throw this.cannotStart(error);
    }
    return this.sandbox(container, files, spec.image.id, spec.limits);
  }

  async adopt(owner: { buildId: string; attempt: number; limits: ComputeLimits }): Promise<Sandbox | null> {
    const files = controlFilesIn(join(this.options.sandboxesDir, `${owner.buildId}-${owner.attempt}`));
    const folder = await stat(files.output).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (folder === null) return null;
    const container = this.docker.getContainer(containerName(owner.buildId, owner.attempt));
    try {
      const { Id, Image, State } = await container.inspect();
      // paused by the backlog of a reader that is gone; the next one pauses it again when it must
      if (State.Paused) await container.unpause();
      return this.sandbox(this.docker.getContainer(Id), files, Image, owner.limits);
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw engineFault(error, 'looking for the build container');
    }
  }

  async health(): Promise<BackendHealth> {
    try {
      const [info, version] = await Promise.all([this.docker.info(), this.docker.version(), this.prepare()]);
      const runtime = version.Components?.find((part) => part.Name === 'runc')?.Version ?? 'unknown';
      const seen = info as { NCPU: number; MemTotal: number; DockerRootDir: string };
      this.engineRoot = seen.DockerRootDir;
      const what = `docker ${version.Version}, runc ${runtime}; ${this.firewall.message}`;
      const ok = this.firewall.inForce || !this.options.requireFirewall;
      // an image or a right that was missing may be there now
      if (!this.firewall.inForce) this.ready = null;
      return { ok, message: what, cpus: seen.NCPU, memoryBytes: seen.MemTotal };
    } catch (error) {
      this.ready = null;
      return { ok: false, message: engineFault(error, 'asking the Docker Engine').message, cpus: 0, memoryBytes: 0 };
    }
  }

  answers(): Promise<boolean> {
    const options = {
      path: '/_ping',
      method: 'GET',
      statusCodes: { 200: true },
      abortSignal: AbortSignal.timeout(PING_MS),
    };
    return new Promise((resolve) => this.docker.modem.dial(options, (error) => resolve(error === null)));
  }

  async disks(): Promise<DiskSpace[]> {
    return diskSpaces({
      "the worker's data folder": dirname(this.options.sandboxesDir),
      ...(this.engineRoot === null ? {} : { "the Docker Engine's folder": this.engineRoot }),
    });
  }

  async sweep(keep: Parameters<Backend['sweep']>[0]): Promise<number> {
    let swept = 0;
    const owned = new Set<string>();
    for (const { Id, ImageID, Labels } of await this.ours()) {
      const owner = {
        buildId: Labels[LABEL.build] ?? '',
        attempt: Number(Labels[LABEL.attempt]),
        workerId: Labels[LABEL.worker] ?? '',
      };
      owned.add(`${owner.buildId}-${owner.attempt}`);
      if (keep(owner)) continue;
      const files = controlFilesIn(join(this.options.sandboxesDir, `${owner.buildId}-${owner.attempt}`));
      await this.sandbox(this.docker.getContainer(Id), files, ImageID, NO_LIMITS).remove();
      swept += 1;
    }
    return swept + (await this.sweepFolders(owned, keep));
  }

  async close(): Promise<void> {
    // dockerode keeps no connection of its own
  }

  private async ours(): Promise<Docker.ContainerInfo[]> {
    const label = `${LABEL.instance}=${this.options.instance}`;
    try {
      return await this.docker.listContainers({ all: true, filters: { label: [label] } });
    } catch (error) {
      throw engineFault(error, 'listing containers');
    }
  }

  /** Folders whose container is gone: the worker died between making one and the other. */
  private async sweepFolders(owned: Set<string>, keep: Parameters<Backend['sweep']>[0]): Promise<number> {
    const names = await readdir(this.options.sandboxesDir).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    let swept = 0;
    for (const name of names) {
      const [, buildId, attempt] = /^([0-9a-f-]{36})-(\d+)$/.exec(name) ?? [];
      if (buildId === undefined || owned.has(name) || keep({ buildId, attempt: Number(attempt), workerId: '' }))
        continue;
      await removeControlFiles(controlFilesIn(join(this.options.sandboxesDir, name)));
      swept += 1;
    }
    return swept;
  }

  private sandbox(
    container: Docker.Container,
    files: ControlFiles,
    imageId: string,
    limits: ComputeLimits,
  ): DockerSandbox {
    return new DockerSandbox(container, files, limits, {
      spoolLimitBytes: this.options.spoolLimitBytes,
      removeAsRoot: (dir) => this.removeAsRoot(dir, imageId),
    });
  }

  /** For a worker that is not root: a container of the build's own image deletes what the build's root made. */
  private async removeAsRoot(dir: string, image: string): Promise<void> {
    const sweeper = await this.docker.createContainer({
      Image: image,
      Entrypoint: ['/bin/sh', '-c', 'rm -rf /kilnyard/* /kilnyard/.[!.]*'],
      Cmd: [],
      User: '0:0',
      Labels: { [LABEL.instance]: this.options.instance },
      HostConfig: {
        NetworkMode: 'none',
        CapDrop: ['ALL'],
        CapAdd: ['DAC_OVERRIDE', 'FOWNER'],
        SecurityOpt: ['no-new-privileges'],
        Mounts: [{ Type: 'bind', Source: dir, Target: '/kilnyard' }],
      },
    });
    try {
      await sweeper.start();
      await sweeper.wait();
    } catch (error) {
      throw engineFault(error, `deleting ${dir}`);
    } finally {
      await sweeper.remove({ force: true });
    }
    await rm(dir, { recursive: true, force: true });
  }

  private prepare(): Promise<{ cpus: number }> {
    this.ready ??= this.prepareEngine().catch((error: unknown) => {
      this.ready = null;
      throw engineFault(error, 'preparing the Docker Engine');
    });
    return this.ready;
  }

  private async prepareEngine(): Promise<{ cpus: number }> {
    const info = (await this.docker.info()) as { NCPU: number };
    await ensureNetwork(this.docker, this.network);
    this.firewall = await layFirewall(this.docker, this.network, this.options.deny, this.options.firewallImage);
    return { cpus: info.NCPU };
  }

  private cannotStart(error: unknown): Error {
    const words = wordsOf(error);
    if (/exec.*\/bin\/sh|no such file or directory.*\/bin\/sh|"\/bin\/sh"/.test(words)) {
      return unusable('The image has no /bin/sh, which a build needs to run its commands', error);
    }
    if (statusOf(error) === 400 || /invalid|not supported/i.test(words)) return unusable(words, error);
    return engineFault(error, 'starting the build container');
  }
}

function unusable(message: string, cause: unknown): PhaseFailure {
  return new PhaseFailure('BUILD_CONTAINER_UNUSABLE', message, { cause });
}

function socketOptions(socket: string): Docker.DockerOptions {
  if (!socket.startsWith('tcp://')) return { socketPath: socket.replace(/^unix:\/\//, '') };
  const url = new URL(socket);
  return { host: url.hostname, port: Number(url.port || 2375), protocol: 'http' };
}
