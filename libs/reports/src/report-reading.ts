// Reads the files of one report, whatever tool wrote them. Pure: bytes in, a report's content out. Called in a thread of the worker,
// since what it reads was made by strangers: it is bounded in what it keeps, and the thread in time and memory.
import { typeOfFormat, type ReportContent, type ReportFormat } from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { Coverage, sumOf, type CoverageOfFile } from './coverage.js';
import { decode, decodeAll } from './decode.js';
import { readClover } from './formats/clover.js';
import { readCobertura } from './formats/cobertura.js';
import { readCucumber } from './formats/cucumber.js';
import { readJacoco } from './formats/jacoco.js';
import { readJunit } from './formats/junit.js';
import { readLcov } from './formats/lcov.js';
import { readNunit2, readNunit3 } from './formats/nunit.js';
import { readSimplecov } from './formats/simplecov.js';
import { readTestng } from './formats/testng.js';
import { readTrx } from './formats/trx.js';
import { MAX_FILE_BYTES } from './limits.js';
import { TestCases, type NewCase } from './test-cases.js';

const TESTS = {
  JUNITXML: (bytes: Uint8Array) => readJunit(decode(bytes)),
  CUCUMBERJSON: (bytes: Uint8Array) => readCucumber(decodeAll(bytes)),
  NUNITXML: (bytes: Uint8Array) => readNunit2(decode(bytes)),
  NUNIT3XML: (bytes: Uint8Array) => readNunit3(decode(bytes)),
  TESTNGXML: (bytes: Uint8Array) => readTestng(decode(bytes)),
  VISUALSTUDIOTRX: (bytes: Uint8Array) => readTrx(decode(bytes)),
} satisfies Partial<Record<ReportFormat, (bytes: Uint8Array) => NewCase[]>>;

const COVERAGES = {
  CLOVERXML: (bytes: Uint8Array) => readClover(decode(bytes)),
  COBERTURAXML: (bytes: Uint8Array) => readCobertura(decode(bytes)),
  JACOCOXML: (bytes: Uint8Array) => readJacoco(decode(bytes)),
  SIMPLECOV: (bytes: Uint8Array) => readSimplecov(decodeAll(bytes)),
  LCOV: (bytes: Uint8Array) => readLcov(decodeAll(bytes)),
} satisfies Partial<Record<ReportFormat, (bytes: Uint8Array) => CoverageOfFile>>;

export interface ReadingLimits {
  /** Test cases that are kept. */
  cases: number;
  /** Source files whose coverage is kept. */
  files: number;
}

export class ReportReading {
  private readonly tests: TestCases;
  private readonly coverage = new Coverage();

  constructor(
    private readonly format: ReportFormat,
    private readonly limits: ReadingLimits,
  ) {
    this.tests = new TestCases(limits.cases);
  }

  /**
   * Adds one file. `name` is shown with its cases.
   * Errors: BrokenReport that says what was expected; nothing of the file is taken then, and the next may follow.
   */
  add(name: string, bytes: Uint8Array): void {
    if (bytes.length > MAX_FILE_BYTES)
      throw new BrokenReport(`expected at most ${MAX_FILE_BYTES} bytes, got ${bytes.length}`);
    if (bytes.length === 0) throw new BrokenReport('the file is empty');
    const { format } = this;
    if (isTestFormat(format)) this.tests.add(name, TESTS[format](bytes));
    else this.coverage.add(COVERAGES[format](bytes));
  }

  get content(): ReportContent {
    if (typeOfFormat(this.format) === 'TEST') {
      const { summary, kept } = this.tests;
      return { tests: summary, cases: kept, coverage: null, files: [], truncated: kept.length < summary.total };
    }
    const all = this.coverage.files;
    const files = all.slice(0, this.limits.files);
    return { tests: null, cases: [], coverage: sumOf(all), files, truncated: files.length < all.length };
  }
}

function isTestFormat(format: ReportFormat): format is keyof typeof TESTS {
  return typeOfFormat(format) === 'TEST';
}
