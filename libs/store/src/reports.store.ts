// Report groups, reports, their test cases and covered files. What builds add is in save-report.ts, what is told of many of them in
// report-trends.ts.
import type { Lease } from '#core/build.js';
import { Refusal } from '#core/errors.js';
import { asBuildId, type BuildId } from '#core/ids.js';
import type {
  FileCoverage,
  NewReport,
  Report,
  ReportGroup,
  ReportStatus,
  ReportType,
  TestCase,
  TestStatus,
} from '#core/report.js';
import type { Database } from './database.js';
import { cursorId, cursorNumber, cursorTime, type Page, readCursor, toPage } from './page.js';
import * as trends from './report-trends.js';
import { saveReport } from './save-report.js';

export type CoverageSort = 'LINE_COVERAGE_PERCENTAGE' | 'FILE_PATH';

type ReportRow = Omit<Report, 'buildId'> & { buildId: string };

const GROUP_COLUMNS = `name, type, project_name AS "projectName", expiry_days AS "expiryDays", created_at AS "createdAt", updated_at AS "updatedAt"`;

const REPORTS = `SELECT r.id, g.name AS "groupName", g.type, r.format, r.status, r.message, r.build_id AS "buildId",
    b.project_name AS "projectName", b.number AS "buildNumber", r.attempt, r.commit, r.created_at AS "createdAt",
    r.expires_at AS "expiresAt", r.truncated, r.tests, r.coverage
  FROM report r JOIN report_group g ON g.id = r.group_id JOIN build b ON b.id = r.build_id`;

export class ReportsStore {
  constructor(private readonly db: Database) {}

  /** See saveReport. */
  save(lease: Lease, report: NewReport, keepDays: number): Promise<string> {
    return saveReport(this.db, lease, report, keepDays);
  }

  // --- groups -----------------------------------------------------------------------------------------------------------------

  /** A page, by name. Errors: Refusal INVALID_INPUT (cursor). */
  async groups(request: {
    projectName?: string;
    type?: ReportType;
    cursor?: string;
    limit: number;
  }): Promise<Page<ReportGroup>> {
    const after = readCursor(request.cursor, 1)?.[0] ?? null;
    const { rows } = await this.db.query<ReportGroup>(
      `SELECT ${GROUP_COLUMNS} FROM report_group
       WHERE ($1::text IS NULL OR project_name = $1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR name > $3)
       ORDER BY name LIMIT $4`,
      [request.projectName ?? null, request.type ?? null, after, request.limit + 1],
    );
    return toPage(
      rows,
      request.limit,
      (row) => row,
      ({ name }) => [name],
    );
  }

  /** Errors: Refusal REPORT_GROUP_NOT_FOUND. */
  async group(name: string): Promise<ReportGroup> {
    const { rows } = await this.db.query<ReportGroup>(`SELECT ${GROUP_COLUMNS} FROM report_group WHERE name = $1`, [
      name,
    ]);
    return rows[0] ?? groupNotFound(name);
  }

  /**
   * In: days that its reports are kept; a number counts for those that are there, too; null (as the instance says) for those to come.
   * Errors: Refusal REPORT_GROUP_NOT_FOUND.
   */
  async updateGroup(name: string, expiryDays: number | null): Promise<ReportGroup> {
    return this.db.transaction(async (tx) => {
      const { rows } = await tx.query<ReportGroup>(
        `UPDATE report_group SET expiry_days = $2, updated_at = now() WHERE name = $1 RETURNING ${GROUP_COLUMNS}`,
        [name, expiryDays],
      );
      const group = rows[0] ?? groupNotFound(name);
      if (expiryDays !== null) {
        await tx.query(
          `UPDATE report SET expires_at = CASE WHEN $2::int > 0 THEN created_at + $2::int * interval '1 day' END
           WHERE group_id = (SELECT id FROM report_group WHERE name = $1)`,
          [name, expiryDays],
        );
      }
      return group;
    });
  }

