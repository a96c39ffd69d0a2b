// The engine's reader of one report, in a thread of its own: bounded in memory, ended when it takes too long.
import { Worker } from 'node:worker_threads';
import type { Clock } from '#core/clock.js';
import { messageOf } from '#core/errors.js';
import { nothingOf, type ReportContent, type ReportFormat } from '#core/report.js';
import { ReportReader } from '#engine/ports.js';
import type { ReadingLimits } from '#reports/report-reading.js';
import type { ThreadAnswer, ThreadRequest, ThreadStart } from './report-thread.js';

/** The thread's own heap; a file's bytes lie beside it. */
const MAX_HEAP_MB = 512;
/** How long the files of one report may be read, together. */
export const READ_MS = 60_000;

/** Reads one file at a time, whatever the number of builds: reports come last, and builds that run come first. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work, work);
    this.last = mine.catch(() => undefined); // told to whom it belongs
    return mine;
  }
}

export interface ThreadReaderOptions {
  /** The compiled report-thread.ts. */
  entry: URL;
  format: ReportFormat;
  limits: ReadingLimits;
  clock: Clock;
  turns: Turns;
  signal: AbortSignal;
  readMs?: number;
  maxHeapMb?: number;
}

export class ThreadReader extends ReportReader {
  private thread: Worker | null = null;
  /** Why nothing more can be read. */
  private over: string | null = null;
  private spentMs = 0;

  constructor(private readonly options: ThreadReaderOptions) {
    super();
  }

  async add(name: string, bytes: Buffer): Promise<string | null> {
    if (this.over !== null) return `its reader has ended before: ${this.over}`;
    const copy = new Uint8Array(bytes); // a small Buffer shares its memory with others, and cannot be handed over
    const answer = await this.ask({ kind: 'add', name, bytes: copy }, [copy.buffer]);
    return answer?.kind === 'added' ? answer.refused : this.over;
  }

  async end(): Promise<ReportContent | null> {
    if (this.thread === null && this.over === null) return nothingOf(this.options.format);
    const answer = await this.ask({ kind: 'end' });
    await this.close();
    return answer?.kind === 'content' ? answer.content : null;
  }

  async close(): Promise<void> {
    const { thread } = this;
    this.thread = null;
    this.over ??= 'it was closed';
    await thread?.terminate();
  }

  /** Out: null when the thread has ended over it; `over` says why. */
  private ask(request: ThreadRequest, transfer: ArrayBuffer[] = []): Promise<ThreadAnswer | null> {
    return this.options.turns.take(async () => {
      const { clock, signal } = this.options;
      if (signal.aborted) this.over ??= 'the build was ended';
      if (this.over !== null) return null;
      const began = clock.now().getTime();
      try {
        return await this.answerOf(request, transfer);
      } catch (error) {
        await this.close();
        this.over = messageOf(error);
        return null;
      } finally {
        this.spentMs += clock.now().getTime() - began;
      }
    });
  }

  private answerOf(request: ThreadRequest, transfer: ArrayBuffer[]): Promise<ThreadAnswer> {
    const { clock, signal, readMs = READ_MS } = this.options;
    const thread = (this.thread ??= this.start());
    const done = new AbortController();
    return new Promise<ThreadAnswer>((resolve, reject) => {
      const late = AbortSignal.any([signal, done.signal]);
      clock.sleep(Math.max(0, readMs - this.spentMs), late).then(
        () => reject(new Error(`expected to be read within ${readMs / 1000} s, took longer`)),
        () => reject(new Error('the build was ended')), // or it was answered before, and this says nothing
      );
      thread.once('message', resolve);
      thread.once('error', (error) => reject(reasonOf(error, this.maxHeapMb)));
      thread.once('exit', (code) => reject(new Error(`its reader ended with exit code ${code}`)));
      thread.postMessage(request, transfer);
    }).finally(() => {
      done.abort();
      thread.removeAllListeners('message').removeAllListeners('error').removeAllListeners('exit');
      thread.on('error', () => undefined); // it is told at the next request, which finds the thread ended
    });
  }

  private get maxHeapMb(): number {
    return this.options.maxHeapMb ?? MAX_HEAP_MB;
  }

  private start(): Worker {
    const { entry, format, limits } = this.options;
    const workerData: ThreadStart = { format, limits };
    return new Worker(entry, {
      workerData,
      name: 'reports',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.maxHeapMb, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 },
    });
  }
}

function reasonOf(error: unknown, maxHeapMb: number): Error {
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
    return new Error(`expected to be read in ${maxHeapMb} MiB of memory, took more`);
  return new Error(`its reader failed: ${messageOf(error)}`);
}
