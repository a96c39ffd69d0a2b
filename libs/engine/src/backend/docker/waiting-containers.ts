// The pool on a real engine: makes containers that wait at their FIFO, and gives one to a build by giving its control folder the
// build's name.
import { join } from 'node:path';
import type Docker from 'dockerode';
import {
  claimControlFiles,
  linkEarlierName,
  makeControlFiles,
  noteContainer,
  removeControlFiles,
  type ControlFiles,
} from '../spool/control-files.js';
import type { SandboxSpec } from '../backend.js';
import { statusOf, wordsOf } from './engine-errors.js';
import type { EngineEvents } from './engine-events.js';
import { availableMemory } from './free-memory.js';
import { containerName, waitingOptions, type HostFacts } from './host-config.js';
import { WaitingPool, type WaitingKind } from './waiting-pool.js';

export interface WaitingSettings {
  /** Containers that wait at most; 0: none are made. */
  max: number;
  /** An image that was not used for so long is let go. */
  idleMs: number;
  /** Nothing waits while the host has less memory than this to give away, in bytes. */
  minFreeBytes: number;
  /** After a container is taken the next is not begun for so long. */
  refillDelayMs?: number;
  /** Whether a build found its container waiting. */
  onTake?: (hit: boolean) => void;
  /** A container could not be made beforehand, or not be taken away. */
  onError?: (error: unknown) => void;
}

interface Waiting {
  container: Docker.Container;
  files: ControlFiles;
  /** Of its control folder: `waiting-<mark>-<number>`. */
  name: string;
}

/** A container that is now one build's. */
export interface Taken {
  container: Docker.Container;
  files: ControlFiles;
  /** To be awaited before the container is removed: it is not being renamed then, which the engine does not bear. */
  settled: () => Promise<void>;
}

/** The container gets its build's name when the build's first moments are over: it is for people who look at the engine. */
const RENAME_AFTER_MS = 500;

export class WaitingContainers {
  private readonly pool: WaitingPool<Waiting>;

  constructor(
    private readonly options: {
      docker: Docker;
      events: EngineEvents;
      settings: WaitingSettings;
      /** Folder of the control folders. */
      dir: string;
      host: () => Promise<Omit<HostFacts, 'files'>>;
      /** A name for a control folder that nobody had before. */
      newName: () => Promise<string>;
    },
  ) {
    const { settings, events } = options;
    this.pool = new WaitingPool<Waiting>({
      max: settings.max,
      idleMs: settings.idleMs,
      make: (kind) => this.make(kind),
      discard: (waiting) => this.discard(waiting),
      memoryShort: async () => ((await availableMemory()) ?? Infinity) < settings.minFreeBytes,
      onError: settings.onError ?? (() => undefined),
      ...(settings.refillDelayMs === undefined ? {} : { refillDelayMs: settings.refillDelayMs }),
    });
    events.listen({
      died: (id) => this.pool.drop(({ container }) => container.id === id),
      // an engine that was away may have lost them
      connected: () => void this.pool.review((waiting) => this.runs(waiting)),
    });
  }

  get ready(): number {
    return this.pool.ready;
  }

  /** A name of the image `from` stands for `to` now: what waits is replaced. */
  imageMoved(from: string, to: string): void {
    this.pool.moved(from, to);
  }

  /**
   * Takes a container for one attempt into the folder `dir`. Out: null when none of its kind waits; `end` is to be told when the
   * build no longer uses what it got, here or elsewhere, `failed` in its place when it got nothing at all. Errors: Fault INTERNAL when the attempt has a container already.
   */
  async take(spec: SandboxSpec, dir: string): Promise<{ taken: Taken | null; end: () => void; failed: () => void }> {
    const { cpus, memoryBytes, pids } = spec.limits;
    const kind: WaitingKind = { image: spec.image.id, cpus, memoryBytes, pids };
    const use = await this.pool.use(kind);
    const { end, failed } = use;
    try {
      let { waiting } = use;
      while (waiting !== null && !(await this.runs(waiting))) {
        this.pool.giveUp(waiting);
        waiting = await this.pool.next(kind);
      }
      this.options.settings.onTake?.(waiting !== null);
      return { taken: waiting === null ? null : await this.claim(kind, waiting, spec, dir), end, failed };
    } catch (error) {
      end();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async claim(kind: WaitingKind, waiting: Waiting, spec: SandboxSpec, dir: string): Promise<Taken> {
    let files: ControlFiles;
    try {
      files = await claimControlFiles(waiting.files, dir);
    } catch (error) {
      this.pool.putBack(kind, waiting);
      throw error;
    }
    await linkEarlierName(files, waiting.name);
    const { container } = waiting;
    let renamed: Promise<unknown> = Promise.resolve();
    const timer = setTimeout(() => {
      // a name that could not be given changes nothing: the note in the folder is what counts
      renamed = container.rename({ name: containerName(spec.buildId, spec.attempt) }).catch(() => undefined);
    }, RENAME_AFTER_MS).unref();
    const settled = async (): Promise<void> => {
      clearTimeout(timer);
      await renamed;
    };
    return { container, files, settled };
  }

  /** One question of 1.5 ms, for a container that died in this very moment or while the engine's events were away. */
  private async runs({ container }: Waiting): Promise<boolean> {
    try {
      const { State } = await container.inspect();
      return State.Running && !State.Paused;
    } catch {
      return false; // an engine that does not answer gives no new container either, and says so then
    }
  }

  private async make(kind: WaitingKind): Promise<Waiting> {
    const { docker, dir } = this.options;
    const [name, host] = await Promise.all([this.options.newName(), this.options.host()]);
    const files = await makeControlFiles(join(dir, name));
    let container: Docker.Container | null = null;
    try {
      container = await docker.createContainer(
        waitingOptions({ image: kind.image, limits: kind }, name, { ...host, files }),
      );
      await noteContainer(files, { containerId: container.id, madeAs: name });
      await container.start();
      return { container, files, name };
    } catch (error) {
      // one that cannot be removed now has no folder any more: the sweep takes it away
      await container?.remove({ force: true, v: true }).catch(() => undefined);
      await removeControlFiles(files);
      throw error;
    }
  }

  private async discard({ container, files }: Waiting): Promise<void> {
    try {
      await container.remove({ force: true, v: true });
    } catch (error) {
      if (statusOf(error) !== 404 && !/already in progress/.test(wordsOf(error))) throw error;
    }
    await removeControlFiles(files);
  }
}
