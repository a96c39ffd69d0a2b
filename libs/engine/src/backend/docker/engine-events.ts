// One stream of the engine's events for everything that wants to know at once: containers that ended, images that moved.
import type Docker from 'dockerode';

const MIN_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
/** An event is a few hundred bytes; a line longer than this is none of the engine's. */
const MAX_EVENT_CHARS = 1024 * 1024;

const IMAGE_ACTIONS = ['tag', 'untag', 'delete', 'pull', 'import', 'load'];

export interface EngineListener {
  /** A container ended by itself or was killed. */
  died?(containerId: string, exitCode: number): void;
  /** The kernel killed something in it for want of memory. */
  outOfMemory?(containerId: string): void;
  /** A name may stand for another image now. */
  imagesChanged?(): void;
  /** The stream is there (again): what happened before it was not told. */
  connected?(): void;
  /** Nothing is told any more. Said at once to who begins to listen after that. */
  closed?(): void;
}

/** Follows the engine until `close`; comes back by itself when the engine was away. */
export class EngineEvents {
  private readonly listeners = new Set<EngineListener>();
  private readonly closing = new AbortController();
  private following: Promise<void> | null = null;
  private live = false;

  constructor(private readonly docker: Docker) {}

  /** True while nothing can happen on the engine without being told here. */
  get connected(): boolean {
    return this.live;
  }

  listen(listener: EngineListener): () => void {
    this.listeners.add(listener);
    if (this.closing.signal.aborted) listener.closed?.();
    else this.following ??= this.follow();
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (!this.closing.signal.aborted) {
      this.closing.abort();
      this.tell((one) => one.closed?.());
    }
    await this.following;
  }

  private async follow(): Promise<void> {
    const { signal } = this.closing;
    let pause = MIN_PAUSE_MS;
    while (!signal.aborted) {
      try {
        const filters = { type: ['container', 'image'], event: ['die', 'oom', ...IMAGE_ACTIONS] };
        const stream = await this.docker.getEvents({ filters, abortSignal: signal } as Docker.GetEventsOptions);
        this.live = true;
        pause = MIN_PAUSE_MS;
        this.tell((one) => one.connected?.());
        await this.read(stream as AsyncIterable<Buffer>);
      } catch {
        // the engine is away, or answers nonsense: whoever needs it meets that too and tells it
      }
      this.live = false;
      await rest(pause, signal);
      pause = Math.min(MAX_PAUSE_MS, pause * 2);
    }
  }

  private async read(stream: AsyncIterable<Buffer>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const piece of stream) {
      rest += decoder.decode(piece, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') this.take(JSON.parse(line) as EngineEvent);
      if (rest.length > MAX_EVENT_CHARS) throw new Error('an event of the engine without an end');
    }
  }

  private take({ Type, Action, Actor }: EngineEvent): void {
    const id = Actor?.ID ?? '';
    if (Type === 'container' && Action === 'die') {
      const exitCode = Number(Actor?.Attributes?.exitCode ?? 137);
      this.tell((one) => one.died?.(id, exitCode));
    } else if (Type === 'container' && Action === 'oom') this.tell((one) => one.outOfMemory?.(id));
    else if (Type === 'image') this.tell((one) => one.imagesChanged?.());
  }

  private tell(what: (listener: EngineListener) => void): void {
    for (const listener of [...this.listeners]) what(listener);
  }
}

interface EngineEvent {
  Type?: string;
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms).unref();
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
