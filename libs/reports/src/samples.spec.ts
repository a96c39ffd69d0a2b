// Real files of real tools, and what they hold as counted by another program. They lie beside the repository, not in it.
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ReportContent, ReportFormat } from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { GUESS_BYTES, guessFormat } from './guess-format.js';
import { ReportReading } from './report-reading.js';

const FOLDER = fileURLToPath(new URL('../../../../shared/data/reports/', import.meta.url));
const COUNTS = `${FOLDER}computed-counts.json`;
const there = existsSync(COUNTS);

const FORMAT_OF: Record<string, ReportFormat> = {
  junit: 'JUNITXML',
  cucumber: 'CUCUMBERJSON',
  nunit2: 'NUNITXML',
  nunit3: 'NUNIT3XML',
  testng: 'TESTNGXML',
  trx: 'VISUALSTUDIOTRX',
  clover: 'CLOVERXML',
  cobertura: 'COBERTURAXML',
  jacoco: 'JACOCOXML',
  simplecov: 'SIMPLECOV',
  lcov: 'LCOV',
};

type Counts = Record<string, never> & Record<string, unknown>;
const counts: [string, Counts][] = there
  ? Object.entries(JSON.parse(readFileSync(COUNTS, 'utf8')) as Record<string, Counts>)
  : [];
const broken = counts.filter(([, count]) => 'unparseable' in count);
const NO_JUNIT = 'junit/EnricoMi__junit-xml_non-junit.xml';
const whole = counts.filter(([file, count]) => !('unparseable' in count) && file !== NO_JUNIT);

if (!there) {
  console.warn(`SKIPPED: no report files in ${FOLDER}; the readers are not checked against real files`);
  describe('samples of report files', () => {
    it.skip(`SKIPPED because ${COUNTS} is missing`, () => undefined);
  });
} else {
  describe('samples of report files', () => {
    it.each(broken)('refuses %s', (file) => {
      expect(() => read(file)).toThrow(BrokenReport);
    });

    it('refuses what is no JUnit', () => {
      expect(() => read(NO_JUNIT)).toThrow('expected the root element testsuites or testsuite, got "suites"');
    });

    it.each(whole)('reads %s', (file, expected) => {
      expect(countsOf(file, read(file), expected)).toEqual(expected);
    });

    it.each(whole)('guesses the format of %s', (file) => {
      const head = readFileSync(FOLDER + file).subarray(0, GUESS_BYTES);
      const [folder = ''] = file.split('/');
      // these have names of their own in a build
      const name =
        folder === 'simplecov'
          ? '.resultset.json'
          : folder === 'cucumber'
            ? 'cucumber.json'
            : folder === 'lcov'
              ? 'lcov.info'
              : file;
      expect(guessFormat(name, head)).toBe(FORMAT_OF[folder]);
    });
  });
}

function read(file: string): ReportContent {
  const reading = new ReportReading(FORMAT_OF[file.split('/')[0] ?? '']!, { cases: 10_000, files: 10_000 });
  reading.add(file, readFileSync(FOLDER + file));
  return reading.content;
}

/** What was read, in the words of the counts. `expected` tells which of them there are. */
function countsOf(file: string, { tests, coverage, files }: ReportContent, expected: Counts): Record<string, unknown> {
  const by = tests?.statusCounts;
  const folder = file.split('/')[0];
  if (by !== undefined) {
    const { SUCCEEDED, FAILED, ERROR, SKIPPED, UNKNOWN } = by;
    const total = tests!.total;
    switch (folder) {
      case 'junit':
        return { total, failed: FAILED, error: ERROR, skipped: SKIPPED, passed: SUCCEEDED };
      case 'cucumber':
        return { ...expected, scenarios: total, passed: SUCCEEDED, failed: FAILED, other: ERROR + SKIPPED + UNKNOWN };
      case 'testng':
        return {
          ...present({ FAIL: FAILED, PASS: SUCCEEDED, SKIP: SKIPPED }),
          config: expected['config'],
          total_non_config: total,
        };
      case 'trx':
        return {
          ...present({ Passed: SUCCEEDED, Failed: FAILED, NotExecuted: SKIPPED, Aborted: ERROR, NotRunnable: UNKNOWN }),
          total,
        };
      default:
        return {
          ...('Success' in expected || 'Passed' in expected
            ? present({
                [folder === 'nunit2' ? 'Success' : 'Passed']: SUCCEEDED,
                Failed: FAILED + ERROR,
                Skipped: SKIPPED,
              })
            : present({ 'executed=True,success=True': SUCCEEDED, 'executed=True,success=False': FAILED })),
          total,
        };
    }
  }
  const { linesCovered, linesMissed, branchesCovered, branchesMissed } = coverage!;
  const lines = linesCovered + linesMissed;
  const branches = branchesCovered + branchesMissed;
  switch (folder) {
    case 'clover':
      return { ...expected, files: files.length };
    case 'cobertura':
      return { ...expected, files: files.length, unique_lines: lines, unique_lines_covered: linesCovered };
    case 'jacoco':
      return {
        ...expected,
        LINE: { missed: linesMissed, covered: linesCovered },
        BRANCH: { missed: branchesMissed, covered: branchesCovered },
      };
    case 'lcov':
      return {
        files: files.length,
        LF: lines,
        LH: linesCovered,
        BRF: branches,
        BRH: branchesCovered,
        DA: lines,
        DA_hit: linesCovered,
      };
    default:
      return {
        files: files.length,
        relevant_lines: lines,
        covered_lines: linesCovered,
        branches,
        branches_covered: branchesCovered,
      };
  }
}

/** Counts that are not 0: the others have no row. */
function present(all: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
}
