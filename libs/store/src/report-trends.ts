// What the reports of a group tell together: trends, tests that fail now and then, slow ones. Called by ReportsStore.
import { Refusal } from '#core/errors.js';
import type { ReportGroup, ReportType } from '#core/report.js';
import type { Database } from './database.js';

/** The figure of a report, as SQL. Percentages in percent, durations in ns (codebuild-contract A5). */
const FIGURES = {
  PASS_RATE: `(r.tests->'statusCounts'->>'SUCCEEDED')::float8 * 100 / nullif((r.tests->>'total')::float8, 0)`,
  DURATION: `(r.tests->>'durationNs')::float8`,
  TOTAL: `(r.tests->>'total')::float8`,
  LINE_COVERAGE: percentage('linesCovered', 'linesMissed'),
  LINES_COVERED: figure('linesCovered'),
  LINES_MISSED: figure('linesMissed'),
  BRANCH_COVERAGE: percentage('branchesCovered', 'branchesMissed'),
  BRANCHES_COVERED: figure('branchesCovered'),
  BRANCHES_MISSED: figure('branchesMissed'),
} as const;
export type TrendField = keyof typeof FIGURES;
export const TREND_FIELDS = Object.keys(FIGURES) as TrendField[];
const OF_TESTS: readonly TrendField[] = ['PASS_RATE', 'DURATION', 'TOTAL'];

export interface TrendPoint {
  reportId: string;
  buildId: string;
  projectName: string;
  buildNumber: number;
  createdAt: Date;
  /** Null where there is nothing to count, such as branches. */
  value: number | null;
}

export interface Trend {
  /** Newest first. */
  points: TrendPoint[];
  /** Over the points that have a value; null when none has. */
  average: number | null;
  min: number | null;
  max: number | null;
}

/** A test that both passed and failed on one commit. */
export interface FlakyTest {
  name: string;
  prefix: string;
  suite: string;
  /** Commits on which it did both. */
  commits: number;
  /** Its runs on these commits. */
  passed: number;
  failed: number;
  lastFailedAt: Date;
}

export interface SlowTest {
  name: string;
  prefix: string;
  suite: string;
  runs: number;
  averageNs: number;
  maxNs: number;
}

/** Errors: Refusal INVALID_INPUT for a field of the other type. */
export async function trend(db: Database, group: ReportGroup, field: TrendField, reports: number): Promise<Trend> {
  const type: ReportType = OF_TESTS.includes(field) ? 'TEST' : 'CODE_COVERAGE';
  if (type !== group.type) {
    const fields = TREND_FIELDS.filter((one) => OF_TESTS.includes(one) === (group.type === 'TEST'));
    throw new Refusal('INVALID_INPUT', `the report group ${group.name} has no ${field}`, {
      findings: [
        { field: 'field', expected: `one of ${fields.join(', ')} for reports of the type ${group.type}`, got: field },
      ],
    });
  }
  const { rows: points } = await db.query<TrendPoint>(
    `SELECT r.id AS "reportId", r.build_id AS "buildId", b.project_name AS "projectName", b.number AS "buildNumber",
       r.created_at AS "createdAt", round((${FIGURES[field]})::numeric, 2)::float8 AS value
     FROM report r JOIN build b ON b.id = r.build_id
     WHERE r.group_id = (SELECT id FROM report_group WHERE name = $1) ORDER BY r.created_at DESC, r.id LIMIT $2`,
    [group.name, reports],
  );
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return { points, average: null, min: null, max: null };
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { points, average: Math.round(average * 100) / 100, min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Of the last `days`: those that failed on most commits first. Commits with one report alone, and those on which nothing failed, can
 * tell of none: their cases are not read.
 */
export async function flakyTests(db: Database, group: string, days: number, limit: number): Promise<FlakyTest[]> {
  const { rows } = await db.query<FlakyTest>(
    `WITH recent AS MATERIALIZED (
       SELECT id, commit, created_at, (tests->'statusCounts'->>'FAILED')::int + (tests->'statusCounts'->>'ERROR')::int AS bad
       FROM report WHERE group_id = (SELECT id FROM report_group WHERE name = $1) AND commit IS NOT NULL
         AND created_at > now() - $2 * interval '1 day'
     ), doubtful AS MATERIALIZED (
       SELECT commit FROM recent GROUP BY commit HAVING count(*) > 1 AND sum(bad) > 0
     ), told AS (
       SELECT c.prefix, c.suite, c.name, r.commit, count(*) FILTER (WHERE c.status = 'SUCCEEDED') AS passed,
         count(*) FILTER (WHERE c.status IN ('FAILED', 'ERROR')) AS failed,
         max(r.created_at) FILTER (WHERE c.status IN ('FAILED', 'ERROR')) AS failed_at
       FROM recent r JOIN doubtful USING (commit) JOIN report_test_case c ON c.report_id = r.id
       GROUP BY c.prefix, c.suite, c.name, r.commit
     )
     SELECT name, prefix, suite, count(*)::int AS commits, sum(passed)::int AS passed, sum(failed)::int AS failed,
       max(failed_at) AS "lastFailedAt"
     FROM told WHERE passed > 0 AND failed > 0 GROUP BY prefix, suite, name
     ORDER BY count(*) DESC, max(failed_at) DESC, prefix, suite, name LIMIT $3`,
    [group, days, limit],
  );
  return rows;
}

/** Of the newest `reports`, by their average time; skipped runs do not count. */
export async function slowestTests(db: Database, group: string, reports: number, limit: number): Promise<SlowTest[]> {
  const { rows } = await db.query<SlowTest>(
    `SELECT c.name, c.prefix, c.suite, count(*)::int AS runs, round(avg(c.duration_ns))::float8 AS "averageNs",
       max(c.duration_ns)::float8 AS "maxNs"
     FROM (SELECT id FROM report WHERE group_id = (SELECT id FROM report_group WHERE name = $1)
           ORDER BY created_at DESC, id LIMIT $2) r
     JOIN report_test_case c ON c.report_id = r.id WHERE c.status <> 'SKIPPED'
     GROUP BY c.prefix, c.suite, c.name ORDER BY avg(c.duration_ns) DESC, c.prefix, c.suite, c.name LIMIT $3`,
    [group, reports, limit],
  );
  return rows;
}

function figure(name: string): string {
  return `(r.coverage->>'${name}')::float8`;
}

function percentage(covered: string, missed: string): string {
  return `${figure(covered)} * 100 / nullif(${figure(covered)} + ${figure(missed)}, 0)`;
}
