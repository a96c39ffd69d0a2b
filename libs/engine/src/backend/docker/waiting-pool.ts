// Containers that were made before anyone asked for them, by kind; each is handed out once. It knows no engine: how one is made
// and taken away is given to it, so that its rules can be seen in tests.
import { Demand, shareOut } from './waiting-demand.js';

/** What two builds must have in common for one container to serve either. */
export interface WaitingKind {
  /** Image id: a tag that moves makes another kind. */
  image: string;
  cpus: number;
  memoryBytes: number;
  pids: number;
}

export interface WaitingPoolOptions<W> {
  /** At most this many wait, of all kinds together. */
  max: number;
  /** For how long a use counts: a kind that was not used for so long is let go. */
  idleMs: number;
  make: (kind: WaitingKind) => Promise<W>;
  discard: (waiting: W) => Promise<void>;
  /** True while memory is too short to keep anything waiting. */
  memoryShort: () => Promise<boolean>;
  /** A container could not be made or taken away; builds go on without it. */
  onError: (error: unknown) => void;
  now?: () => number;
  /** After a container is taken the next is not begun for so long: these moments belong to the build that took it. */
  refillDelayMs?: number;
  tendMs?: number;
}

/** One build's use of a kind. */
export interface Use<W> {
  /** A container, or null when none was there. */
  waiting: W | null;
  /** The build has ended; told once. */
  end: () => void;
}

/** Measured: an `echo` build has its first line 30 ms after it took its container, and is over after 200. */
const REFILL_DELAY_MS = 300;
const TEND_MS = 1_000;
/** After a container could not be made its kind is left alone for so long, doubled at each further failure. */
const FAILURE_PAUSE_MS = 2_000;
const MAX_FAILURE_PAUSE_MS = 60_000;
/** Made at once. One keeps the engine free for builds. */
const PARALLEL = 1;

interface Shelf<W> {
  kind: WaitingKind;
  demand: Demand;
  ready: W[];
  making: { made: Promise<W | null>; claimed: boolean }[];
  /** Nothing is made before. */
  notBefore: number;
  failures: number;
}

export class WaitingPool<W> {
  private readonly shelves = new Map<string, Shelf<W>>();
  private readonly timer: NodeJS.Timeout;
  private readonly now: () => number;
  private readonly busy = new Set<Promise<unknown>>();
  private due: NodeJS.Timeout | null = null;
  private short = false;
  private closed = false;

  constructor(private readonly options: WaitingPoolOptions<W>) {
    this.now = options.now ?? (() => performance.now());
    this.timer = setInterval(() => this.background(this.look()), options.tendMs ?? TEND_MS).unref();
  }

  /** Containers that wait now. */
  get ready(): number {
    let count = 0;
    for (const shelf of this.shelves.values()) count += shelf.ready.length;
    return count;
  }

  /** Takes one that waits; else the one that is being made, when no other build waits for it; else none. */
  async use(kind: WaitingKind): Promise<Use<W>> {
    const shelf = this.shelf(kind);
    shelf.demand.took(this.now());
    const end = (): void => shelf.demand.ended();
    return { waiting: await this.next(kind), end };
  }

  /** The same use's next container: the one before was not fit. */
  async next(kind: WaitingKind): Promise<W | null> {
    const shelf = this.shelf(kind);
    const waiting = shelf.ready.shift();
    if (waiting !== undefined) {
      this.refillLater(shelf);
      return waiting;
    }
    const making = shelf.making.find(({ claimed }) => !claimed);
    if (making === undefined) {
      this.refillLater(shelf);
      return null;
    }
    making.claimed = true;
    return making.made;
  }

  /** Puts back what was taken and not used at all. */
  putBack(kind: WaitingKind, waiting: W): void {
    this.shelf(kind).ready.push(waiting);
    this.tend();
  }

  /** Takes away what was taken and turned out unfit. */
  giveUp(waiting: W): void {
    this.discard(waiting);
  }

  /** Forgets one that ended by itself and takes its remains away. */
  drop(match: (waiting: W) => boolean): void {
    for (const shelf of this.shelves.values()) {
      const gone = shelf.ready.filter(match);
      shelf.ready = shelf.ready.filter((one) => !match(one));
      for (const one of gone) this.discard(one);
    }
    this.tend();
  }

  /** A tag that stood for the image `from` stands for `to`: the demand goes along, what waits is replaced. */
  moved(from: string, to: string): void {
    for (const [key, shelf] of [...this.shelves]) {
      if (shelf.kind.image !== from) continue;
      const kind = { ...shelf.kind, image: to };
      this.shelves.delete(key);
      if (!this.shelves.has(keyOf(kind))) this.shelves.set(keyOf(kind), { ...newShelf<W>(kind), demand: shelf.demand });
      this.empty(shelf);
    }
    this.tend();
  }

