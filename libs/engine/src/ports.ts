// What the engine needs from outside; apps/worker plugs store-backed ones, the CLI's local run plain ones.
import type { BatchPlan } from '#core/batch.js';
import type { Artifact, CacheUse, ExportedVariable, Pause, ResumedBy } from '#core/build.js';
import type { Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { LogChunk, LogSeal, LogStream, StoredLog } from '#core/log-line.js';
import type { FinalStatus, PhaseContext, PhaseType } from '#core/phase.js';
import type { ProjectSettings, ProjectSource } from '#core/project.js';
import type { NewReport, ReportContent, ReportFormat } from '#core/report.js';
import type { BuildState, TransitionEvent } from '#core/transitions.js';
import type { Clock } from '#core/clock.js';
import type { Backend, SandboxFile } from './backend/backend.js';

/** Where a build's lines go. Every call is awaited: a slow sink slows the build's output, and nothing is dropped. */
export abstract class LogSink {
  /**
   * A chunk that is closed and will be appended once those before it are: what of the work for it can begin, may. Called in order, and
   * never for one that append has been given; not every chunk of which it is told gets there.
   */
  prepare(_chunk: LogChunk): void {}
  /**
   * Stores chunks that follow each other, in order, one call at a time. Resolves when they are durable; their bytes are used again then.
   * Errors: Fault LEASE_LOST (stop at once); after the sink's own retries Fault DATABASE_UNAVAILABLE (the build may go on when it is back)
   * or LOG_APPEND_FAILED.
   */
  abstract append(chunks: readonly LogChunk[]): Promise<void>;
  /** The log is whole: no chunk follows. */
  abstract seal(seal: LogSeal): Promise<void>;
  /**
   * Where the stored log of this attempt ends, and a SHA-256 that has read all of it: for a worker that goes on with it. `sealed`: no
   * chunk may follow.
   */
  abstract stored(): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }>;
}

/** Makes what is kept on the worker's disk unreadable and unchangeable there. */
export abstract class RecordSeal {
  abstract seal(text: string): Buffer;
  /** Errors: what tells that the bytes are damaged, or were sealed with another key or for another build. */
  abstract open(sealed: Buffer): string;
}

/** The end of a phase. */
export interface PhaseNote {
  /** Which one; no phase ends twice in an attempt, so one that has ended already is not written again. */
  phase: PhaseType;
  event: TransitionEvent;
  /** Of the phase that ends. */
  contexts: PhaseContext[];
  at: Date;
}

/** Where a build's state is written down. Every write is fenced by the lease. Errors: Fault LEASE_LOST. */
export abstract class BuildJournal {
  /** Applies one event of core/transitions to the build: ends the running phase, starts the next. Out: the new state; QUEUED when the build
   * gets another attempt: this one is over then. */
  abstract apply(event: TransitionEvent, contexts: PhaseContext[], at: Date): Promise<BuildState>;
  /** The same for the ends of several phases, in order and together where the journal can. Out: the state behind the last; one at least. */
  async applyAll(notes: readonly PhaseNote[]): Promise<BuildState> {
    let state: BuildState | null = null;
    for (const { event, contexts, at } of notes) state = await this.apply(event, contexts, at);
    if (state === null) throw new Error('expected the end of a phase at least, got none');
    return state;
  }
  /** The script is about to be handed over: from here on user code may have run under this attempt. */
  async handingOver(): Promise<void> {}
  abstract setResolvedSource(version: string): Promise<void>;
  abstract setImage(digest: string): Promise<void>;
  abstract setExportedVariables(variables: ExportedVariable[]): Promise<void>;
  abstract setCache(use: CacheUse): Promise<void>;
  abstract addArtifact(artifact: Artifact): Promise<void>;
  /** codebuild-breakpoint holds the build. One that is written already, or is over, is not written again. */
  async setPaused(_pause: Pause): Promise<void> {}
  /** That pause is over. Again, or for another than the last: nothing. */
  async setResumed(_number: number, _by: ResumedBy): Promise<void> {}
  /** What the build that reads a batch's buildspec found; the same again replaces it. Only for builds of batches. */
  async setBatchPlan(_plan: BatchPlan): Promise<void> {
    throw new Error('this journal keeps no batches');
  }
}

export interface FetchedSource {
  /** Commit id; absent for archives and NO_SOURCE. */
  resolvedVersion?: string;
}

/** One line for the build's log from something that works for it outside its container. */
export type Say = (text: string, stream?: LogStream) => void;

export abstract class SourceFetcher {
  /**
   * Puts the source into an existing empty folder.
   * `into` is on the worker's disk and later inside the container; no credential may be left in it.
   * Errors: PhaseFailure SOURCE_FETCH_FAILED, SOURCE_TOO_LARGE, CLIENT_ERROR (bad location or credential, missing branch).
   */
  abstract fetch(request: {
    source: ProjectSource;
    version: string | undefined;
    into: string;
    say: Say;
    signal: AbortSignal;
  }): Promise<FetchedSource>;

