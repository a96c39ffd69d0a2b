// One build's container: made, started and waiting at its FIFO before anyone holds this object.
import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ComputeLimits } from '#core/compute-type.js';
import { Fault } from '#core/errors.js';
import { Sandbox, type ExitState, type OutputPiece, type SandboxFile } from '../backend.js';
import { BacklogGuard } from '../spool/backlog-guard.js';
import { handOver, keepRecord, readRecord, removeControlFiles, type ControlFiles } from '../spool/control-files.js';
import { eventLines, followSpool, HolePunch } from '../spool/spool.js';
import { walkWorkspace } from '../spool/workspace-files.js';
import { archiveFiles } from './archive-files.js';
import { engineFault, isUnreachable, statusOf, wordsOf } from './engine-errors.js';
import { BUILD_ROOT, CONTROL_ROOT, TEMP_DIR } from './host-config.js';
import { folderBytes } from './folder-bytes.js';

/** How long a worker waits for an engine that went away while a build's container ran, before it calls the container lost. */
export const ENGINE_AWAY_MS = 120_000;

/** How often a running container is looked at beside the engine's own word of its end. */
const LOOK_MS = 2_000;

export class DockerSandbox extends Sandbox {
  readonly id: string;
  readonly workspaceDir: string;
  readonly buildRoot = BUILD_ROOT;
  readonly controlRoot = CONTROL_ROOT;
  readonly tempDir = TEMP_DIR;
  readonly ownProcesses = true;
  private readonly exit: Promise<ExitState>;
  private exited: ExitState | null = null;
  private removed = false;
  private guard: BacklogGuard | null = null;
  private readonly holes: HolePunch;

  constructor(
    private readonly container: Docker.Container,
    private readonly files_: ControlFiles,
    readonly limits: ComputeLimits,
    private readonly options: { spoolLimitBytes: number; removeAsRoot: (dir: string) => Promise<void> },
  ) {
    super();
    this.id = container.id;
    this.workspaceDir = files_.workspace;
    // a file system without holes only keeps more of the output until the build has ended
    this.holes = new HolePunch(files_.output, () => undefined);
    this.exit = this.awaitExit();
    // heard by wait() and by the followers; nobody listening yet is no crash
    this.exit.catch(() => undefined);
  }

  async start(script: string): Promise<void> {
    await handOver(this.files_, script, () =>
      this.exited === null ? null : this.exited.error || `exit status ${this.exited.exitCode}`,
    );
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

  async *files(dir: string, signal: AbortSignal): AsyncGenerator<SandboxFile> {
    const path = posix.normalize(dir);
    const inside = posix.relative(BUILD_ROOT, path);
    const ours = process.getuid?.() === 0 && !inside.startsWith('..') && !posix.isAbsolute(inside);
    const found = ours ? walkWorkspace(this.files_.workspace, inside) : archiveFiles(this.container, path, signal);
    for await (const file of found) {
      signal.throwIfAborted();
      yield file;
    }
  }

  async unpack(dir: string, tar: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> {
    try {
      await this.container.putArchive(tar, { path: dir, abortSignal: signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw engineFault(error, `unpacking into ${dir} of the build container`);
    }
  }

  async remove(): Promise<void> {
    if (this.removed) return;
    await this.quietly('removing the build container', [404], () => this.container.remove({ force: true, v: true }));
    await rm(this.files_.workspace, { recursive: true, force: true }).catch(async (error: NodeJS.ErrnoException) => {
      // files of the container's root that this worker's user may not delete
      if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
      await this.options.removeAsRoot(this.files_.workspace);
    });
    await removeControlFiles(this.files_);
    this.removed = true;
  }

  /** The engine may be restarted while the container lives on (live-restore): ask again until it answers. */
  private async awaitExit(): Promise<ExitState> {
    let awaySince: number | null = null;
    for (;;) {
      try {
        await this.ended();
        const { State } = await this.container.inspect();
        this.exited = { exitCode: State.ExitCode, outOfMemory: State.OOMKilled, error: State.Error };
        return this.exited;
      } catch (error) {
        if (statusOf(error) === 404)
          throw new Fault('SANDBOX_LOST', 'The build container was removed while it ran', { cause: error });
        awaySince ??= Date.now();
        if (!isUnreachable(error) && statusOf(error) !== undefined)
          throw engineFault(error, 'waiting for the build container');
        if (Date.now() - awaySince > ENGINE_AWAY_MS) throw engineFault(error, 'waiting for the build container');
        await sleep(500);
      }
    }
  }

  /**
   * An answer to `wait` that an engine's death cuts short never ends for dockerode, so the container is looked at now and then
   * too. Errors: what either throws first.
   */
  private async ended(): Promise<void> {
    const over = new AbortController();
    const looking = async (): Promise<void> => {
      for (;;) {
        await sleep(LOOK_MS, undefined, { signal: over.signal });
        const { Status } = (await this.container.inspect()).State;
        if (Status === 'exited' || Status === 'dead') return;
      }
    };
    try {
      await Promise.race([this.container.wait({ abortSignal: over.signal }), looking()]);
    } finally {
      over.abort();
    }
  }

  /** Idempotent verbs: `fine` are the engine's answers that mean it was done already. */
  private async quietly(doing: string, fine: number[], act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const status = statusOf(error);
      if (status !== undefined && fine.includes(status)) return;
      if (status === 500 && /is not running|No such container|already in progress/i.test(wordsOf(error))) return;
      throw engineFault(error, doing);
    }
  }
}
