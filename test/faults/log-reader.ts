// A reader of one build's live log, from before its first line to its end, through every break: it goes on after the last event
// that it has, as a browser does, and keeps all lines that it was given, attempt by attempt.
import { setTimeout as sleep } from 'node:timers/promises';
import { readEvents, type ReceivedEvent, type ReceivedLine } from '#testing/read-events.js';
import type { Client } from './client.js';

const PAUSE_MS = 100;
/** A stream that sends nothing for so long is given up; the API's heartbeat comes three times in it. */
const SILENCE_MS = 45_000;

export class LogReader {
  /** By attempt, in the order in which they came. */
  private readonly lines = new Map<number, ReceivedLine[]>();
  private attempt = 1;
  end: ReceivedEvent['data'] | null = null;
  connections = 0;
  private lastId: string | undefined;
  private own = 0;
  constructor(
    private readonly client: Client,
    private readonly id: string,
  ) {}

  /** All that it was given of an attempt. */
  linesOf(attempt: number): ReceivedLine[] {
    const lines = this.lines.get(attempt) ?? [];
    this.lines.set(attempt, lines);
    return lines;
  }

  /** Lines of the build's own output so far, in the attempt that it reads. */
  get ownLines(): number {
    return this.own;
  }

  /** Resolves at the log's end, or when `signal` is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    while (this.end === null && !signal.aborted) {
      try {
        await this.connect(signal);
      } catch {
        // the API or the connection is away; the next round goes on after the last id
      }
      if (this.end === null) await sleep(PAUSE_MS);
    }
  }

  private async connect(signal: AbortSignal): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const headers = {
      accept: 'text/event-stream',
      ...(this.lastId === undefined ? {} : { 'last-event-id': this.lastId }),
    };
    // without a place the stream begins with the latest attempt
    const answer = await this.client.fetch('GET', `/v1/builds/${this.id}/log?cursor=1:0`, {
      headers,
      signal: AbortSignal.any([signal, silence.signal]),
    });
    this.connections += 1;
    try {
      if (!answer.ok) throw new Error(`the log answered ${answer.status}`);
      for await (const event of readEvents(answer)) {
        this.take(event);
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        if (this.end !== null) break;
      }
    } finally {
      clearTimeout(timer);
      await answer.body?.cancel().catch(() => undefined); // broken already
    }
  }

  private take({ event, id, data }: ReceivedEvent): void {
    if (id !== undefined) this.lastId = id;
    if (event === 'lines' && data.lines !== undefined) {
      const lines = this.linesOf(this.attempt);
      for (const line of data.lines) lines.push(line);
      this.own += data.lines.filter(({ stream, continues }) => stream !== 'system' && continues !== true).length;
    }
    // told again on a connection that goes on with the attempt before
    if (event === 'attempt' && data.attempt !== undefined && data.attempt !== this.attempt) {
      this.attempt = data.attempt;
      this.own = 0;
    }
    if (event === 'end') this.end = data;
  }
}