  /**
   * Reads one file of a fetched source, for the buildspec. No link leads out of `root`.
   * Out: null when there is no such regular file. Errors: PhaseFailure SOURCE_TOO_LARGE over `maxBytes`.
   */
  abstract readFile(root: string, relativePath: string, maxBytes: number): Promise<Buffer | null>;
}

export abstract class SecretResolver {
  /** Errors: PhaseFailure CLIENT_ERROR `Parameter does not exist: …`. */
  abstract parameter(name: string): Promise<string>;
  /** `reference` as in codebuild-contract C3: `<id>[:<json-key>[:<stage>[:<version>]]]`. Errors: PhaseFailure CLIENT_ERROR. */
  abstract secret(reference: string): Promise<string>;
}

export abstract class ArtifactStore {
  /**
   * Stores one artifact. Files come in order, each read to its end before the next is asked for.
   * Names are relative, `/`-separated and already safe. Among the files of a ZIP may be symlinks, whose targets are safe too. A failed call leaves nothing behind.
   */
  abstract save(request: {
    settings: ProjectSettings;
    identifier: string;
    name: string;
    packaging: 'NONE' | 'ZIP';
    files: AsyncIterable<{ name: string; file: SandboxFile }>;
    signal: AbortSignal;
  }): Promise<Artifact>;
}

export type TarCodec = 'gzip' | 'zstd';

/** A tar as it lies in the store. */
export interface PackedTar {
  codec: TarCodec;
  /** Made by packing/workspace-tar.ts: all of it belongs into the workspace. Else names are absolute, without the leading slash. */
  workspaceOnly: boolean;
  bytes: Readable;
}

/** The entries that one build may see: those of its scope, then those of its project's trusted builds. */
export abstract class CacheStore {
  /**
   * The entry for a key: exact, else the newest of the first of `fallbackPrefixes` that matches; of each first in the build's own scope.
   * Out: null for a miss. `from`: see CacheUse.restoredFrom. `sourceFolder`: where its source lay below the build root, null for where
   * this project's lies. An entry whose bytes are not all there is a miss. The bytes must be read or destroyed.
   */
  abstract restore(request: {
    key: string;
    fallbackPrefixes: string[];
    version: string;
    signal: AbortSignal;
  }): Promise<{
    key: string;
    exact: boolean;
    from: 'own' | 'base';
    sizeBytes: number;
    sourceFolder: string | null;
    packed: PackedTar;
  } | null>;
  /**
   * Stores a packed tar as an entry of the build's own scope; a keyed entry is never overwritten (`replace` false), the unkeyed one is.
   * Out: bytes stored, 0 when they were not. Errors: what `packed.bytes` fails with; Error for one over the quota; nothing is stored then.
   */
  abstract save(request: {
    key: string;
    version: string;
    replace: boolean;
    sourceFolder: string;
    packed: PackedTar;
    signal: AbortSignal;
  }): Promise<{ sizeBytes: number; saved: 'saved' | 'exists' | 'purged' }>;
}

/** Reads the files of one report, apart from the worker: they were made by strangers. */
export abstract class ReportReader {
  /**
   * Reads one file; `bytes` are the reader's from then on. One call at a time.
   * Out: null, or why it is not taken: broken, too large, too slow. The next may follow all the same.
   */
  abstract add(name: string, bytes: Buffer): Promise<string | null>;
  /** What the files that were taken hold; null when it was lost with a file that was more than the reader could bear. Closes it. */
  abstract end(): Promise<ReportContent | null>;
  /** Lets go of it; may be called twice and after end. */
  abstract close(): Promise<void>;
}

export abstract class ReportStore {
  /** Auto-discovery: may a file of this path hold a report? Others are not opened. */
  abstract mayBeReport(path: string): boolean;
  /** The format that a file seems to have; null for none. */
  abstract guessFormat(path: string, bytes: Buffer): ReportFormat | null;
  /** Opens the reading of one report. */
  abstract read(format: ReportFormat, signal: AbortSignal): ReportReader;
  /**
   * Stores a report of the build's present attempt; a second one of the same group takes the first one's place.
   * Errors: Refusal for a group that cannot take it; Fault LEASE_LOST, DATABASE_UNAVAILABLE.
   */
  abstract save(report: NewReport): Promise<void>;
}

/** What the worker hears of a build while it runs: for metrics and its own diagnostics. */
export interface RunObserver {
  phaseEnded?(phase: PhaseType, status: FinalStatus, ms: number): void;
  /** Something of ours failed in a way that nobody foresaw; the build ends FAULT. */
  bug?(error: unknown): void;
}

export interface RunPorts {
  backend: Backend;
  source: SourceFetcher;
  secrets: SecretResolver;
  journal: BuildJournal;
  log: LogSink;
  recordSeal: RecordSeal;
  artifacts: ArtifactStore;
  /** Null where the project's builds keep no cache. */
  cache: CacheStore | null;
  /** Absent where no reports are kept. */
  reports?: ReportStore;
  clock: Clock;
  observer: RunObserver;
}
