// Builds as containers of a Docker Engine on this host.
import { rm, stat } from 'node:fs/promises';
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
import {
  claimControlFiles,
  controlFilesIn,
  linkEarlierName,
  makeControlFiles,
  noteContainer,
  notedContainer,
  removeControlFiles,
  type ControlFiles,
} from '../spool/control-files.js';
import { BackgroundWork } from './background-work.js';
import { exitOf } from './container-exit.js';
import { DockerSandbox, type SandboxOptions } from './docker-sandbox.js';
import { EngineAgent } from './engine-agent.js';
import { engineFault, statusOf, wordsOf } from './engine-errors.js';
import { EngineEvents } from './engine-events.js';
import { LABEL, containerName, containerOptions, type HostFacts } from './host-config.js';
import { DockerImages, type ImagesOptions } from './images.js';
import { KnownImages } from './known-images.js';
import { DockerLeftovers } from './leftovers.js';
import { buildNetwork, ensureNetwork, layFirewall, type BuildNetwork, type FirewallState } from './network.js';
import { PulledImages } from './pulled-images.js';
import { sweepEngine } from './sweep-engine.js';
import { WaitingContainers, type WaitingSettings } from './waiting-containers.js';
import { WorkerMark } from './worker-mark.js';

/** Of a container that is only found again to be removed. */
const NO_LIMITS: ComputeLimits = { cpus: 0, memoryBytes: 0, diskBytes: 0, pids: 0 };
/** Sandboxes that are taken away at once behind the backs of builds that are over. */
const REMOVALS = 4;

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
  /** Containers made before anyone asks for them; none when left out. */
  waiting?: WaitingSettings;
  /** Told of what failed behind everybody's back: a sandbox that could not be taken away. The sweep tries again. */
  onError?: (error: unknown) => void;
}

export class DockerBackend extends Backend {
  readonly docker: Docker;
  /** What this Kilnyard leaves on the engine beside its builds' containers. */
  readonly leftovers: DockerLeftovers;
  private readonly pulled: PulledImages;
  private readonly network: BuildNetwork;
  /** As the engine told it last. */
  private engineRoot: string | null = null;
  private firewall: FirewallState = { inForce: false, message: 'not laid yet' };
  private ready: Promise<{ cpus: number }> | null = null;
  private readonly events: EngineEvents;
  private readonly images: DockerImages;
  private readonly known: KnownImages;
  private readonly waiting: WaitingContainers | null;
  private readonly removals: BackgroundWork;
  private mark: Promise<WorkerMark> | null = null;
  private made = 0;

  constructor(private readonly options: DockerBackendOptions) {
    super();
    this.docker = new Docker({ ...socketOptions(options.socket), agent: new EngineAgent() } as Docker.DockerOptions);
    this.network = buildNetwork(options.network);
    this.events = new EngineEvents(this.docker);
    const dataDir = dirname(options.sandboxesDir);
    this.pulled = new PulledImages(join(dataDir, 'pulled-images'));
    const privateImagesFile = join(dataDir, 'private-images');
    this.images = new DockerImages(this.docker, { privateImagesFile, pulled: this.pulled, ...options.images });
    this.known = new KnownImages(this.events, {
      inspect: (name) => this.images.free(name),
      onMoved: (from, to) => this.waiting?.imageMoved(from, to),
    });
    this.removals = new BackgroundWork({ limit: REMOVALS, onError: options.onError ?? (() => undefined) });
    this.waiting = this.poolOf(options);
    this.leftovers = new DockerLeftovers(this.docker, { ...options, pulled: this.pulled });
  }

  /** Containers that wait for a build now. */
  get waitingContainers(): number {
    return this.waiting?.ready ?? 0;
  }

  async prepareImage(request: ImageRequest): Promise<ImageInfo> {
    for (;;) {
      const info = await this.findOrPull(request);
      // one that the cleanup was just removing is gone: it comes again
      if (await this.pulled.use(info.id)) return info;
      this.known.forget();
    }
  }

  private async findOrPull(request: ImageRequest): Promise<ImageInfo> {
    if (request.policy !== 'ALWAYS') {
      const free = this.known.get(request.image) ?? (await this.known.look(request.image));
      if (free !== null) return free;
    }
    return this.images.prepare(request);
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    await this.prepare();
    const dir = join(this.options.sandboxesDir, `${spec.buildId}-${spec.attempt}`);
    const use = spec.privileged ? null : await this.waiting?.take(spec, dir);
    const onRemoved = use?.end;
    if (use?.taken) {
      const { container, files, settled } = use.taken;
      const again = (): Promise<Docker.Container> => this.makeAgain(spec, container, files);
      const sandbox = this.sandbox(container, files, spec, { again, settled, onRemoved });
      if (!signal.aborted) return sandbox;
      await sandbox.remove();
      throw signal.reason;
    }
    try {
      const { container, files } = await this.makeNew(spec, dir, signal);
      return this.sandbox(container, files, spec, { onRemoved });
    } catch (error) {
      use?.failed();
      throw error;
    }
  }

  /** A container for a build that found none waiting. */
  private async makeNew(
    spec: SandboxSpec,
    dir: string,
    signal: AbortSignal,
  ): Promise<{ container: Docker.Container; files: ControlFiles }> {
    const unnamed = await makeControlFiles(join(this.options.sandboxesDir, await this.newName()));
    const files = await claimControlFiles(unnamed, dir).catch(async (error: unknown) => {
      await removeControlFiles(unnamed);
      throw error;
    });
    try {
      return { container: await this.startNew(spec, files, signal), files };
    } catch (error) {
      await removeControlFiles(files);
      throw error;
    }
  }

