// Writes a report of a running build, with its test cases or its covered files, in one transaction. Called by ReportsStore.
import { randomUUID } from 'node:crypto';
import type { Lease } from '#core/build.js';
import { Refusal } from '#core/errors.js';
import { typeOfFormat, type FileCoverage, type NewReport, type ReportType, type TestCase } from '#core/report.js';
import type { Database, Queryable } from './database.js';
import { HOLDS_LEASE, leaseLost, leaseValues } from './leased-writes.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson, storedText } from './stored-json.js';

/** Report groups of one project. A buildspec may name them by variables, so that each build could make others. */
export const MAX_GROUPS_OF_PROJECT = 1_000;
/** Rows of one INSERT. */
const BATCH = 2_000;

interface Group {
  id: string;
  type: ReportType;
  expiryDays: number | null;
}

/**
 * In: `keepDays`, how long the instance keeps reports; 0: as long as their builds. Out: the report's id.
 * A second report of the build's attempt in one group takes the first one's place. The group is made when there is none.
 * Errors: Fault LEASE_LOST; Refusal INVALID_INPUT for a group of the other type, LIMIT_EXCEEDED for too many groups.
 */
export async function saveReport(db: Database, lease: Lease, report: NewReport, keepDays: number): Promise<string> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<{ project: string; commit: string | null }>(
      `SELECT project_name AS project, resolved_source_version AS commit FROM build WHERE ${HOLDS_LEASE} FOR NO KEY UPDATE`,
      leaseValues(lease),
    );
    const build = rows[0];
    if (build === undefined) throw leaseLost(lease);
    const group = await groupOf(tx, report, build.project);
    await tx.query('DELETE FROM report WHERE build_id = $1 AND attempt = $2 AND group_id = $3', [
      lease.buildId,
      lease.attempt,
      group.id,
    ]);
    const id = randomUUID();
    const days = group.expiryDays ?? keepDays;
    await insertReport(tx, { id, lease, group, report, commit: build.commit, days });
    await insertCases(tx, id, report.content.cases);
    await insertFiles(tx, id, report.content.files);
    await tx.query(
      `UPDATE build SET version = version + 1, report_ids = ARRAY(
         SELECT id FROM report WHERE build_id = $1 AND attempt = $2 ORDER BY created_at, id) WHERE id = $1`,
      [lease.buildId, lease.attempt],
    );
    await tx.query(`SELECT pg_notify('${BUILD_CHANNEL}', $1 || ' status')`, [lease.buildId]);
    return id;
  });
}

async function groupOf(tx: Queryable, { group: name, format }: NewReport, projectName: string): Promise<Group> {
  const type = typeOfFormat(format);
  const found = (await findGroup(tx, name)) ?? (await makeGroup(tx, name, type, projectName));
  if (found.type === type) return found;
  throw new Refusal('INVALID_INPUT', `the group takes reports of the type ${found.type}, and this one is ${type}`);
}

async function findGroup(tx: Queryable, name: string): Promise<Group | undefined> {
  const { rows } = await tx.query<Group>(
    'SELECT id, type, expiry_days AS "expiryDays" FROM report_group WHERE name = $1 FOR KEY SHARE',
    [name],
  );
  return rows[0];
}

async function makeGroup(tx: Queryable, name: string, type: ReportType, projectName: string): Promise<Group> {
  const { rowCount } = await tx.query(
    `INSERT INTO report_group (id, name, type, project_name) SELECT $1, $2, $3, $4
     WHERE (SELECT count(*) FROM report_group WHERE project_name = $4) < ${MAX_GROUPS_OF_PROJECT}
     ON CONFLICT (name) DO NOTHING`,
    [randomUUID(), name, type, projectName],
  );
  // another build may have made it meanwhile
  const made = await findGroup(tx, name);
  if (made !== undefined) return made;
  throw new Refusal(
    'LIMIT_EXCEEDED',
    `expected at most ${MAX_GROUPS_OF_PROJECT} report groups of a project, got another (${rowCount ?? 0} made)`,
  );
}

async function insertReport(
  tx: Queryable,
  one: { id: string; lease: Lease; group: Group; report: NewReport; commit: string | null; days: number },
): Promise<void> {
  const { id, lease, group, report, commit, days } = one;
  const { tests, coverage, truncated } = report.content;
  await tx.query(
    `INSERT INTO report (id, group_id, build_id, attempt, format, status, message, commit, created_at, expires_at, truncated, tests, coverage)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, now.at, CASE WHEN $9::int > 0 THEN now.at + $9::int * interval '1 day' END, $10, $11, $12
     FROM (SELECT clock_timestamp()::timestamptz(3) AS at) now`,
    [
      id,
      group.id,
      lease.buildId,
      lease.attempt,
      report.format,
      report.status,
      storedText(report.message),
      commit,
      days,
      truncated,
      tests === null ? null : storedJson(tests),
      coverage === null ? null : storedJson(coverage),
    ],
  );
}

async function insertCases(tx: Queryable, reportId: string, cases: readonly TestCase[]): Promise<void> {
  for (let from = 0; from < cases.length; from += BATCH) {
    const part = cases.slice(from, from + BATCH);
    const texts = (of: (one: TestCase) => string): string[] => part.map((one) => storedText(of(one)));
    await tx.query(
      `INSERT INTO report_test_case (report_id, ordinal, name, prefix, suite, status, duration_ns, message, file)
       SELECT $1, $2 + one.number - 1, one.name, one.prefix, one.suite, one.status, one.duration_ns, one.message, one.file
       FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[])
         WITH ORDINALITY AS one(name, prefix, suite, status, duration_ns, message, file, number)`,
      [
        reportId,
        from,
        texts(({ name }) => name),
        texts(({ prefix }) => prefix),
        texts(({ suite }) => suite),
        texts(({ status }) => status),
        part.map(({ durationNs }) => durationNs),
        texts(({ message }) => message),
        texts(({ file }) => file),
      ],
    );
  }
}

async function insertFiles(tx: Queryable, reportId: string, files: readonly FileCoverage[]): Promise<void> {
  for (let from = 0; from < files.length; from += BATCH) {
    const part = files.slice(from, from + BATCH);
    await tx.query(
      `INSERT INTO report_coverage (report_id, ordinal, path, lines_covered, lines_missed, branches_covered, branches_missed)
       SELECT $1, $2 + one.number - 1, one.path, one.lines_covered, one.lines_missed, one.branches_covered, one.branches_missed
       FROM unnest($3::text[], $4::int[], $5::int[], $6::int[], $7::int[])
         WITH ORDINALITY AS one(path, lines_covered, lines_missed, branches_covered, branches_missed, number)`,
      [
        reportId,
        from,
        part.map(({ path }) => storedText(path)),
        part.map(({ linesCovered }) => linesCovered),
        part.map(({ linesMissed }) => linesMissed),
        part.map(({ branchesCovered }) => branchesCovered),
        part.map(({ branchesMissed }) => branchesMissed),
      ],
    );
  }
}
