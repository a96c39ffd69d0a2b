// The engine's report store in memory: files are read here, what they come to is told at the end. They are the person's own build's, and
// the process is this run's alone: no thread stands between, as in a worker.
import type { NewReport, ReportContent, ReportFormat } from '#core/report.js';
import { percentOf } from '#core/report.js';
import { ReportReader, ReportStore } from '#engine/ports.js';
import { BrokenReport } from '#reports/broken-report.js';
import { GUESS_BYTES, guessFormat, mayBeReport } from '#reports/guess-format.js';
import { ReportReading } from '#reports/report-reading.js';

/** Cases that are told by name at most, those that failed first; all are counted. */
const KEPT_CASES = 100;
const KEPT_FILES = 100;
const TOLD_CASES = 20;

export class LocalReports extends ReportStore {
  readonly saved = new Map<string, NewReport>();

  mayBeReport(path: string): boolean {
    return mayBeReport(path);
  }

  guessFormat(path: string, bytes: Buffer): ReportFormat | null {
    return guessFormat(path, bytes.subarray(0, GUESS_BYTES));
  }

  read(format: ReportFormat): ReportReader {
    return new LocalReader(format);
  }

  async save(report: NewReport): Promise<void> {
    this.saved.set(report.group, report);
  }
}

class LocalReader extends ReportReader {
  private readonly reading: ReportReading;

  constructor(format: ReportFormat) {
    super();
    this.reading = new ReportReading(format, { cases: KEPT_CASES, files: KEPT_FILES });
  }

  async add(name: string, bytes: Buffer): Promise<string | null> {
    try {
      this.reading.add(name, bytes);
      return null;
    } catch (error) {
      if (!(error instanceof BrokenReport)) throw error;
      return error.message;
    }
  }

  async end(): Promise<ReportContent> {
    return this.reading.content;
  }

  async close(): Promise<void> {}
}

/** Out: a line for the report, and one for each case that did not pass, without newlines. */
export function reportLines({ group, status, content: { tests, cases, coverage } }: NewReport): string[] {
  const lines = [`report ${group}: ${status}`];
  if (tests !== null) {
    const { FAILED, ERROR, SKIPPED } = tests.statusCounts;
    lines[0] += `, ${tests.total} tests, ${FAILED + ERROR} failed, ${SKIPPED} skipped`;
    const failed = cases.filter((one) => one.status === 'FAILED' || one.status === 'ERROR').slice(0, TOLD_CASES);
    lines.push(...failed.map(({ prefix, name }) => `  failed: ${[prefix, name].filter(Boolean).join(' ')}`));
  }
  if (coverage !== null) lines[0] += `, lines covered ${percentOf(coverage.linesCovered, coverage.linesMissed) ?? 0} %`;
  return lines.map((line) => line.replace(/[\p{Cc}\p{Cs}]/gu, '\uFFFD'));
}
