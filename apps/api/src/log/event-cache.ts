// Events of live logs that one reader had made and others are about to want: the latest used, within a bound for the whole process.
import type { LinesEvent } from './lines-event.js';

/** Bytes of events that are kept for all logs together. */
export const EVENT_CACHE_BYTES = 32 * 1024 * 1024;
/** What an event costs beyond its bytes. */
const OVERHEAD_BYTES = 512;

/** A log's own part of the cache, by the first line of each event. */
export type CachedLog = Map<string, LinesEvent>;

export class EventCache {
  /** In the order of use; its values are the logs that hold the event. */
  private readonly order = new Map<LinesEvent, { log: CachedLog; key: string }>();
  private bytes = 0;

  constructor(private readonly maxBytes = EVENT_CACHE_BYTES) {}

  get usedBytes(): number {
    return this.bytes;
  }

  get(log: CachedLog, key: string): LinesEvent | undefined {
    const event = log.get(key);
    const place = event && this.order.get(event);
    if (event === undefined || place === undefined) return undefined;
    this.order.delete(event);
    this.order.set(event, place);
    return event;
  }

  put(log: CachedLog, key: string, event: LinesEvent): void {
    const before = log.get(key);
    if (before !== undefined) this.remove(before);
    log.set(key, event);
    this.order.set(event, { log, key });
    this.bytes += event.bytes.length + OVERHEAD_BYTES;
    for (const oldest of this.order.keys()) {
      if (this.bytes <= this.maxBytes) break;
      this.remove(oldest);
    }
  }

  /** Forgets all of a log. */
  clear(log: CachedLog): void {
    for (const event of [...log.values()]) this.remove(event);
  }

  private remove(event: LinesEvent): void {
    const place = this.order.get(event);
    if (place === undefined) return;
    this.order.delete(event);
    place.log.delete(place.key);
    this.bytes -= event.bytes.length + OVERHEAD_BYTES;
  }
}
