// Report groups, reports and what is in them, as they are asked for and as they are shown (codebuild-contract A5).
import { z } from 'zod';
import { publicBuildId } from '#core/ids.js';
import {
  percentOf,
  REPORT_FORMATS,
  REPORT_STATUSES,
  REPORT_TYPES,
  TEST_STATUSES,
  type CoverageCounts,
  type FileCoverage,
  type Report,
  type ReportGroup,
  type TestCase,
} from '#core/report.js';
import { TREND_FIELDS, type FlakyTest, type SlowTest, type Trend } from '#store/report-trends.js';
import { pageOf, pageQuery, wholeNumber } from '../http/page.dto.js';
import { projectName, timestamp } from '../projects/project.dto.js';

const expiryDays = z.int().min(0).max(36_500).nullable();

export const groupView = z
  .object({
    name: z.string(),
    type: z.enum(REPORT_TYPES),
    projectName: z.string().meta({ description: 'Of the build that made it.' }),
    expiryDays: expiryDays.meta({
      description:
        'Days that its reports are kept, never longer than their builds; 0: as long as these; null: KILNYARD_KEEP_REPORTS_DAYS.',
    }),
    created: timestamp,
    lastModified: timestamp,
  })
  .meta({ id: 'ReportGroup' });
export const groupPage = pageOf('ReportGroupPage', groupView);
export type GroupView = z.infer<typeof groupView>;

export const updateGroupBody = z.strictObject({ expiryDays: expiryDays }).meta({
  id: 'UpdateReportGroup',
  description: 'A number counts for the reports that are there, too; null for those to come.',
});

export const listGroupsQuery = z.strictObject({
  ...pageQuery,
  project: projectName.optional().meta({ description: 'Only groups that builds of this project made.' }),
  type: z.enum(REPORT_TYPES).optional(),
});
export const deleteGroupQuery = z.strictObject({
  deleteReports: z.enum(['true', 'false']).default('false').meta({ description: 'Needed when the group has reports.' }),
});
export const listReportsQuery = z.strictObject({ ...pageQuery, status: z.enum(REPORT_STATUSES).optional() });

const counts = {
  lineCoveragePercentage: z.number().nullable().meta({ description: 'Null where there are no lines.' }),
  linesCovered: z.int(),
  linesMissed: z.int(),
  branchCoveragePercentage: z.number().nullable().meta({ description: 'Null where there are no branches.' }),
  branchesCovered: z.int(),
  branchesMissed: z.int(),
};

export const reportView = z
  .object({
    id: z.string(),
    reportGroup: z.string().meta({ description: 'Name of its group.' }),
    type: z.enum(REPORT_TYPES),
    format: z.enum(REPORT_FORMATS),
    status: z.enum(REPORT_STATUSES).meta({
      description:
        'FAILED: a test case failed. INCOMPLETE: none did, but files are missing or could not be read; `message` says which.',
    }),
    message: z.string(),
    buildId: z.string(),
    buildNumber: z.int(),
    attempt: z.int(),
    commit: z.string().nullable(),
    created: timestamp,
    expires: timestamp.nullable().meta({ description: 'Null: it goes with its build.' }),
    truncated: z.boolean().meta({ description: 'More was there than is kept; the sums count all.' }),
    testSummary: z
      .object({
        total: z.int(),
        statusCounts: z.object(Object.fromEntries(TEST_STATUSES.map((status) => [status, z.int()]))),
        durationInNanoSeconds: z.number(),
      })
      .nullable(),
    codeCoverageSummary: z.object(counts).nullable(),
  })
  .meta({ id: 'Report' });
export const reportPage = pageOf('ReportPage', reportView);
export const reportList = z.object({ items: z.array(reportView) }).meta({ id: 'ReportList' });
export type ReportView = z.infer<typeof reportView>;

export const testCasesQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(TEST_STATUSES).optional(),
  keyword: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'A part of the name or the prefix, as it is written.' }),
  prefix: z.string().min(1).max(1000).optional().meta({ description: 'How the prefix begins, such as a package.' }),
});
export const testCaseView = z
  .object({
    name: z.string(),
    prefix: z.string().meta({ description: 'What stands before the name: a class, a fixture, a feature.' }),
    testSuiteName: z.string(),
    status: z.enum(TEST_STATUSES),
    durationInNanoSeconds: z.number(),
    message: z.string().meta({ description: 'Why it did not pass; at most 5,000 characters, secrets masked.' }),
    testRawDataPath: z.string().meta({ description: 'The file that it was read from.' }),
  })
  .meta({ id: 'TestCase' });
export const testCasePage = pageOf('TestCasePage', testCaseView);

const percentage = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,6})?$/, 'a percentage')
  .transform(Number)
  .pipe(z.number().min(0).max(100));
export const coverageQuery = z.strictObject({
  ...pageQuery,
  sortBy: z.enum(['LINE_COVERAGE_PERCENTAGE', 'FILE_PATH']).default('LINE_COVERAGE_PERCENTAGE'),
  sortOrder: z.enum(['ASCENDING', 'DESCENDING']).default('ASCENDING'),
  minLineCoveragePercentage: percentage.optional(),
  maxLineCoveragePercentage: percentage.optional(),
});
export const coverageView = z.object({ filePath: z.string(), ...counts }).meta({ id: 'CodeCoverage' });
export const coveragePage = pageOf('CodeCoveragePage', coverageView);

