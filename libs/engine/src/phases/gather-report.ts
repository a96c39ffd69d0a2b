// One report: its files are read out of the sandbox, handed to the reader, and what came of them is stored.
// Whatever is wrong with a report is told in the log and in the report, and never ends the build (codebuild-contract C6, H.9).
import { buffer } from 'node:stream/consumers';
import { Fault, Refusal, messageOf } from '#core/errors.js';
import {
  cutText,
  MAX_CASE_MESSAGE,
  MAX_CASE_NAME,
  nothingOf,
  percentOf,
  type NewReport,
  type ReportContent,
  type ReportFormat,
  type ReportStatus,
} from '#core/report.js';
import type { SandboxFile } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import type { ReportReader, ReportStore } from '../ports.js';

/** Bytes of one report file. */
export const MAX_REPORT_FILE_BYTES = 64 * 2 ** 20;
/** Files of one report, and their bytes together. */
export const MAX_REPORT_FILES = 2_000;
export const MAX_REPORT_BYTES = 512 * 2 ** 20;
/** Problems that the report itself tells; the log has them all. */
const MAX_PROBLEMS = 5;

export class ReportGathering {
  files = 0;
  /** Files that were taken. */
  taken = 0;
  private bytes = 0;
  private readonly problems: string[] = [];
  private readonly reader: ReportReader;

  constructor(
    private readonly run: BuildRun,
    private readonly store: ReportStore,
    private readonly group: string,
    private readonly format: ReportFormat,
  ) {
    this.reader = store.read(format, run.signal);
  }

  /** Takes one file, which may be opened now. Out: false when no more are wanted. Errors: Fault; the signal's reason. */
  async add(name: string, file: SandboxFile): Promise<boolean> {
    const bytes = await this.bytesOf(name, file);
    if (bytes !== null) await this.addBytes(name, bytes);
    return this.wantsMore;
  }

  get wantsMore(): boolean {
    return this.files < MAX_REPORT_FILES && this.bytes < MAX_REPORT_BYTES;
  }

  async addBytes(name: string, bytes: Buffer): Promise<void> {
    this.files += 1;
    this.bytes += bytes.length;
    const refused = await this.reader.add(name, bytes);
    this.run.signal.throwIfAborted();
    if (refused === null) this.taken += 1;
    else await this.problem(`Report file ${name} is not taken: ${refused}`);
  }

  /** Something is wrong with the report: told in the log now, and in the report. */
  async problem(text: string): Promise<void> {
    this.problems.push(text);
    await this.run.log.say(text);
  }

  /** Stores what came of it. Errors: Fault; the signal's reason. */
  async save(): Promise<void> {
    const { run, format, group } = this;
    let content = await this.reader.end();
    if (content === null) await this.problem('What was read of the report is lost');
    content = masked(run, content ?? nothingOf(format));
    const status = statusOf(content, this.problems.length > 0);
    const message = run.log.masked(this.problems.slice(0, MAX_PROBLEMS).join('\n')).slice(0, MAX_CASE_MESSAGE);
    const report: NewReport = { group, format, status, message, content };
    try {
      await this.store.save(report);
      await run.log.say(`Report ${group} ${status}: ${summaryOf(content)}`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await run.log.say(`The report ${group} is not kept: ${error.message}`);
    }
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  private async bytesOf(name: string, file: SandboxFile): Promise<Buffer | null> {
    if (file.sizeBytes > MAX_REPORT_FILE_BYTES) {
      this.files += 1;
      await this.problem(
        `Report file ${name} is not taken: expected at most ${MAX_REPORT_FILE_BYTES} bytes, got ${file.sizeBytes}`,
      );
      return null;
    }
    try {
      return await buffer(await file.open());
    } catch (error) {
      this.run.signal.throwIfAborted();
      if (error instanceof Fault) throw error;
      await this.problem(`Report file ${name} cannot be read: ${messageOf(error)}`);
      return null;
    }
  }
}

function statusOf({ tests }: ReportContent, broken: boolean): ReportStatus {
  if (tests !== null && tests.statusCounts.FAILED + tests.statusCounts.ERROR > 0) return 'FAILED';
  return broken ? 'INCOMPLETE' : 'SUCCEEDED';
}

/** What tests print may hold what the log masks; cut to its length after that. */
function masked(run: BuildRun, content: ReportContent): ReportContent {
  const mask = (text: string, length: number): string => (text === '' ? '' : cutText(run.log.masked(text), length));
  return {
    ...content,
    cases: content.cases.map((one) => ({
      ...one,
      name: mask(one.name, MAX_CASE_NAME),
      prefix: mask(one.prefix, MAX_CASE_NAME),
      suite: mask(one.suite, MAX_CASE_NAME),
      file: mask(one.file, MAX_CASE_NAME),
      message: mask(one.message, MAX_CASE_MESSAGE),
    })),
    files: content.files.map((one) => ({ ...one, path: mask(one.path, MAX_CASE_NAME) })),
  };
}

function summaryOf({ tests, coverage, truncated }: ReportContent): string {
  if (tests !== null) {
    const { SUCCEEDED, FAILED, ERROR, SKIPPED, UNKNOWN } = tests.statusCounts;
    const counts = [`${SUCCEEDED} succeeded`, `${FAILED} failed`, `${ERROR} with errors`, `${SKIPPED} skipped`];
    if (UNKNOWN > 0) counts.push(`${UNKNOWN} unknown`);
    return `${tests.total} test cases, ${counts.join(', ')}${truncated ? '; not all are kept' : ''}`;
  }
  const { linesCovered, linesMissed, branchesCovered, branchesMissed } = coverage!;
  const part = (covered: number, missed: number, what: string): string =>
    `${covered} of ${covered + missed} ${what} covered (${percentOf(covered, missed) ?? 0} %)`;
  return `${part(linesCovered, linesMissed, 'lines')}, ${part(branchesCovered, branchesMissed, 'branches')}`;
}
