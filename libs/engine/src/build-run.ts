// What one run of a build knows while it goes through its phases; made by run-build.ts, handed to each phase.
import type { Build, CacheUse, Lease } from '#core/build.js';
import type { BuildPlan } from '#buildspec/plan.js';
import type { Sandbox } from './backend/backend.js';
import type { LogLimits, LogPipeline, LostBefore } from './logs/pipeline.js';
import type { BuildState } from '#core/transitions.js';
import type { RunPorts } from './ports.js';
import type { PhaseNotes } from './phase-notes.js';
import type { Pauses, ResumeWish } from './pauses.js';
import type { ScriptWatch } from './phases/script-watch.js';

export interface BuildRequest {
  build: Build;
  lease: Lease;
  /** When the build times out. */
  deadline: Date;
  /** Shown in the log as the place of the build. */
  workerName: string;
  /** Page of the build, for CODEBUILD_BUILD_URL. */
  buildUrl: string;
  /** The operator allows this project `privilegedMode`. */
  privilegedAllowed: boolean;
  logLimits: LogLimits;
  /** How often the disk use of a running build is looked at. */
  diskCheckMs: number;
  /** Set for a build that another worker began: where it stands, and since when. */
  adopted: { state: BuildState; since: Date } | null;
  /** Whether the lease is known to hold now, by this worker's own clock. */
  leaseHeld: () => boolean;
  /** How builds with debugSessionEnabled may be paused; absent: breakpoints are passed over. */
  debug?: {
    /** Of one pause. */
    pauseLimitMs: number;
    /** Somebody wants a pause ended. */
    wish: ResumeWish;
  };
}

export interface BuildRun {
  readonly request: BuildRequest;
  readonly ports: RunPorts;
  log: LogPipeline;
  /** Aborts with an Interrupt: stop, timeout, drain, lease-lost. */
  readonly signal: AbortSignal;
  /** Aborts when this run lets go of its sandbox: nothing of it is read any more. */
  readonly ending: AbortSignal;
  /** Ends the build for this error of ours; the first cause wins. */
  readonly fail: (error: unknown) => void;
  /** The ends of phases on their way to the journal. */
  readonly notes: PhaseNotes;
  readonly pauses: Pauses;
  /** From PROVISIONING on. */
  sandbox: Sandbox | null;
  /** From DOWNLOAD_SOURCE on. */
  source: PreparedSource | null;
  /** From INSTALL on: what the script tells. */
  script: ScriptWatch | null;
  /** Reads the container's output into the log; resolves when all of it is there. */
  outputRead: Promise<void> | null;
  /** Some of the container's output is gone before it was read. */
  outputLost: boolean;
  /** Of a log over its limit: what is lost of it so far. */
  lost: LostBefore | null;
  /** Why the build was ended for want of disk. */
  diskExceeded: string | null;
  cacheUse: CacheUse | null;
}

export interface PreparedSource {
  plan: BuildPlan;
  /** CODEBUILD_SRC_DIR inside the sandbox. */
  sourceDir: string;
  /** Texts with shell variables in them; the script tells their values by index. */
  expansions: string[];
  /** Names of the variables whose values come from parameters and secrets. */
  sealedVariables: ReadonlySet<string>;
  /** The cache's key, worked out; empty where the buildspec names none; null where the cache is not used. */
  cacheKey: string | null;
}