export const trendQuery = z.strictObject({
  field: z
    .enum(TREND_FIELDS)
    .meta({ description: 'Of tests PASS_RATE (%), DURATION (ns), TOTAL; of coverage the others.' }),
  reports: wholeNumber(1, 100).default(100).meta({ description: 'How many reports, the newest.' }),
});
export const trendView = z
  .object({
    stats: z.object({ average: z.number().nullable(), min: z.number().nullable(), max: z.number().nullable() }),
    items: z
      .array(
        z.object({
          reportId: z.string(),
          buildId: z.string(),
          buildNumber: z.int(),
          created: timestamp,
          value: z.number().nullable().meta({ description: 'Null where there is nothing to count, such as branches.' }),
        }),
      )
      .meta({ description: 'Newest first.' }),
  })
  .meta({ id: 'ReportTrend' });

const listed = wholeNumber(1, 100).default(20).meta({ description: 'Entries at most.' });
export const flakyQuery = z.strictObject({
  days: wholeNumber(1, 365).default(14).meta({ description: 'Reports of the last so many days.' }),
  limit: listed,
});
const named = { name: z.string(), prefix: z.string(), testSuiteName: z.string() };
export const flakyList = z
  .object({
    items: z.array(
      z.object({
        ...named,
        commits: z.int().meta({ description: 'Commits on which it both passed and failed.' }),
        passed: z.int().meta({ description: 'Runs on these commits that passed.' }),
        failed: z.int(),
        lastFailed: timestamp,
      }),
    ),
  })
  .meta({ id: 'FlakyTests' });
export const slowestQuery = z.strictObject({
  reports: wholeNumber(1, 100).default(20).meta({ description: 'Over how many reports, the newest.' }),
  limit: listed,
});
export const slowestList = z
  .object({
    items: z.array(
      z.object({ ...named, runs: z.int(), averageInNanoSeconds: z.number(), maxInNanoSeconds: z.number() }),
    ),
  })
  .meta({ id: 'SlowestTests' });

export function toGroupView(group: ReportGroup): GroupView {
  const { name, type, projectName: project, expiryDays: days, createdAt, updatedAt } = group;
  return {
    name,
    type,
    projectName: project,
    expiryDays: days,
    created: createdAt.toISOString(),
    lastModified: updatedAt.toISOString(),
  };
}

export function toReportView(report: Report): ReportView {
  const { id, type, format, status, message, attempt, commit, truncated, buildNumber, tests, coverage } = report;
  return {
    ...{ id, reportGroup: report.groupName, type, format, status, message },
    ...{ buildId: publicBuildId(report.projectName, report.buildId), buildNumber, attempt, commit },
    created: report.createdAt.toISOString(),
    expires: report.expiresAt?.toISOString() ?? null,
    truncated,
    testSummary:
      tests === null
        ? null
        : { total: tests.total, statusCounts: tests.statusCounts, durationInNanoSeconds: tests.durationNs },
    codeCoverageSummary: coverage === null ? null : withPercentages(coverage),
  };
}

export function toTestCaseView(one: TestCase): z.infer<typeof testCaseView> {
  const { name, prefix, suite, status, durationNs, message, file } = one;
  return {
    name,
    prefix,
    testSuiteName: suite,
    status,
    durationInNanoSeconds: durationNs,
    message,
    testRawDataPath: file,
  };
}

export function toCoverageView({ path, ...of }: FileCoverage): z.infer<typeof coverageView> {
  return { filePath: path, ...withPercentages(of) };
}

export function toTrendView({ points, average, min, max }: Trend): z.infer<typeof trendView> {
  const items = points.map(({ reportId, buildId, projectName: project, buildNumber, createdAt, value }) => ({
    ...{ reportId, buildId: `${project}:${buildId}`, buildNumber, created: createdAt.toISOString(), value },
  }));
  return { stats: { average, min, max }, items };
}

export function toFlakyView({ suite, lastFailedAt, ...one }: FlakyTest): z.infer<typeof flakyList>['items'][number] {
  return { ...one, testSuiteName: suite, lastFailed: lastFailedAt.toISOString() };
}

export function toSlowView({
  suite,
  averageNs,
  maxNs,
  ...one
}: SlowTest): z.infer<typeof slowestList>['items'][number] {
  return { ...one, testSuiteName: suite, averageInNanoSeconds: averageNs, maxInNanoSeconds: maxNs };
}

function withPercentages(of: CoverageCounts): Omit<z.infer<typeof coverageView>, 'filePath'> {
  return {
    lineCoveragePercentage: percentOf(of.linesCovered, of.linesMissed),
    linesCovered: of.linesCovered,
    linesMissed: of.linesMissed,
    branchCoveragePercentage: percentOf(of.branchesCovered, of.branchesMissed),
    branchesCovered: of.branchesCovered,
    branchesMissed: of.branchesMissed,
  };
}
