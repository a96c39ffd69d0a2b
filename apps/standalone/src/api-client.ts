// The little of Kilnyard's public API that the example needs, spoken over HTTP as any caller would.
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf } from './server-sent-events.js';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export interface BuildView {
  id: string;
  buildStatus: string;
  currentPhase: string;
  phases: {
    phaseType: string;
    phaseStatus?: string;
    durationInSeconds?: number;
    startTime?: string;
    endTime?: string;
  }[];
}

export interface ArtifactView {
  name: string;
  sizeBytes: number;
  /** A path on the API. */
  downloadUrl: string;
}

const LOG_RETRY_MS = 500;
const LOG_RETRIES = 20;

export class ApiClient {
  constructor(
    readonly url: string,
    private readonly token: string,
  ) {}

  /**
   * One call. Out: the JSON body (undefined for none).
   * Errors: ApiError with the problem's detail for an answer that is not 2xx.
   */
  async call<T>(method: string, path: string, body?: unknown, stop?: AbortSignal): Promise<T> {
    const response = await this.fetch(path, {
      method,
      signal: stop,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new ApiError(response.status, `${method} ${path}: ${response.status} ${text.slice(0, 1000)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /**
   * A build's log from its first line to its end, line by line; a broken connection is taken up after the last line.
   * Errors: ApiError when it cannot be taken up again.
   */
  async followLog(buildId: string, hear: (text: string) => void, stop: AbortSignal): Promise<void> {
    let lastId: string | undefined;
    for (let failures = 0; ; failures++) {
      try {
        const headers = { accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) };
        const response = await this.fetch(`/v1/builds/${encodeURIComponent(buildId)}/log`, { headers, signal: stop });
        if (!response.ok || response.body === null)
          throw new ApiError(response.status, `the log: ${await response.text()}`);
        for await (const event of eventsOf(response.body)) {
          failures = 0;
          if (event.id !== undefined) lastId = event.id;
          if (event.type === 'end') return;
          if (event.type === 'lines') for (const text of textsOf(event.data)) hear(text);
          if (event.type === 'error') throw new ApiError(500, `the log: ${event.data}`);
        }
      } catch (error) {
        if (stop.aborted || failures >= LOG_RETRIES) throw error;
      }
      await sleep(LOG_RETRY_MS, undefined, { signal: stop });
    }
  }

  private fetch(path: string, options: RequestInit): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...options.headers };
    return fetch(`${this.url}${path}`, { ...options, headers });
  }
}

/** The texts of a `lines` event: `{"lines":[{"seq","time","stream","text"}]}`. */
function textsOf(data: string): string[] {
  const { lines } = JSON.parse(data) as { lines: { text: string }[] };
  return lines.map((line) => line.text);
}