  /** Takes all away; nothing is made any more. Resolves when all is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    if (this.due !== null) clearTimeout(this.due);
    for (const shelf of this.shelves.values()) this.empty(shelf);
    while (this.busy.size > 0) await Promise.all(this.busy);
  }

  /** Makes what is missing and lets go what is too much. */
  tend(): void {
    if (this.closed) return;
    const now = this.now();
    const shelves = [...this.shelves.values()];
    const wants = shelves.map(({ demand }) => ({
      wanted: demand.wanted(now, this.options.idleMs),
      lastAt: demand.lastAt,
    }));
    const places = shareOut(wants, this.short ? 0 : this.options.max);
    shelves.forEach((shelf, index) => {
      const place = places[index]!;
      while (shelf.ready.length > place) this.discard(shelf.ready.shift()!);
      if (wants[index]!.wanted === 0 && shelf.making.length === 0) this.shelves.delete(keyOf(shelf.kind));
    });
    const missing = shelves
      .map((shelf, index) => ({ shelf, count: places[index]! - shelf.ready.length - unclaimed(shelf) }))
      .filter(({ shelf, count }) => count > 0 && shelf.notBefore <= now)
      .sort((a, b) => b.shelf.demand.lastAt - a.shelf.demand.lastAt);
    for (const { shelf, count } of missing) {
      for (let made = 0; made < count && this.makingCount() < PARALLEL; made += 1) this.make(shelf);
    }
  }

  private async look(): Promise<void> {
    this.short = await this.options.memoryShort();
    this.tend();
  }

  private makingCount(): number {
    let count = 0;
    for (const shelf of this.shelves.values()) count += shelf.making.length;
    return count;
  }

  private make(shelf: Shelf<W>): void {
    const made = this.options.make(shelf.kind).then<W | null, W | null>(
      (waiting) => {
        shelf.failures = 0;
        return waiting;
      },
      (error: unknown) => {
        shelf.failures += 1;
        shelf.notBefore =
          this.now() + Math.min(MAX_FAILURE_PAUSE_MS, FAILURE_PAUSE_MS * 2 ** Math.min(10, shelf.failures - 1));
        this.options.onError(error);
        return null;
      },
    );
    const entry = { claimed: false, made };
    shelf.making.push(entry);
    this.background(
      entry.made.then((waiting) => {
        shelf.making.splice(shelf.making.indexOf(entry), 1);
        if (!entry.claimed && waiting !== null) shelf.ready.push(waiting);
        this.tend();
      }),
    );
  }

  private refillLater(shelf: Shelf<W>): void {
    const delay = this.options.refillDelayMs ?? REFILL_DELAY_MS;
    // a stream of builds must not put the refill off for ever
    if (shelf.notBefore <= this.now()) shelf.notBefore = this.now() + delay;
    this.due ??= setTimeout(() => {
      this.due = null;
      this.tend();
    }, delay + 1).unref();
  }

  private discard(waiting: W): void {
    this.background(this.options.discard(waiting).catch(this.options.onError));
  }

  /** Everything of a shelf but what a build waits for. */
  private empty(shelf: Shelf<W>): void {
    for (const one of shelf.ready.splice(0)) this.discard(one);
    for (const entry of shelf.making.filter(({ claimed }) => !claimed)) {
      entry.claimed = true;
      this.background(entry.made.then((waiting) => (waiting === null ? undefined : this.discard(waiting))));
    }
  }

  private background(work: Promise<unknown>): void {
    const done = work.catch(this.options.onError).finally(() => this.busy.delete(done));
    this.busy.add(done);
  }

  private shelf(kind: WaitingKind): Shelf<W> {
    const key = keyOf(kind);
    let shelf = this.shelves.get(key);
    if (shelf === undefined) {
      shelf = newShelf(kind);
      this.shelves.set(key, shelf);
    }
    return shelf;
  }
}

function newShelf<W>(kind: WaitingKind): Shelf<W> {
  return { kind, demand: new Demand(), ready: [], making: [], notBefore: 0, failures: 0 };
}

function unclaimed(shelf: { making: { claimed: boolean }[] }): number {
  return shelf.making.filter(({ claimed }) => !claimed).length;
}

function keyOf({ image, cpus, memoryBytes, pids }: WaitingKind): string {
  return [image, cpus, memoryBytes, pids].join(' ');
}