  private async startNew(spec: SandboxSpec, files: ControlFiles, signal?: AbortSignal): Promise<Docker.Container> {
    let container: Docker.Container | null = null;
    try {
      container = await this.docker.createContainer(containerOptions(spec, { ...(await this.host()), files }));
      signal?.throwIfAborted();
      await container.start();
      return container;
    } catch (error) {
      // an engine that went away is what is told; the sweep takes away what it still has
      await container?.remove({ force: true, v: true }).catch(() => undefined);
      if (signal?.aborted) throw signal.reason;
      throw this.cannotStart(error);
    }
  }

  /** In place of a container that died while it waited, over the same control files: the source may lie in them already. */
  private async makeAgain(spec: SandboxSpec, dead: Docker.Container, files: ControlFiles): Promise<Docker.Container> {
    await dead.remove({ force: true, v: true }).catch((error: unknown) => {
      if (statusOf(error) !== 404) throw engineFault(error, 'removing a container that died while it waited');
    });
    const container = await this.startNew(spec, files);
    const note = await notedContainer(files);
    if (note !== null) await noteContainer(files, { ...note, containerId: container.id });
    return container;
  }

  async adopt(owner: { buildId: string; attempt: number; limits: ComputeLimits }): Promise<Sandbox | null> {
    const files = controlFilesIn(join(this.options.sandboxesDir, `${owner.buildId}-${owner.attempt}`));
    const folder = await stat(files.output).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (folder === null) return null;
    const note = await notedContainer(files);
    // one that waited may not have its build's name yet
    const container = this.docker.getContainer(note?.containerId ?? containerName(owner.buildId, owner.attempt));
    try {
      const { Id, Image, State } = await container.inspect();
      if (note !== null) await linkEarlierName(files, note.madeAs);
      // paused by the backlog of a reader that is gone; the next one pauses it again when it must
      if (State.Paused) await container.unpause();
      return this.sandbox(this.docker.getContainer(Id), files, { image: { id: Image }, limits: owner.limits });
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
      const what = `docker ${version.Version}, runc ${runtime}; ${this.firewall.message}`;
      const ok = this.firewall.inForce || !this.options.requireFirewall;
      this.engineRoot = seen.DockerRootDir;
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
    const dir = this.options.sandboxesDir;
    return sweepEngine({
      dir,
      containers: await this.ours(),
      keep,
      remove: async ({ Id, ImageID }, folder) => {
        const container = this.docker.getContainer(Id);
        // a helper has no folder; the name of none is free to be removed
        const files = controlFilesIn(join(dir, folder ?? `none-${Id}`));
        await this.sandbox(container, files, { image: { id: ImageID }, limits: NO_LIMITS }).remove();
      },
    });
  }

  /** Takes away what waits; what builds use is left as it is, and no longer looked at. Nothing keeps the process then. */
  async close(): Promise<void> {
    this.known.close();
    try {
      await this.waiting?.close();
      await this.removals.idle();
    } finally {
      await this.events.close();
      const mark = await this.mark;
      this.mark = null;
      await mark?.close();
    }
  }

  private poolOf({ waiting, sandboxesDir }: DockerBackendOptions): WaitingContainers | null {
    if (waiting === undefined || waiting.max === 0) return null;
    return new WaitingContainers({
      docker: this.docker,
      events: this.events,
      settings: waiting,
      dir: sandboxesDir,
      host: () => this.host(),
      newName: () => this.newName(),
    });
  }

  private async host(): Promise<Omit<HostFacts, 'files'>> {
    const { cpus } = await this.prepare();
    return { instance: this.options.instance, network: this.network.name, cpus };
  }

  /** Of a control folder that has no owner yet: the mark in it tells the sweep of another worker that this one lives. */
  private async newName(): Promise<string> {
    this.mark ??= WorkerMark.make(this.options.sandboxesDir).catch((error: unknown) => {
      this.mark = null;
      throw error;
    });
    this.made += 1;
    const number = this.made;
    return `waiting-${(await this.mark).id}-${number}`;
  }

  private async ours(): Promise<Docker.ContainerInfo[]> {
    const label = [`${LABEL.instance}=${this.options.instance}`];
    try {
      return await this.docker.listContainers({ all: true, filters: { label } });
    } catch (error) {
      throw engineFault(error, 'listing containers');
    }
  }

  private sandbox(
    container: Docker.Container,
    files: ControlFiles,
    spec: { image: { id: string }; limits: ComputeLimits },
    more: Pick<SandboxOptions, 'again' | 'settled' | 'onRemoved'> = {},
  ): DockerSandbox {
    return new DockerSandbox(container, files, spec.limits, {
      spoolLimitBytes: this.options.spoolLimitBytes,
      removeAsRoot: (dir) => this.removeAsRoot(dir, spec.image.id),
      exitOf: (one) => exitOf(one, this.events),
      background: this.removals,
      ...more,
    });
  }

  /** For a worker that is not root: a container of the build's own image deletes what the build's root made. */
  private async removeAsRoot(dir: string, image: string): Promise<void> {
    const sweeper = await this.docker.createContainer({
      Image: image,
      Entrypoint: ['/bin/sh', '-c', 'rm -rf /kilnyard/* /kilnyard/.[!.]*'],
      Cmd: [],
      User: '0:0',
      Labels: { [LABEL.instance]: this.options.instance, [LABEL.helper]: 'remover' },
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
    const { instance, deny, firewallImage } = this.options;
    await ensureNetwork(this.docker, this.network, instance);
    this.firewall = await layFirewall(this.docker, this.network, deny, { image: firewallImage, instance });
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