  /** Errors: Refusal REPORT_GROUP_NOT_FOUND; INVALID_INPUT for one that has reports, unless they are to go along (codebuild-contract A5). */
  async deleteGroup(name: string, withReports: boolean): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { rows } = await tx.query<{ id: string }>('SELECT id FROM report_group WHERE name = $1 FOR UPDATE', [name]);
      const { id } = rows[0] ?? groupNotFound(name);
      const { rowCount } = await tx.query('SELECT 1 FROM report WHERE group_id = $1 LIMIT 1', [id]);
      if (rowCount !== 0 && !withReports) {
        throw new Refusal('INVALID_INPUT', `the report group ${name} has reports`, {
          findings: [{ field: 'deleteReports', expected: 'true, since the group has reports', got: 'false' }],
        });
      }
      await tx.query('DELETE FROM report_group WHERE id = $1', [id]);
    });
  }

  // --- reports ----------------------------------------------------------------------------------------------------------------

  /** A page of a group's reports, newest first. Errors: Refusal REPORT_GROUP_NOT_FOUND, INVALID_INPUT (cursor). */
  async ofGroup(request: {
    group: string;
    status?: ReportStatus;
    cursor?: string;
    limit: number;
  }): Promise<Page<Report>> {
    await this.group(request.group);
    const [time, id] = readCursor(request.cursor, 2) ?? [];
    const { rows } = await this.db.query<ReportRow>(
      `${REPORTS} WHERE g.name = $1 AND ($2::text IS NULL OR r.status = $2)
         AND ($3::timestamptz IS NULL OR r.created_at < $3 OR (r.created_at = $3 AND r.id > $4))
       ORDER BY r.created_at DESC, r.id LIMIT $5`,
      [
        request.group,
        request.status ?? null,
        time === undefined ? null : cursorTime(time, request.cursor ?? '').toISOString(),
        id === undefined ? null : cursorId(id, request.cursor ?? ''),
        request.limit + 1,
      ],
    );
    return toPage(rows, request.limit, toReport, (row) => [row.createdAt.toISOString(), row.id]);
  }

  /** Of all attempts, in the order in which they were made. */
  async ofBuild(id: BuildId): Promise<Report[]> {
    const { rows } = await this.db.query<ReportRow>(
      `${REPORTS} WHERE r.build_id = $1 ORDER BY r.attempt, r.created_at, r.id`,
      [id],
    );
    return rows.map(toReport);
  }

  /** Errors: Refusal REPORT_NOT_FOUND. */
  async get(id: string): Promise<Report> {
    const { rows } = await this.db.query<ReportRow>(`${REPORTS} WHERE r.id = $1`, [id]);
    return toReport(rows[0] ?? reportNotFound(id));
  }

  /** Errors: Refusal REPORT_NOT_FOUND. */
  async delete(id: string): Promise<void> {
    const { rowCount } = await this.db.query('DELETE FROM report WHERE id = $1', [id]);
    if (rowCount === 0) reportNotFound(id);
  }

  /**
   * A page of a report's test cases, in their order. `keyword`: a part of name or prefix, as it is written; `prefix`: how it begins.
   * Errors: Refusal REPORT_NOT_FOUND, INVALID_INPUT (cursor).
   */
  async cases(request: {
    reportId: string;
    status?: TestStatus;
    keyword?: string;
    prefix?: string;
    cursor?: string;
    limit: number;
  }): Promise<Page<TestCase>> {
    await this.get(request.reportId);
    const [after] = readCursor(request.cursor, 1) ?? [];
    const { rows } = await this.db.query<Omit<TestCase, 'durationNs'> & { durationNs: string; ordinal: number }>(
      `SELECT ordinal, name, prefix, suite, status, duration_ns AS "durationNs", message, file FROM report_test_case
       WHERE report_id = $1 AND ordinal > $2 AND ($3::text IS NULL OR status = $3)
         AND ($4::text IS NULL OR strpos(name, $4) > 0 OR strpos(prefix, $4) > 0) AND ($5::text IS NULL OR starts_with(prefix, $5))
       ORDER BY ordinal LIMIT $6`,
      [
        request.reportId,
        after === undefined ? -1 : cursorNumber(after, request.cursor ?? ''),
        request.status ?? null,
        request.keyword ?? null,
        request.prefix ?? null,
        request.limit + 1,
      ],
    );
    const toCase = ({ ordinal: _, durationNs, ...one }: (typeof rows)[number]): TestCase => ({
      ...one,
      durationNs: Number(durationNs),
    });
    return toPage(rows, request.limit, toCase, ({ ordinal }) => [String(ordinal)]);
  }

  /**
   * A page of a report's covered files. Files without lines count as wholly covered where they are sorted or picked by percentage.
   * Errors: Refusal REPORT_NOT_FOUND, INVALID_INPUT (cursor).
   */
  async coverage(request: {
    reportId: string;
    sortBy: CoverageSort;
    sortOrder: 'ASCENDING' | 'DESCENDING';
    minLinePercentage?: number;
    maxLinePercentage?: number;
    cursor?: string;
    limit: number;
  }): Promise<Page<FileCoverage>> {
    await this.get(request.reportId);
    const [value, after] = readCursor(request.cursor, 2) ?? [];
    const byPath = request.sortBy === 'FILE_PATH';
    const [beyond, order] = request.sortOrder === 'ASCENDING' ? ['>', 'ASC'] : ['<', 'DESC'];
    // files were stored in order of their paths
    const key = byPath ? 'ordinal::float8' : 'percentage';
    const { rows } = await this.db.query<FileCoverage & { ordinal: number; key: number }>(
      `SELECT ordinal, path, lines_covered AS "linesCovered", lines_missed AS "linesMissed", branches_covered AS "branchesCovered",
         branches_missed AS "branchesMissed", ${key} AS key
       FROM (SELECT *, coalesce(lines_covered * 100.0 / nullif(lines_covered + lines_missed, 0), 100)::float8 AS percentage
             FROM report_coverage WHERE report_id = $1) f
       WHERE ($2::float8 IS NULL OR ${key} ${beyond} $2 OR (${key} = $2 AND ordinal > $3))
         AND percentage >= $4 AND percentage <= $5
       ORDER BY key ${order}, ordinal LIMIT $6`,
      [
        request.reportId,
        value === undefined ? null : cursorNumber(value, request.cursor ?? ''),
        after === undefined ? null : cursorNumber(after, request.cursor ?? ''),
        request.minLinePercentage ?? 0,
        request.maxLinePercentage ?? 100,
        request.limit + 1,
      ],
    );
    const toFile = ({ ordinal: _, key: __, ...file }: (typeof rows)[number]): FileCoverage => file;
    return toPage(rows, request.limit, toFile, (row) => [String(row.key), String(row.ordinal)]);
  }

  // --- over many builds -------------------------------------------------------------------------------------------------------

  /** Errors: Refusal REPORT_GROUP_NOT_FOUND; INVALID_INPUT for a field of the other type. */
  async trend(group: string, field: trends.TrendField, reports: number): Promise<trends.Trend> {
    return trends.trend(this.db, await this.group(group), field, reports);
  }

  /** Errors: Refusal REPORT_GROUP_NOT_FOUND. */
  async flaky(group: string, days: number, limit: number): Promise<trends.FlakyTest[]> {
    await this.group(group);
    return trends.flakyTests(this.db, group, days, limit);
  }

  /** Errors: Refusal REPORT_GROUP_NOT_FOUND. */
  async slowest(group: string, reports: number, limit: number): Promise<trends.SlowTest[]> {
    await this.group(group);
    return trends.slowestTests(this.db, group, reports, limit);
  }
}

function toReport(row: ReportRow): Report {
  return { ...row, buildId: asBuildId(row.buildId) };
}

function groupNotFound(name: string): never {
  throw new Refusal('REPORT_GROUP_NOT_FOUND', `there is no report group named ${name}`, { details: { name } });
}

function reportNotFound(id: string): never {
  throw new Refusal('REPORT_NOT_FOUND', `there is no report ${id}; it may have expired`, { details: { id } });
}
