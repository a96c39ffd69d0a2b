// One build's log as all of this process's readers of it share it: what one of them has fetched and formatted, the others get as it is.
import type { BuildProgress } from '#core/build.js';
import type { BuildId } from '#core/ids.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { BuildChange, Listener } from '#store/listen.js';
import type { LogsStore } from '#store/logs.store.js';
import { EventCache, type CachedLog } from './event-cache.js';
import { Gate } from './gate.js';
import { linesEvents, type LinesEvent } from './lines-event.js';

export interface LogSources {
  builds: Pick<BuildsStore, 'progress'>;
  logs: Pick<LogsStore, 'place' | 'chunks' | 'size'>;
  listener: Pick<Listener, 'onChange'>;
}

/** What the feeds of a process have in common. */
export interface SharedReading {
  sources: LogSources;
  cache: EventCache;
  /**
   * Reads at the end of a log pass through `live`, those further back through `back`, so that neither can take all connections; those of
   * archived logs through `archived`, so that a slow blob store keeps nobody else waiting.
   */
  live: Gate;
  back: Gate;
  archived: Gate;
}

/** Chunks of one read, at first and at most; it grows while they are small. Two at first, since a read that gets fewer has seen the end. */
const FIRST_BATCH = 2;
const LAST_BATCH = 16;
/** A read that brought less text than this takes more chunks the next time. */
const SMALL_READ_BYTES = 128 * 1024;

type Size = Awaited<ReturnType<LogsStore['size']>>;

/** A question to the store that is under way: when it was sent (never, while it waits for its turn), and the event that it brings. */
interface Flight {
  began: number;
  first: Promise<LinesEvent | null>;
}

/**
 * Time here is a count of what happened: a change that was heard, an answer that came, a question that was sent. `asOf` in what follows
 * means: as the store stood at that count or later.
 */
export class LogFeed {
  private clock = 0;
  private heardLog = 0;
  private heardStatus = 0;
  private readonly waiting = new Set<() => void>();
  private readonly cached: CachedLog = new Map();
  private readonly flights = new Map<string, Flight>();
  private readonly ends = new Map<number, { seq: number; asOf: number }>();
  private readonly places = new Map<number, ReturnType<LogsStore['place']>>();
  private readonly sizes = new Map<number, Promise<Size>>();
  private latest: { heard: number; build: Promise<{ build: BuildProgress; asOf: number }> } | null = null;
  private batch = FIRST_BATCH;
  private archived = false;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly buildId: BuildId,
    private readonly shared: SharedReading,
  ) {
    this.unsubscribe = shared.sources.listener.onChange(buildId, ({ kind }) => this.hear(kind));
  }

  close(): void {
    this.unsubscribe();
    this.shared.cache.clear(this.cached);
  }

  /** A change of the build, or the suspicion that one was missed. */
  hear(kind: BuildChange['kind']): void {
    if (kind === 'stop' || kind === 'released') return;
    this.clock += 1;
    if (kind === 'log') this.heardLog = this.clock;
    else this.heardStatus = this.clock;
    for (const wake of [...this.waiting]) wake();
  }

  /** What was heard last. */
  get heard(): { log: number; status: number } {
    return { log: this.heardLog, status: this.heardStatus };
  }

  /** Resolves when something was heard that is not in `since`. Errors: the signal's reason. */
  async change(since: { log: number; status: number }, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.heardLog > since.log || this.heardStatus > since.status) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiting.add(done);
      signal.addEventListener('abort', done);
    });
    signal.throwIfAborted();
  }

  /** The build, fetched after the last change of it that was heard. Errors: the store's. */
  build(): Promise<{ build: BuildProgress; asOf: number }> {
    if (this.latest?.heard === this.heardStatus) return this.latest.build;
    const build = this.shared.live.run(async () => {
      const found = await this.shared.sources.builds.progress(this.buildId);
      this.archived = found.logArchived;
      return { build: found, asOf: ++this.clock };
    });
    const latest = { heard: this.heardStatus, build };
    this.latest = latest;
    build.catch(() => {
      if (this.latest === latest) this.latest = null; // those who wait for it hear of the error
    });
    return build;
  }

  /** The event that begins with line `seq`, or null when the attempt has no such line as of `asOf`. Errors: the store's. */
  async event(attempt: number, seq: number, asOf: number): Promise<LinesEvent | null> {
    const key = `${attempt}:${seq}`;
    for (;;) {
      const cached = this.shared.cache.get(this.cached, key);
      if (cached !== undefined) return cached;
      const end = this.ends.get(attempt);
      if (end !== undefined && end.seq === seq && end.asOf > asOf) return null;
      const flight = this.flights.get(key) ?? this.fetch(attempt, seq, key);
      const event = await flight.first;
      // what a question did not find that was sent before `asOf` may be there by now
      if (event !== null || flight.began > asOf) return event;
    }
  }

  /** How much is stored of an attempt's log, and its seal. Those who ask at the same time share the answer. Errors: the store's. */
  size(attempt: number): Promise<Size> {
    const asked = this.sizes.get(attempt);
    if (asked !== undefined) return asked;
    const size = this.shared.live.run(() => this.shared.sources.logs.size(this.buildId, attempt));
    this.sizes.set(attempt, size);
    const forget = (): boolean => this.sizes.delete(attempt);
    size.then(forget, forget);
    return size;
  }

  private fetch(attempt: number, seq: number, key: string): Flight {
    const { live, back, archived } = this.shared;
    const gate = this.archived ? archived : seq >= (this.ends.get(attempt)?.seq ?? 0) ? live : back;
    const flight: Flight = { began: Infinity, first: Promise.resolve(null) };
    flight.first = gate.run(() => this.read(attempt, seq, flight));
    this.flights.set(key, flight);
    const landed = (): boolean => this.flights.delete(key);
    flight.first.then(landed, landed);
    return flight;
  }

  private async read(attempt: number, seq: number, flight: Flight): Promise<LinesEvent | null> {
    const place = await this.placeOf(attempt);
    const limit = this.batch;
    flight.began = ++this.clock;
    const chunks = await this.shared.sources.logs.chunks(place, seq, limit);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    if (bytes >= SMALL_READ_BYTES) this.batch = FIRST_BATCH;
    else if (chunks.length === limit) this.batch = Math.min(limit * 4, LAST_BATCH);
    const events = linesEvents(attempt, chunks, seq);
    if (chunks.length < limit) this.noteEnd(attempt, events.at(-1)?.next ?? seq, flight.began);
    for (const event of events) this.shared.cache.put(this.cached, `${attempt}:${event.first}`, event);
    return events[0] ?? null;
  }

  private noteEnd(attempt: number, seq: number, asOf: number): void {
    if (asOf > (this.ends.get(attempt)?.asOf ?? 0)) this.ends.set(attempt, { seq, asOf });
  }

  private placeOf(attempt: number): ReturnType<LogsStore['place']> {
    const known = this.places.get(attempt) ?? this.shared.sources.logs.place(this.buildId, attempt);
    this.places.set(attempt, known);
    known.catch(() => this.places.delete(attempt)); // the next one asks again; who waits for it hears of the error
    return known;
  }
}
