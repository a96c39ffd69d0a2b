// Writes events to one reader: waits when the reader is slow, says that it still lives, and ends with an event, never with silence.
import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import type { Counter, Gauge } from 'prom-client';
import { translateFrameworkError } from '../http/framework-error.js';
import { toProblem } from '../http/problem.js';
import { securityHeaders } from '../http/request-hooks.js';
import { HEARTBEAT, HEARTBEAT_MS, RETRY_MS, formatEvent, formatRetry, type StreamEvent } from './sse.js';
import type { StreamPace } from './stream-pace.js';

/** Open streams of this process, so that a shutdown can end them kindly. */
export class OpenStreams {
  private readonly open = new Set<AbortController>();

  constructor(
    private readonly pace: StreamPace,
    private readonly readers?: Gauge,
    private readonly bytes?: Counter,
  ) {}

  get count(): number {
    return this.open.size;
  }

  /**
   * Takes over the reply and sends `events` (bytes are events too, formatted already) at the common pace until they end, the reader goes, or the process shuts down.
   * Resolves when the answer has ended; never rejects: an error becomes an `error` event.
   */
  async send(
    reply: FastifyReply,
    events: (signal: AbortSignal) => AsyncIterable<StreamEvent | Buffer>,
    options: { heartbeatMs?: number; onError?: (error: unknown) => void } = {},
  ): Promise<void> {
    const stop = new AbortController();
    this.open.add(stop);
    this.readers?.set(this.open.size);
    const writer = new EventWriter(reply, stop, options.heartbeatMs ?? HEARTBEAT_MS, this.bytes);
    try {
      await writer.start();
      const mayGoOn = this.pace.stream();
      for await (const event of events(stop.signal))
        await mayGoOn(await writer.write(Buffer.isBuffer(event) ? event : formatEvent(event)), stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) {
        options.onError?.(error);
        const { problem } = toProblem(translateFrameworkError(error), reply.request.id);
        const { code, detail, requestId } = problem;
        await writer.write(formatEvent({ event: 'error', data: { code, detail, requestId } })).catch(() => undefined); // the reader has gone: nobody is left to tell
      }
    } finally {
      this.open.delete(stop);
      this.readers?.set(this.open.size);
      writer.end();
    }
  }

  /** Ends all streams with a hint to come back; readers resume elsewhere or later with their last id. */
  shutDown(): void {
    for (const stop of this.open) stop.abort(new Error('the service is shutting down'));
  }
}

class EventWriter {
  private readonly raw;
  private heartbeat: NodeJS.Timeout | undefined;
  private full = false;

  constructor(
    private readonly reply: FastifyReply,
    private readonly stop: AbortController,
    private readonly heartbeatMs: number,
    private readonly bytes?: Counter,
  ) {
    this.raw = reply.raw;
  }

  async start(): Promise<void> {
    this.reply.hijack();
    this.raw.on('close', () => this.stop.abort(new Error('the reader has gone')));
    this.raw.writeHead(200, {
      ...securityHeaders(''),
      'x-request-id': this.reply.request.id,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      // A stream is the last on its connection: kept alive, it would hold up a shutdown that has ended the stream.
      connection: 'close',
    });
    this.raw.socket?.setNoDelay(true);
    await this.write(formatRetry(RETRY_MS));
    this.heartbeat = setInterval(() => {
      if (!this.full) this.raw.write(HEARTBEAT);
    }, this.heartbeatMs);
  }

  /** Resolves to the length when the reader's connection has room again. Errors: the signal's reason when it has gone. */
  async write(event: string | Buffer): Promise<number> {
    if (this.raw.destroyed) throw this.stop.signal.reason;
    const length = Buffer.byteLength(event);
    this.bytes?.inc(length);
    if (this.raw.write(event)) return length;
    this.full = true;
    await once(this.raw, 'drain', { signal: this.stop.signal });
    this.full = false;
    return length;
  }

  end(): void {
    clearInterval(this.heartbeat);
    if (this.raw.destroyed) return;
    if (this.stop.signal.aborted) this.raw.write(formatRetry(RETRY_MS));
    this.raw.end();
  }
}
