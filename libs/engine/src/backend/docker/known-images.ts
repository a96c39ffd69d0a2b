// Names of images whose ids need not be asked of the engine again: trusted only while its events tell of every change.
import type { ImageInfo } from '../backend.js';
import type { EngineEvents } from './engine-events.js';

/** Names kept; more are forgotten, oldest first. */
const MAX_NAMES = 1_000;
/** How long after a change of images the names in use are looked up again. */
const LOOK_AGAIN_MS = 50;

/**
 * Holds only what any build may use without being asked: what lies on the host because of somebody's credential is never
 * remembered here. Every change of any image empties it; names in use are then looked up again in the background.
 */
export class KnownImages {
  private readonly names = new Map<string, ImageInfo>();
  /** The id that each name in use stood for last; outlives a change, to tell what moved. */
  private readonly last = new Map<string, string>();
  /** Names whose ids are to be looked up again. */
  private readonly unsure = new Set<string>();
  private closed = false;
  private generation = 0;
  private again: NodeJS.Timeout | null = null;

  constructor(
    private readonly events: EngineEvents,
    private readonly options: {
      /** Asks the engine; null when the image is gone, or not free for all. */
      inspect: (name: string) => Promise<ImageInfo | null>;
      /** A name stands for another image than before. */
      onMoved: (from: string, to: string) => void;
    },
  ) {
    events.listen({ imagesChanged: () => this.forget(), connected: () => this.forget() });
  }

  /** What `name` stands for, or null when the engine must be asked. */
  get(name: string): ImageInfo | null {
    return this.events.connected ? (this.names.get(name) ?? null) : null;
  }

  /** Asks the engine and remembers its answer, unless an image changed meanwhile. Errors: what `inspect` throws. */
  async look(name: string): Promise<ImageInfo | null> {
    const { generation } = this;
    const found = await this.options.inspect(name);
    if (found === null) return null;
    if (generation === this.generation && this.events.connected) this.remember(name, found);
    else if (this.events.connected) this.lookAgain([name]);
    return found;
  }

  close(): void {
    this.closed = true;
    if (this.again !== null) clearTimeout(this.again);
  }

  private remember(name: string, found: ImageInfo): void {
    const before = this.last.get(name);
    for (const map of [this.names, this.last]) {
      map.delete(name);
      if (map.size >= MAX_NAMES) map.delete(map.keys().next().value!);
    }
    this.names.set(name, found);
    this.last.set(name, found.id);
    if (before !== undefined && before !== found.id) this.options.onMoved(before, found.id);
  }

  /** All must be asked for again. */
  forget(): void {
    this.generation += 1;
    const names = [...this.names.keys()];
    this.names.clear();
    this.lookAgain(names);
  }

  /** In the background. A pull tells of several changes at once: one look for all of them. */
  private lookAgain(names: string[]): void {
    for (const name of names) this.unsure.add(name);
    if (this.unsure.size === 0 || this.closed) return;
    this.again ??= setTimeout(() => {
      this.again = null;
      const asked = [...this.unsure];
      this.unsure.clear();
      // an engine that does not answer now is asked by the next build
      for (const name of asked) this.look(name).catch(() => undefined);
    }, LOOK_AGAIN_MS).unref();
  }
}
