// The examples of the documentation of reports.
import { EXAMPLE_BUILD_ID } from '../docs/examples.js';
import type { GroupView, ReportView } from './report.dto.js';

export const EXAMPLE_GROUP: GroupView = {
  name: 'demo-unit',
  type: 'TEST',
  projectName: 'demo',
  expiryDays: null,
  created: '2026-01-05T09:03:00.000Z',
  lastModified: '2026-01-05T09:03:00.000Z',
};

export const EXAMPLE_REPORT: ReportView = {
  id: '7f9c24e5-2b1a-4d3f-9a57-3a8e1f0c6b2d',
  reportGroup: 'demo-unit',
  type: 'TEST',
  format: 'JUNITXML',
  status: 'FAILED',
  message: '',
  buildId: EXAMPLE_BUILD_ID,
  buildNumber: 1,
  attempt: 1,
  commit: '8f0c1e2d3b4a59687786958473625140fedcba98',
  created: '2026-01-05T09:03:00.000Z',
  expires: '2026-02-04T09:03:00.000Z',
  truncated: false,
  testSummary: {
    total: 3,
    statusCounts: { SUCCEEDED: 2, FAILED: 1, ERROR: 0, SKIPPED: 0, UNKNOWN: 0 },
    durationInNanoSeconds: 1_250_000_000,
  },
  codeCoverageSummary: null,
};

export const EXAMPLE_CASE = {
  name: 'adds',
  prefix: 'math.Sums',
  testSuiteName: 'math',
  status: 'FAILED',
  durationInNanoSeconds: 12_000_000,
  message: 'expected 3, got 4',
  testRawDataPath: 'reports/junit.xml',
} as const;

export const EXAMPLE_COVERAGE = {
  filePath: 'src/sums.ts',
  lineCoveragePercentage: 83.33,
  linesCovered: 5,
  linesMissed: 1,
  branchCoveragePercentage: null,
  branchesCovered: 0,
  branchesMissed: 0,
};

export const GROUP_PARAM = { name: { description: 'Name of the report group.', example: EXAMPLE_GROUP.name } };
export const REPORT_PARAM = { id: { description: 'Id of the report.', example: EXAMPLE_REPORT.id } };
