// Server-sent events as text (WHATWG HTML, 9.2). Pure.

/** How long a reader waits before it comes back, in milliseconds; sent at the start and at shutdown. */
export const RETRY_MS = 2000;
/** A comment this often, so that nothing between us and the reader takes the silence for an end. */
export const HEARTBEAT_MS = 15_000;

export interface StreamEvent {
  event: 'lines' | 'status' | 'attempt' | 'end' | 'error';
  /** Place of the last line that the reader has after this event (log-position.ts); absent: the reader's position stays. */
  id?: string;
  data: unknown;
}

/** One event, ended by an empty line. JSON holds no newline, so one `data:` line is enough. */
export function formatEvent({ event, id, data }: StreamEvent): string {
  return formatEventOf(event, id, JSON.stringify(data));
}

/** The same with `json` for its data, on one line. */
export function formatEventOf(event: StreamEvent['event'], id: string | undefined, json: string): string {
  const place = id === undefined ? '' : `id: ${id}\n`;
  return `event: ${event}\n${place}data: ${json}\n\n`;
}

export const HEARTBEAT = ': still here\n\n';

export function formatRetry(ms: number): string {
  return `retry: ${ms}\n\n`;
}
