// One build's container: made, started and waiting at its FIFO before anyone holds this object.
import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import type Docker from 'dockerode';
import type { ComputeLimits } from '#core/compute-type.js';
import { Fault } from '#core/errors.js';
import {
  Sandbox,
  type AsideEnd,
  type ExitState,
  type OutputPiece,
  type SandboxFile,
  type WalkChoice,
} from '../backend.js';
import { BacklogGuard } from '../spool/backlog-guard.js';
import {
  handOver,
  keepRecord,
  readRecord,
  removeControlFiles,
  tellEvent,
  type ControlFiles,
} from '../spool/control-files.js';
import { eventLines, followSpool, HolePunch } from '../spool/spool.js';
import { entryOfWorkspace, walkWorkspace } from '../spool/workspace-files.js';
import { archiveFiles } from './archive-files.js';
import type { BackgroundWork } from './background-work.js';
import { engineFault, statusOf, wordsOf } from './engine-errors.js';
import { BUILD_ROOT, CONTROL_ROOT, TEMP_DIR } from './host-config.js';
import { runAside } from './run-aside.js';
import { folderBytes } from './folder-bytes.js';

/** Words of the engine that mean that what was asked for is so already, or is being done. */
const DONE = /is not running|No such container|already in progress/i;

export interface SandboxOptions {
  spoolLimitBytes: number;
  removeAsRoot: (dir: string) => Promise<void>;
  /** Resolves when the container has ended. Errors: Fault SANDBOX_LOST, DOCKER_UNAVAILABLE. */
  exitOf: (container: Docker.Container) => Promise<ExitState>;
  /** Makes a container anew over the same control files; only for one that was made before its build was known. */
  again?: () => Promise<Docker.Container>;
  background: BackgroundWork;
  /** Awaited before the container is removed. */
  settled?: () => Promise<void>;
  /** Told once, when it is removed. */
  onRemoved?: () => void;
}

export class DockerSandbox extends Sandbox {
  readonly workspaceDir: string;
  readonly workspaceOurs = process.getuid?.() === 0;
  readonly buildRoot = BUILD_ROOT;
  readonly controlRoot = CONTROL_ROOT;
  readonly tempDir = TEMP_DIR;
  readonly ownProcesses = true;
  private exit: Promise<ExitState>;
  private exited: ExitState | null = null;
  /** Something of the build lies in the container's own layer. */
  private unpacked = false;
  private removed = false;
  private guard: BacklogGuard | null = null;
  private readonly holes: HolePunch;

  constructor(
    private container: Docker.Container,
    private readonly files_: ControlFiles,
    readonly limits: ComputeLimits,
    private readonly options: SandboxOptions,
  ) {
    super();
    this.workspaceDir = files_.workspace;
    // a file system without holes only keeps more of the output until the build has ended
    this.holes = new HolePunch(files_.output, () => undefined);
    this.exit = this.awaitExit();
  }

  get id(): string {
    return this.container.id;
  }

  async start(script: string): Promise<void> {
    const gone = (): string | null =>
      this.exited === null ? null : this.exited.error || `exit status ${this.exited.exitCode}`;
    try {
      await handOver(this.files_, script, gone);
    } catch (error) {
      // it died while it waited: the build has run nothing yet, and gets a new one
      if (this.options.again === undefined || this.unpacked || this.exited === null) throw error;
      this.container = await this.options.again();
      this.exited = null;
      this.exit = this.awaitExit();
      await handOver(this.files_, script, gone);
    }
  }

  runAside(script: string, signal: AbortSignal): Promise<AsideEnd> {
    return runAside(this.container, script, signal);
  }

  async freeze(): Promise<void> {
    try {
      await this.container.pause();
    } catch (error) {
      throw engineFault(error, 'pausing the build container');
    }
    const { State } = await this.container.inspect();
    if (!State.Paused) throw new Fault('INTERNAL', 'the engine paused the build container, and it is not paused');
  }

  keep(record: Buffer): Promise<void> {
    return keepRecord(this.files_, record);
  }

  kept(): Promise<Buffer | null> {
    return readRecord(this.files_);
  }

