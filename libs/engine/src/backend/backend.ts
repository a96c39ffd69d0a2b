// The contract of a place where builds run. Two implementations: docker/ (the product) and fake/ (processes of this machine, for
// scenarios that need control); backend.contract.ts holds both to it.
//
// Call order for one build: prepareImage -> create -> (runAside, freeze, resume)* -> keep -> start -> (output, release, events, tell, wait, kill, pause, resume in
// any order) -> files* -> remove. kill, pause, resume and remove are idempotent. remove may be called at any time and ends everything else.
// Another process goes on with a sandbox by adopt -> kept -> output from where the log was stored.
import type { ComputeLimits } from '#core/compute-type.js';
import type { DiskSpace } from './disk-space.js';
import type { ImagePullPolicy } from '#core/project.js';

export interface ImageInfo {
  /** What the container is made from: an image id (`sha256:…`), so that a tag that moves meanwhile changes nothing. */
  id: string;
  /** Repo digest where the image has one, else the id: what a build records. */
  digest: string;
}

export interface ImageRequest {
  image: string;
  /** Basic credentials of its registry: the project's own. */
  auth?: { username: string; password: string };
  /** ALWAYS: what the tag means in its registry now. IF_NOT_PRESENT (default): what is here, where it is. */
  policy?: ImagePullPolicy;
  /** For the build's log. */
  say: (text: string) => void;
  signal: AbortSignal;
}

export interface SandboxSpec {
  /** Labels its owner: `<build uuid>`, attempt, worker. A second create for the same build and attempt is refused. */
  buildId: string;
  attempt: number;
  workerId: string;
  projectName: string;
  image: ImageInfo;
  limits: ComputeLimits;
  privileged: boolean;
}

export interface ExitState {
  /** Of the sandbox's first process; 137 after a kill. */
  exitCode: number;
  /** The kernel killed something in it for want of memory. */
  outOfMemory: boolean;
  /** Empty, or the engine's own words when the start failed. */
  error: string;
}

/** A piece of a sandbox's output. */
export interface OutputPiece {
  /** Offset of its first byte. It leaps where the build cut or refilled its own output file: what lay between is lost. */
  at: number;
  /** Valid until the next piece is asked for. */
  bytes: Buffer;
}

/** A file of the sandbox, seen from the worker. */
export interface SandboxFile {
  /** Relative to the folder asked for, `/`-separated, never with `..`. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  mode: number;
  /** Bytes; 0 for anything but a file. */
  sizeBytes: number;
  mtime: Date;
  /** A symlink's target as written. */
  linkTarget?: string;
  /** The bytes; only for a file, at most once, and before the next file is asked for. */
  open(): Promise<NodeJS.ReadableStream>;
}

/** Of what a script beside the build writes to one stream. */
export const MAX_ASIDE_BYTES = 64 * 1024;

export interface AsideEnd {
  exitCode: number;
  output: Buffer;
  errors: Buffer;
}

/** What of a walk is wanted; asked by path, as it is told. Folders are told all the same, and so may files be. */
export interface WalkChoice {
  /** Is what is in this folder wanted? */
  enters(folder: string): boolean;
  /** Is this file wanted? */
  wants(file: string): boolean;
}

export abstract class Sandbox {
  /** The engine's id of it. */
  abstract readonly id: string;
  /** As asked for. */
  abstract readonly limits: ComputeLimits;
  /** Folder on the worker's disk that is `buildRoot` inside: the source goes in here before start. */
  abstract readonly workspaceDir: string;
  /** This process may read all that is in workspaceDir, and give what it puts there any owner and mode. */
  abstract readonly workspaceOurs: boolean;
  /** Where workspaceDir is mounted inside: `/codebuild/output`. */
  abstract readonly buildRoot: string;
  /** Where the control files are inside: `/kilnyard`. */
  abstract readonly controlRoot: string;
  /** Folder inside for the carried environment; memory where the backend can. */
  abstract readonly tempDir: string;
  /** True when the processes inside are all its own, so that the script may end them. */
  abstract readonly ownProcesses: boolean;

