// The feeds of this process: one for each build whose log somebody follows, gone with its last reader.
import type { BuildId } from '#core/ids.js';
import { EventCache } from './event-cache.js';
import { Gate } from './gate.js';
import { LogFeed, type LogSources, type SharedReading } from './log-feed.js';

/** Without a notification the store is asked this often: one that was lost costs delay, never data. */
export const POLL_MS = 5000;
/** Reads of archived logs at once: each waits for the blob store, and has a connection for a moment only. */
const ARCHIVED_READS = 8;

export class LogFeeds {
  private readonly open = new Map<BuildId, { feed: LogFeed; readers: number; poll: NodeJS.Timeout }>();
  private readonly shared: SharedReading;

  /** In: `connections` of the process's pool; live streams together use at most six in ten of them. */
  constructor(
    sources: LogSources,
    private readonly options: { connections: number; pollMs?: number },
  ) {
    const part = (tenths: number): Gate => new Gate(Math.max(1, Math.floor((options.connections * tenths) / 10)));
    this.shared = {
      sources,
      cache: new EventCache(),
      live: part(4),
      back: part(2),
      archived: new Gate(ARCHIVED_READS),
    };
  }

  /** Logs that are followed. */
  get count(): number {
    return this.open.size;
  }

  /** The build's feed, which is the caller's until `leave`. */
  join(buildId: BuildId): { feed: LogFeed; leave: () => void } {
    const entry = this.open.get(buildId) ?? this.begin(buildId);
    entry.readers += 1;
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      entry.readers -= 1;
      if (entry.readers > 0) return;
      this.open.delete(buildId);
      clearInterval(entry.poll);
      entry.feed.close();
    };
    return { feed: entry.feed, leave };
  }

  private begin(buildId: BuildId): { feed: LogFeed; readers: number; poll: NodeJS.Timeout } {
    const feed = new LogFeed(buildId, this.shared);
    const poll = setInterval(() => feed.hear('status'), this.options.pollMs ?? POLL_MS);
    const entry = { feed, readers: 0, poll };
    this.open.set(buildId, entry);
    return entry;
  }
}