  async *output(from: number, signal: AbortSignal): AsyncGenerator<OutputPiece> {
    const guard = new BacklogGuard({
      path: this.files_.output,
      limitBytes: this.options.spoolLimitBytes,
      pause: () => this.pause(),
      resume: () => this.resume(),
      onError: () => undefined, // the follower meets the same trouble and tells it
    });
    this.guard = guard;
    this.release(from);
    try {
      yield* followSpool({ path: this.files_.output, from, ended: this.exit, signal });
    } finally {
      guard.stop();
    }
  }

  release(position: number): void {
    this.guard?.reached(position);
    this.holes.release(position);
  }

  events(signal: AbortSignal): AsyncIterable<string> {
    return eventLines(followSpool({ path: this.files_.events, from: 0, ended: this.exit, signal }));
  }

  tell(line: string): Promise<void> {
    return tellEvent(this.files_, line);
  }

  wait(): Promise<ExitState> {
    return this.exit;
  }

  async kill(): Promise<void> {
    if (this.exited !== null) return;
    await this.quietly('stopping the build container', [404, 409], () => this.container.kill());
  }

  async pause(): Promise<void> {
    await this.quietly('pausing the build container', [404, 409, 500], () => this.container.pause());
  }

  async resume(): Promise<void> {
    await this.quietly('resuming the build container', [404, 409, 500], () => this.container.unpause());
  }

  async diskUsage(): Promise<number> {
    const [workspace, layer] = await Promise.all([
      folderBytes(this.files_.workspace),
      this.container
        .inspect({ size: true } as Docker.ContainerInspectOptions)
        .then((seen) => (seen as { SizeRw?: number }).SizeRw ?? 0),
    ]);
    return workspace + layer;
  }

  async *files(dir: string, signal: AbortSignal, choice?: WalkChoice): AsyncGenerator<SandboxFile> {
    const path = posix.normalize(dir);
    const inside = posix.relative(BUILD_ROOT, path);
    const ours = this.workspaceOurs && !inside.startsWith('..') && !posix.isAbsolute(inside);
    const found = ours
      ? walkWorkspace(this.files_.workspace, inside, choice)
      : archiveFiles(this.container, path, signal);
    for await (const file of found) {
      signal.throwIfAborted();
      yield file;
    }
  }

  async entry(path: string): Promise<SandboxFile | null> {
    const inside = posix.relative(BUILD_ROOT, posix.normalize(path));
    if (!this.workspaceOurs || inside.startsWith('..') || posix.isAbsolute(inside)) return null;
    return entryOfWorkspace(this.files_.workspace, inside);
  }

  async unpack(dir: string, tar: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> {
    this.unpacked = true;
    try {
      await this.container.putArchive(tar, { path: dir, abortSignal: signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw engineFault(error, `unpacking into ${dir} of the build container`);
    }
  }

  override discard(): Promise<void> {
    return this.options.background.begin(() => this.remove());
  }

  async remove(): Promise<void> {
    if (this.removed) return;
    await this.options.settled?.();
    await this.quietly('removing the build container', [404], () => this.container.remove({ force: true, v: true }));
    await rm(this.files_.workspace, { recursive: true, force: true }).catch(async (error: NodeJS.ErrnoException) => {
      // files of the container's root that this worker's user may not delete
      if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
      await this.options.removeAsRoot(this.files_.workspace);
    });
    await removeControlFiles(this.files_);
    if (!this.removed) this.options.onRemoved?.();
    this.removed = true;
  }

  private awaitExit(): Promise<ExitState> {
    const { container } = this;
    const exit = this.options.exitOf(container).then((state) => {
      if (this.container === container) this.exited = state;
      return state;
    });
    // heard by wait() and by the followers; nobody listening yet is no crash
    exit.catch(() => undefined);
    return exit;
  }

  /** Idempotent verbs: `fine` are the engine's answers that mean it was done already. */
  private async quietly(doing: string, fine: number[], act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const status = statusOf(error);
      if (status !== undefined && fine.includes(status)) return;
      // 409: another worker's sweep, or our own, takes it away at the same time
      if ((status === 500 || status === 409) && DONE.test(wordsOf(error))) return;
      throw engineFault(error, doing);
    }
  }
}