  /** Keeps a record beside the control files, out of the sandbox's reach; replaces an earlier one as a whole. For whoever adopts it. */
  abstract keep(record: Buffer): Promise<void>;
  /** What was kept last, or null. */
  abstract kept(): Promise<Buffer | null>;
  /**
   * Runs a script by /bin/sh beside the first process, which waits for its own: before start alone. What it leaves running runs on.
   * Out: what it wrote, each stream cut at MAX_ASIDE_BYTES. Errors: Fault of the engine; the signal's reason, and the script may run on then.
   */
  abstract runAside(script: string, signal: AbortSignal): Promise<AsideEnd>;
  /** Nothing in it runs from here on until `resume`. Errors: Fault, when that is not certain. */
  abstract freeze(): Promise<void>;
  /** Hands over the whole script, once. It runs to its end by itself. Errors: PhaseFailure BUILD_CONTAINER_UNUSABLE (no shell). */
  abstract start(script: string): Promise<void>;
  /**
   * Raw output from byte `from` on: yields as it is written, ends when the sandbox has ended and every byte was given.
   * One reader at a time. What is not released slows the sandbox once its spool is full.
   */
  abstract output(from: number, signal: AbortSignal): AsyncIterable<OutputPiece>;
  /** Everything before `position` is stored for good: its disk may be freed, and it is never asked for again. */
  abstract release(position: number): void;
  /** Lines of the events file from the first on, without newline; at most maxEventBytes each, ends as `output` does. */
  abstract events(signal: AbortSignal): AsyncIterable<string>;
  /** Adds a line to the events file, for a program inside that waits for it. Errors: those of the file system. */
  abstract tell(line: string): Promise<void>;
  /** Resolves when it has ended. Errors: Fault SANDBOX_LOST, DOCKER_UNAVAILABLE. */
  abstract wait(): Promise<ExitState>;
  abstract kill(): Promise<void>;
  abstract pause(): Promise<void>;
  abstract resume(): Promise<void>;
  /** Bytes on disk: workspace and own layer. */
  abstract diskUsage(): Promise<number>;
  /**
   * Walks a folder (absolute path inside). Symlinks are reported, never followed, not even in `dir` itself.
   * A missing folder yields nothing. What `choice` says no to need not be looked at.
   */
  abstract files(dir: string, signal: AbortSignal, choice?: WalkChoice): AsyncIterable<SandboxFile>;
  /**
   * What one path of the workspace (absolute, inside) is, or null when nothing is there, or when a part of the way is no real folder.
   * A symlink is reported, not followed.
   */
  abstract entry(path: string): Promise<SandboxFile | null>;
  /** Unpacks a tar into an existing folder inside (absolute). Usable before start. */
  abstract unpack(dir: string, tar: NodeJS.ReadableStream, signal: AbortSignal): Promise<void>;
  /** Takes everything of it away: container, workspace, control files. */
  abstract remove(): Promise<void>;
  /**
   * As `remove`, for who has no need to see it done: may resolve while it is taken away behind the caller's back, with a bound
   * on how much is. What fails there is left to the sweep.
   */
  discard(): Promise<void> {
    return this.remove();
  }
}

export interface BackendHealth {
  ok: boolean;
  /** `docker 20.10.24, runc 1.1.5`, or what is wrong. */
  message: string;
  cpus: number;
  memoryBytes: number;
}

/** How long a running build waits for an engine that went away, in ms, before its sandbox is called lost. */
export const ENGINE_AWAY_MS = 120_000;

export abstract class Backend {
  /**
   * Makes sure that the image is there and that whoever asks may use it: one that came with a project's credential is asked of
   * its registry each time. Pulls by digest.
   * Errors: PhaseFailure BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE (details.retryable: it may go well later), BUILD_CONTAINER_UNUSABLE
   * (no image name); Fault DOCKER_UNAVAILABLE, STORAGE_FULL; the signal's reason.
   */
  abstract prepareImage(request: ImageRequest): Promise<ImageInfo>;
  /** Makes a sandbox that is up and waits for its script. */
  abstract create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  /**
   * The sandbox of an attempt that another process made, whatever state it is in.
   * Out: null when its container or its control files are gone. Errors: Fault DOCKER_UNAVAILABLE, retryable while the engine is away.
   */
  abstract adopt(owner: { buildId: string; attempt: number; limits: ComputeLimits }): Promise<Sandbox | null>;
  abstract health(): Promise<BackendHealth>;
  /** Whether the engine answers at all; quick and cheap, never throws. */
  abstract answers(): Promise<boolean>;
  /** The disks that its sandboxes and images lie on, where this worker can see them. */
  abstract disks(): Promise<DiskSpace[]>;
  /** Removes what this Kilnyard left on the engine and no running build owns. `keep` tells by build and attempt. Out: how many. */
  abstract sweep(keep: (owner: { buildId: string; attempt: number; workerId: string }) => boolean): Promise<number>;
  abstract close(): Promise<void>;
}
