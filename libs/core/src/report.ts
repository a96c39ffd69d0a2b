// Nouns of test and coverage reports (codebuild-contract A5, C6, E): what a build says about its tests, whatever tool wrote it.
import type { BuildId } from './ids.js';

export const TEST_FORMATS = [
  'JUNITXML',
  'CUCUMBERJSON',
  'NUNITXML',
  'NUNIT3XML',
  'TESTNGXML',
  'VISUALSTUDIOTRX',
] as const;
/** LCOV is Kilnyard's own addition. */
export const COVERAGE_FORMATS = ['CLOVERXML', 'COBERTURAXML', 'JACOCOXML', 'SIMPLECOV', 'LCOV'] as const;
export const REPORT_FORMATS = [...TEST_FORMATS, ...COVERAGE_FORMATS] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export const REPORT_TYPES = ['TEST', 'CODE_COVERAGE'] as const;
export type ReportType = (typeof REPORT_TYPES)[number];

/** Of a stored report: SUCCEEDED no case failed, FAILED some did, INCOMPLETE some of its files are missing or could not be read. */
export const REPORT_STATUSES = ['SUCCEEDED', 'FAILED', 'INCOMPLETE'] as const;
export type ReportStatus = (typeof REPORT_STATUSES)[number];

export const TEST_STATUSES = ['SUCCEEDED', 'FAILED', 'ERROR', 'SKIPPED', 'UNKNOWN'] as const;
export type TestStatus = (typeof TEST_STATUSES)[number];

export function typeOfFormat(format: ReportFormat): ReportType {
  return TEST_FORMATS.some((one) => one === format) ? 'TEST' : 'CODE_COVERAGE';
}

/** Characters that are kept of a case's name, prefix or suite, and of its message (codebuild-contract A5). */
export const MAX_CASE_NAME = 1_000;
export const MAX_CASE_MESSAGE = 5_000;

/** Characters that a reader keeps beyond these, until what is secret was masked: a secret that was cut in two would not be found. */
export const MASK_MARGIN = 4_096;

export interface TestCase {
  name: string;
  /** What stands before the name; depends on the framework: a class, a fixture, a feature. */
  prefix: string;
  suite: string;
  status: TestStatus;
  durationNs: number;
  /** Why it did not pass; else empty. */
  message: string;
  /** Report file that it was read from, as the build named it. */
  file: string;
}

export interface TestSummary {
  /** Those that were not kept included. */
  total: number;
  statusCounts: Record<TestStatus, number>;
  durationNs: number;
}

export interface CoverageCounts {
  linesCovered: number;
  linesMissed: number;
  branchesCovered: number;
  branchesMissed: number;
}

export interface FileCoverage extends CoverageCounts {
  path: string;
}

/** What came out of the files of one report. */
export interface ReportContent {
  /** Null for a coverage report. */
  tests: TestSummary | null;
  /** In the order of the files, those that did not pass before others when not all are kept. */
  cases: TestCase[];
  /** Null for a test report. */
  coverage: CoverageCounts | null;
  /** In order of their paths. */
  files: FileCoverage[];
  /** More was there than is kept of it. */
  truncated: boolean;
}

/** A report as a build hands it in. */
export interface NewReport {
  /** Name of its group, which is made when it is not there. */
  group: string;
  format: ReportFormat;
  status: ReportStatus;
  /** Why it is INCOMPLETE; else empty. */
  message: string;
  content: ReportContent;
}

export interface Report {
  id: string;
  groupName: string;
  type: ReportType;
  format: ReportFormat;
  status: ReportStatus;
  message: string;
  buildId: BuildId;
  projectName: string;
  buildNumber: number;
  attempt: number;
  /** Commit that was built; null where the source has none. */
  commit: string | null;
  createdAt: Date;
  /** When retention takes it; null: with its build. */
  expiresAt: Date | null;
  truncated: boolean;
  tests: TestSummary | null;
  coverage: CoverageCounts | null;
}

export interface ReportGroup {
  name: string;
  type: ReportType;
  /** Of the build that made it. */
  projectName: string;
  /** Days that its reports are kept; 0: as long as their builds; null: as the instance says. */
  expiryDays: number | null;
  createdAt: Date;
  updatedAt: Date;
}

/** Covered in percent of all, two decimals; null where there is nothing to cover. */
export function percentOf(covered: number, missed: number): number | null {
  const all = covered + missed;
  return all === 0 ? null : Math.round((covered / all) * 10_000) / 100;
}

/** The first `length` characters, never through the middle of a surrogate pair. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = /[\ud800-\udbff]/.test(text[length - 1] ?? '') ? length - 1 : length;
  return text.slice(0, Math.max(0, end));
}

/** What is kept of a report of which nothing could be read. */
export function nothingOf(format: ReportFormat): ReportContent {
  const nothing = { cases: [], files: [], truncated: false };
  if (typeOfFormat(format) === 'CODE_COVERAGE')
    return {
      ...nothing,
      tests: null,
      coverage: { linesCovered: 0, linesMissed: 0, branchesCovered: 0, branchesMissed: 0 },
    };
  const statusCounts = { SUCCEEDED: 0, FAILED: 0, ERROR: 0, SKIPPED: 0, UNKNOWN: 0 };
  return { ...nothing, tests: { total: 0, statusCounts, durationNs: 0 }, coverage: null };
}
