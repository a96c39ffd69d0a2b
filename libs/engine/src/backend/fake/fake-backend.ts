// A backend of plain processes of this machine, for scenarios that need control and no Docker. It isolates nothing: tests only.
// Steered by the image's name: `fake:missing` cannot be pulled, `fake:slow-pull` takes its time, `fake:unusable` has no shell.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import type { ComputeLimits } from '#core/compute-type.js';
import { Fault, PhaseFailure } from '#core/errors.js';
import {
  Backend,
  MAX_ASIDE_BYTES,
  Sandbox,
  type AsideEnd,
  type BackendHealth,
  type ExitState,
  type ImageInfo,
  type ImageRequest,
  type OutputPiece,
  type SandboxFile,
  type WalkChoice,
  type SandboxSpec,
} from '../backend.js';
import { diskSpaces, type DiskSpace } from '../disk-space.js';
import {
  handOver,
  keepRecord,
  makeControlFiles,
  readRecord,
  removeControlFiles,
  tellEvent,
  type ControlFiles,
} from '../spool/control-files.js';
import { eventLines, followSpool } from '../spool/spool.js';
import { entryOfWorkspace, walkWorkspace } from '../spool/workspace-files.js';

export class FakeBackend extends Backend {
  readonly sandboxes = new Map<string, FakeSandbox>();
  healthy = true;

  constructor(private readonly dir: string) {
    super();
  }

  async prepareImage(request: ImageRequest): Promise<ImageInfo> {
    this.mustAnswer();
    if (request.image === 'fake:missing') {
      throw new PhaseFailure(
        'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
        `Unable to pull customer's container image. ${request.image}: not found`,
      );
    }
    if (request.image === 'fake:slow-pull') await sleep(60_000, undefined, { signal: request.signal });
    return { id: request.image, digest: `${request.image}@sha256:fake` };
  }

  async create(spec: SandboxSpec): Promise<Sandbox> {
    if (spec.image.id === 'fake:unusable')
      throw new PhaseFailure('BUILD_CONTAINER_UNUSABLE', 'The image has no /bin/sh');
    await mkdir(this.dir, { recursive: true });
    const name = `${spec.buildId}-${spec.attempt}`;
    const files = await makeControlFiles(join(this.dir, name));
    await mkdir(join(files.dir, 'tmp'));
    const sandbox = new FakeSandbox(files, spec.limits, () => this.sandboxes.delete(name));
    this.sandboxes.set(name, sandbox);
    return sandbox;
  }

  /** Only what this object made: the processes of another are nobody's to find. */
  async adopt(owner: { buildId: string; attempt: number }): Promise<Sandbox | null> {
    this.mustAnswer();
    return this.sandboxes.get(`${owner.buildId}-${owner.attempt}`) ?? null;
  }

  async health(): Promise<BackendHealth> {
    return { ok: this.healthy, message: 'processes of this machine', cpus: cpus().length, memoryBytes: totalmem() };
  }

  async answers(): Promise<boolean> {
    return this.healthy;
  }

  async disks(): Promise<DiskSpace[]> {
    return diskSpaces({ "the worker's data folder": dirname(dirname(this.dir)) });
  }

  async sweep(keep: Parameters<Backend['sweep']>[0]): Promise<number> {
    let swept = 0;
    for (const [name, sandbox] of this.sandboxes) {
      const at = name.lastIndexOf('-');
      if (keep({ buildId: name.slice(0, at), attempt: Number(name.slice(at + 1)), workerId: '' })) continue;
      await sandbox.remove();
      swept += 1;
    }
    return swept;
  }

  private mustAnswer(): void {
    if (!this.healthy) throw new Fault('DOCKER_UNAVAILABLE', 'nobody answers', { retryable: true });
  }

  /** Ends everything; for the end of a test. */
  async clear(): Promise<void> {
    await this.sweep(() => false);
  }

  async close(): Promise<void> {
    // sandboxes are left as they are, as those of an engine are
  }
}

class FakeSandbox extends Sandbox {
  readonly id: string;
  readonly workspaceDir: string;
  readonly workspaceOurs = true;
  readonly buildRoot: string;
  readonly controlRoot: string;
  readonly tempDir: string;
  readonly ownProcesses = false;
  private readonly child: ChildProcess;
  private readonly exit: Promise<ExitState>;
  private exited: ExitState | null = null;

