// The engine's report store: files are read in threads, what they hold goes into the database.
import type { Lease } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import type { NewReport, ReportFormat } from '#core/report.js';
import { ReportStore, type ReportReader } from '#engine/ports.js';
import { GUESS_BYTES, guessFormat, mayBeReport } from '#reports/guess-format.js';
import type { ReportsStore } from '#store/reports.store.js';
import { ThreadReader, type Turns } from '../reports/thread-reader.js';
import { whileAway } from './while-away.js';

/** Covered files of a report that are kept; all are counted. */
const KEPT_FILES = 5_000;

/** The same for all builds of a worker. */
export interface ReportOptions {
  store: ReportsStore;
  clock: Clock;
  /** The compiled report-thread.ts. */
  thread: URL;
  turns: Turns;
  /** How long a build waits for a database that is away. */
  awayMs: number;
  /** Test cases of a report that are kept. */
  keepCases: number;
  /** Days that reports are kept; 0: as long as their builds. */
  keepDays: number;
}

export class WorkerReports extends ReportStore {
  constructor(
    private readonly options: ReportOptions,
    private readonly lease: Lease,
  ) {
    super();
  }

  mayBeReport(path: string): boolean {
    return mayBeReport(path);
  }

  guessFormat(path: string, bytes: Buffer): ReportFormat | null {
    return guessFormat(path, bytes.subarray(0, GUESS_BYTES));
  }

  read(format: ReportFormat, signal: AbortSignal): ReportReader {
    const { clock, turns, thread, keepCases } = this.options;
    return new ThreadReader({
      entry: thread,
      format,
      limits: { cases: keepCases, files: KEPT_FILES },
      clock,
      turns,
      signal,
    });
  }

  async save(report: NewReport): Promise<void> {
    const { store, clock, awayMs, keepDays } = this.options;
    await whileAway(clock, awayMs, () => store.save(this.lease, report, keepDays));
  }
}
