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
  const place = id === undefined ? '' : `id: ${id}\n`;
  return `event: ${event}\n${place}data: ${JSON.stringify(data)}\n\n`;
}

export const HEARTBEAT = ': still here\n\n';

export function formatRetry(ms: number): string {
  return `retry: ${ms}\n\n`;
}