  constructor(
    private readonly files_: ControlFiles,
    readonly limits: ComputeLimits,
    private readonly forget: () => void,
  ) {
    super();
    this.id = files_.dir;
    this.workspaceDir = files_.workspace;
    this.buildRoot = files_.workspace;
    this.controlRoot = files_.dir;
    this.tempDir = join(files_.dir, 'tmp');
    this.child = spawn('/bin/sh', [files_.plan], {
      cwd: '/',
      detached: true,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: files_.workspace },
    });
    this.exit = new Promise((resolve) => {
      const end = (exitCode: number, error: string): void => {
        this.exited = { exitCode, outOfMemory: false, error };
        resolve(this.exited);
      };
      this.child.once('exit', (code) => end(code ?? 137, ''));
      this.child.once('error', (error) => end(127, error.message));
    });
  }

  start(script: string): Promise<void> {
    return handOver(this.files_, script, () => (this.exited === null ? null : `exit status ${this.exited.exitCode}`));
  }

  /** Unlike a container's, what it leaves running ends with it. */
  async runAside(script: string, signal: AbortSignal): Promise<AsideEnd> {
    signal.throwIfAborted();
    const child = spawn('/bin/sh', ['-c', script], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: this.files_.workspace },
    });
    const end = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      const exit = once(child, 'exit') as Promise<[number | null]>;
      const [output, errors, [code]] = await Promise.all([buffer(child.stdout), buffer(child.stderr), exit]);
      signal.throwIfAborted();
      return {
        exitCode: code ?? 137,
        output: output.subarray(0, MAX_ASIDE_BYTES),
        errors: errors.subarray(0, MAX_ASIDE_BYTES),
      };
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async freeze(): Promise<void> {
    this.signal('SIGSTOP');
  }

  keep(record: Buffer): Promise<void> {
    return keepRecord(this.files_, record);
  }

  kept(): Promise<Buffer | null> {
    return readRecord(this.files_);
  }

  output(from: number, signal: AbortSignal): AsyncIterable<OutputPiece> {
    return followSpool({ path: this.files_.output, from, ended: this.exit, signal });
  }

  release(): void {
    // what a scenario writes may lie until it is over
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
    this.signal('SIGKILL');
    await this.exit;
  }

  async pause(): Promise<void> {
    this.signal('SIGSTOP');
  }

  async resume(): Promise<void> {
    this.signal('SIGCONT');
  }

  async diskUsage(): Promise<number> {
    let bytes = 0;
    for await (const file of walkWorkspace(this.files_.workspace, '')) bytes += file.sizeBytes;
    return bytes;
  }

  files(dir: string, _signal: AbortSignal, choice?: WalkChoice): AsyncIterable<SandboxFile> {
    const inside = dir.startsWith(this.buildRoot) ? dir.slice(this.buildRoot.length) : null;
    return inside === null
      ? walkWorkspace(join(this.files_.dir, 'outside'), dir, choice)
      : walkWorkspace(this.files_.workspace, inside, choice);
  }

  async entry(path: string): Promise<SandboxFile | null> {
    const inside = path.startsWith(`${this.buildRoot}/`) ? path.slice(this.buildRoot.length) : null;
    return inside === null ? null : entryOfWorkspace(this.files_.workspace, inside);
  }

  /** Paths outside the workspace land in a folder beside it. */
  async unpack(dir: string, archive: NodeJS.ReadableStream): Promise<void> {
    const entries = archive.pipe(tar.extract());
    for await (const entry of entries) {
      const path = join('/', dir, entry.header.name);
      const target = path.startsWith(this.buildRoot) ? path : join(this.files_.dir, 'outside', path);
      if (entry.header.type === 'directory') await mkdir(target, { recursive: true });
      if (entry.header.type === 'file') {
        await mkdir(dirname(target), { recursive: true });
        await pipeline(entry, createWriteStream(target, { mode: entry.header.mode ?? 0o644 }));
      } else entry.resume();
    }
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.tempDir, { recursive: true, force: true });
    await removeControlFiles(this.files_);
    this.forget();
  }

  private signal(name: NodeJS.Signals): void {
    if (this.exited !== null || this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
