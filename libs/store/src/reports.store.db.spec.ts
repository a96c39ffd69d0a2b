// Reports on real Postgres: what a build adds, what readers see, what many reports tell together, and what goes.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Lease } from '#core/build.js';
import { asWorkerId } from '#core/ids.js';
import { nothingOf, type NewReport, type TestCase, type TestStatus } from '#core/report.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { ProjectsStore } from './projects.store.js';
import { ReportsStore } from './reports.store.js';
import { expireReports } from './retention/expire-reports.js';
import { MAX_GROUPS_OF_PROJECT } from './save-report.js';

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let reports: ReportsStore;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 6 });
  [builds, reports] = [new BuildsStore(db), new ReportsStore(db)];
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build, worker, report_group CASCADE');
  await new ProjectsStore(db).create('app', newProjectSettings());
});

/** A running build of the commit. */
async function running(commit: string | null = null): Promise<Lease> {
  const project = await new ProjectsStore(db).get('app');
  await builds.create({ project, settings: project.settings, overrides: {}, initiator: 'a', maxWaiting: 1000 });
  const { lease } = (await builds.claimNext({ workerId: asWorkerId('w'), leaseMs: 60_000 }))!;
  if (commit !== null) await builds.setResolvedSource(lease, commit);
  return lease;
}

function testCase(name: string, status: TestStatus = 'SUCCEEDED', over: Partial<TestCase> = {}): TestCase {
  return { name, prefix: 'p', suite: 's', status, durationNs: 1_000, message: '', file: 'r.xml', ...over };
}

function tests(cases: TestCase[], over: Partial<NewReport> = {}): NewReport {
  const content = nothingOf('JUNITXML');
  for (const { status, durationNs } of cases) {
    content.tests!.total += 1;
    content.tests!.statusCounts[status] += 1;
    content.tests!.durationNs += durationNs;
  }
  const failed = cases.some(({ status }) => status === 'FAILED');
  return {
    group: 'app-unit',
    format: 'JUNITXML',
    status: failed ? 'FAILED' : 'SUCCEEDED',
    message: '',
    content: { ...content, cases },
    ...over,
  };
}

function coverage(files: [path: string, covered: number, missed: number][], over: Partial<NewReport> = {}): NewReport {
  const none = { branchesCovered: 0, branchesMissed: 0 };
  const all = files.map(([path, linesCovered, linesMissed]) => ({ path, linesCovered, linesMissed, ...none }));
  const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + of(one), 0);
  const content = {
    ...nothingOf('LCOV'),
    files: all,
    coverage: { linesCovered: sum((one) => one.linesCovered), linesMissed: sum((one) => one.linesMissed), ...none },
  };
  return { group: 'app-cov', format: 'LCOV', status: 'SUCCEEDED', message: '', content, ...over };
}

describe('save', () => {
  it('makes the group, and tells the build of its reports in their order', async () => {
    const lease = await running('c1');
    const unit = await reports.save(lease, tests([testCase('a'), testCase('b', 'FAILED', { message: 'no\0!' })]), 30);
    const cov = await reports.save(lease, coverage([['x.ts', 1, 2]]), 0);
    const build = await builds.get(lease.buildId);
    expect(build.reportIds).toEqual([unit, cov]);
    expect(await reports.get(unit)).toMatchObject({
      groupName: 'app-unit',
      type: 'TEST',
      status: 'FAILED',
      buildId: lease.buildId,
      projectName: 'app',
      buildNumber: build.number,
      attempt: 1,
      commit: 'c1',
      coverage: null,
      tests: {
        total: 2,
        statusCounts: { SUCCEEDED: 1, FAILED: 1, ERROR: 0, SKIPPED: 0, UNKNOWN: 0 },
        durationNs: 2_000,
      },
    });
    const { createdAt, expiresAt } = await reports.get(unit);
    expect(expiresAt!.getTime() - createdAt.getTime()).toBe(30 * 86_400_000);
    expect((await reports.get(cov)).expiresAt).toBeNull();
    expect(
      (await reports.groups({ limit: 10 })).items.map(({ name, type, projectName }) => [name, type, projectName]),
    ).toEqual([
      ['app-cov', 'CODE_COVERAGE', 'app'],
      ['app-unit', 'TEST', 'app'],
    ]);
    expect((await reports.cases({ reportId: unit, limit: 10 })).items[1]).toEqual(
      testCase('b', 'FAILED', { message: 'no\uFFFD!' }),
    );
  });

  it('puts a second one of the same attempt in the first one’s place, as an adopter sends it', async () => {
    const lease = await running();
    await reports.save(lease, tests([testCase('a')]), 30);
    const second = await reports.save(lease, tests([testCase('b')]), 30);
    expect((await builds.get(lease.buildId)).reportIds).toEqual([second]);
    expect((await reports.ofBuild(lease.buildId)).map(({ id }) => id)).toEqual([second]);
  });

  it('keeps the reports of an earlier attempt; the build tells of the present one’s', async () => {
    const lease = await running();
    await reports.save(lease, tests([testCase('a')]), 30);
    await builds.giveBack(lease, 'left');
    const again = (await builds.claimNext({ workerId: asWorkerId('w'), leaseMs: 60_000 }))!.lease;
    expect((await builds.get(lease.buildId)).reportIds).toEqual([]);
    const second = await reports.save(again, tests([testCase('a')]), 30);
    expect((await builds.get(lease.buildId)).reportIds).toEqual([second]);
    expect((await reports.ofBuild(lease.buildId)).map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('is refused once the lease has passed on, and for a group of the other type, and leaves nothing then', async () => {
    const lease = await running();
    await reports.save(lease, tests([testCase('a')]), 30);
    const other = coverage([], { group: 'app-unit' });
    await expect(reports.save(lease, other, 30)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const stranger = { ...lease, workerId: asWorkerId('other') };
    await expect(reports.save(stranger, tests([], { group: 'app-new' }), 30)).rejects.toMatchObject({
      code: 'LEASE_LOST',
    });
    expect((await reports.groups({ limit: 10 })).items.map(({ name }) => name)).toEqual(['app-unit']);
    expect(await reports.ofBuild(lease.buildId)).toHaveLength(1);
  });

  it('makes no more groups of a project than the limit; those that are there go on', async () => {
    const lease = await running();
    await reports.save(lease, tests([]), 30);
    await db.query(
      `INSERT INTO report_group (id, name, type, project_name) SELECT gen_random_uuid(), 'app-x' || n, 'TEST', 'app' FROM generate_series(2, $1) n`,
      [MAX_GROUPS_OF_PROJECT],
    );
    await expect(reports.save(lease, tests([], { group: 'app-more' }), 30)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
    await reports.save(lease, tests([testCase('a')]), 30);
    expect(await reports.ofBuild(lease.buildId)).toMatchObject([{ tests: { total: 1 } }]);
  });

  it('takes more rows than go into one statement', async () => {
    const lease = await running();
    const cases = Array.from({ length: 4_321 }, (_, n) => testCase(`t${n}`));
    const id = await reports.save(lease, tests(cases), 30);
    const { rows } = await db.query<{ n: number; last: number }>(
      'SELECT count(*)::int AS n, max(ordinal) AS last FROM report_test_case WHERE report_id = $1',
      [id],
    );
    expect(rows[0]).toEqual({ n: 4_321, last: 4_320 });
  });
});

describe('reading', () => {
  it('pages test cases in order, by status, keyword and prefix', async () => {
    const cases = [
      testCase('one', 'SUCCEEDED', { prefix: 'a.A' }),
      testCase('two', 'FAILED', { prefix: 'a.B' }),
      testCase('100%_three', 'SKIPPED', { prefix: 'b.A' }),
      testCase('four', 'FAILED', { prefix: 'b.B' }),
    ];
    const reportId = await reports.save(await running(), tests(cases), 30);
    const names = async (over: object): Promise<string[]> =>
      (await reports.cases({ reportId, limit: 10, ...over })).items.map(({ name }) => name);
    expect(await names({ status: 'FAILED' })).toEqual(['two', 'four']);
    expect(await names({ keyword: 'A' })).toEqual(['one', '100%_three']);
    expect(await names({ keyword: '%_' })).toEqual(['100%_three']);
    expect(await names({ prefix: 'a.' })).toEqual(['one', 'two']);
    const first = await reports.cases({ reportId, limit: 3 });
    expect(await names({ cursor: first.nextCursor, limit: 3 })).toEqual(['four']);
    await expect(reports.cases({ reportId, limit: 3, cursor: 'x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it.each([
    ['LINE_COVERAGE_PERCENTAGE', 'ASCENDING', ['c', 'a', 'b', 'd']],
    ['LINE_COVERAGE_PERCENTAGE', 'DESCENDING', ['b', 'd', 'a', 'c']],
    ['FILE_PATH', 'ASCENDING', ['a', 'b', 'c', 'd']],
    ['FILE_PATH', 'DESCENDING', ['d', 'c', 'b', 'a']],
  ] as const)('pages covered files by %s %s', async (sortBy, sortOrder, expected) => {
    const files: [string, number, number][] = [
      ['a', 1, 2],
      ['b', 3, 0],
      ['c', 0, 3],
      ['d', 0, 0],
    ];
    const reportId = await reports.save(await running(), coverage(files), 30);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await reports.coverage({ reportId, sortBy, sortOrder, limit: 1, cursor });
      seen.push(...page.items.map(({ path }) => path));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(expected);
    const some = await reports.coverage({
      reportId,
      sortBy,
      sortOrder,
      limit: 9,
      minLinePercentage: 10,
      maxLinePercentage: 50,
    });
    expect(some.items.map(({ path }) => path)).toEqual(['a']);
  });

  it('lists a group’s reports newest first, by status', async () => {
    const ids: string[] = [];
    for (const status of ['SUCCEEDED', 'FAILED', 'SUCCEEDED'] as const)
      ids.unshift(await reports.save(await running(), tests([testCase('a', status)]), 30));
    const page = await reports.ofGroup({ group: 'app-unit', limit: 2 });
    expect(page.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const rest = await reports.ofGroup({ group: 'app-unit', limit: 2, cursor: page.nextCursor! });
    expect(rest).toMatchObject({ items: [{ id: ids[2] }], nextCursor: null });
    const failed = await reports.ofGroup({ group: 'app-unit', limit: 9, status: 'FAILED' });
    expect(failed.items.map(({ id }) => id)).toEqual([ids[1]]);
    await expect(reports.ofGroup({ group: 'none', limit: 2 })).rejects.toMatchObject({
      code: 'REPORT_GROUP_NOT_FOUND',
    });
  });
});

describe('over many builds', () => {
  it('tells the trend of a figure, and refuses one of the other type', async () => {
    await reports.save(await running(), tests([testCase('a'), testCase('b'), testCase('c', 'FAILED')]), 30);
    await reports.save(await running(), tests([testCase('a')]), 30);
    await reports.save(await running(), tests([]), 30);
    const trend = await reports.trend('app-unit', 'PASS_RATE', 100);
    expect(trend.points.map(({ value, buildNumber }) => [buildNumber, value])).toEqual([
      [3, null],
      [2, 100],
      [1, 66.67],
    ]);
    expect(trend).toMatchObject({ average: 83.34, min: 66.67, max: 100 });
    expect((await reports.trend('app-unit', 'TOTAL', 2)).points.map(({ value }) => value)).toEqual([0, 1]);
    await expect(reports.trend('app-unit', 'LINE_COVERAGE', 5)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await reports.save(await running(), coverage([['a', 1, 3]]), 30);
    expect(await reports.trend('app-cov', 'LINE_COVERAGE', 5)).toMatchObject({ average: 25, min: 25, max: 25 });
    expect((await reports.trend('app-cov', 'BRANCH_COVERAGE', 5)).points).toMatchObject([{ value: null }]);
  });

  it('finds tests that passed and failed on one commit, and no others', async () => {
    const run = async (commit: string | null, ...cases: TestCase[]) =>
      reports.save(await running(commit), tests(cases), 30);
    await run('c1', testCase('flaky'), testCase('broken', 'FAILED'), testCase('mended', 'FAILED'));
    await run('c1', testCase('flaky', 'FAILED'), testCase('broken', 'FAILED'), testCase('mended', 'SKIPPED'));
    await run('c2', testCase('flaky', 'ERROR'), testCase('mended'), testCase('often', 'FAILED'));
    await run('c2', testCase('flaky'), testCase('mended'), testCase('often', 'FAILED', { prefix: 'other' }));
    await run('c3', testCase('flaky'));
    await run(null, testCase('uncommitted'));
    await run(null, testCase('uncommitted', 'FAILED'));
    expect(await reports.flaky('app-unit', 14, 10)).toEqual([
      { name: 'flaky', prefix: 'p', suite: 's', commits: 2, passed: 2, failed: 2, lastFailedAt: expect.any(Date) },
    ]);
  });

  it('counts the attempts of one build as runs of one commit', async () => {
    const lease = await running('c1');
    await reports.save(lease, tests([testCase('a', 'FAILED')]), 30);
    await builds.giveBack(lease, 'left');
    const again = (await builds.claimNext({ workerId: asWorkerId('w'), leaseMs: 60_000 }))!.lease;
    await builds.setResolvedSource(again, 'c1');
    await reports.save(again, tests([testCase('a')]), 30);
    expect(await reports.flaky('app-unit', 14, 10)).toMatchObject([{ name: 'a', passed: 1, failed: 1 }]);
  });

  it('finds the slowest by their average, without what was skipped', async () => {
    const slow = (name: string, durationNs: number, status: TestStatus = 'SUCCEEDED') =>
      testCase(name, status, { durationNs });
    await reports.save(await running(), tests([slow('a', 10), slow('b', 100), slow('c', 9_999, 'SKIPPED')]), 30);
    await reports.save(await running(), tests([slow('a', 30), slow('b', 50, 'FAILED')]), 30);
    expect(await reports.slowest('app-unit', 20, 10)).toEqual([
      { name: 'b', prefix: 'p', suite: 's', runs: 2, averageNs: 75, maxNs: 100 },
      { name: 'a', prefix: 'p', suite: 's', runs: 2, averageNs: 20, maxNs: 30 },
    ]);
    expect(await reports.slowest('app-unit', 1, 1)).toMatchObject([{ name: 'b', runs: 1, averageNs: 50 }]);
  });
});

describe('what goes', () => {
  it('takes reports whose time is over, with all that is in them; groups and builds stay', async () => {
    const lease = await running();
    const id = await reports.save(lease, tests([testCase('a')]), 30);
    await reports.save(lease, coverage([['a', 1, 1]]), 0);
    const signal = new AbortController().signal;
    const later = (days: number) => new Date(Date.now() + days * 86_400_000);
    expect(await expireReports(db, later(29), signal)).toEqual({ items: 0, bytes: 0 });
    expect(await expireReports(db, later(31), signal)).toEqual({ items: 1, bytes: 0 });
    await expect(reports.get(id)).rejects.toMatchObject({ code: 'REPORT_NOT_FOUND' });
    expect((await db.query('SELECT 1 FROM report_test_case')).rowCount).toBe(0);
    expect((await reports.groups({ limit: 9 })).items).toHaveLength(2);
    expect((await builds.get(lease.buildId)).reportIds).toHaveLength(2);
  });

  it('keeps a group’s reports for as long as the group says', async () => {
    const first = await reports.save(await running(), tests([]), 30);
    const days = async (id: string) => {
      const { createdAt, expiresAt } = await reports.get(id);
      return expiresAt === null ? null : (expiresAt.getTime() - createdAt.getTime()) / 86_400_000;
    };
    expect(await reports.updateGroup('app-unit', 7)).toMatchObject({ expiryDays: 7 });
    expect(await days(first)).toBe(7);
    const second = await reports.save(await running(), tests([]), 30);
    expect(await days(second)).toBe(7);
    await reports.updateGroup('app-unit', 0);
    expect(await days(first)).toBeNull();
    await reports.updateGroup('app-unit', null);
    expect(await days(await reports.save(await running(), tests([]), 30))).toBe(30);
    await expect(reports.updateGroup('none', 1)).rejects.toMatchObject({ code: 'REPORT_GROUP_NOT_FOUND' });
  });

  it('deletes a group with reports only when these may go, and reports with their build', async () => {
    const lease = await running();
    await reports.save(lease, tests([testCase('a')]), 30);
    const cov = await reports.save(lease, coverage([['a', 1, 1]]), 30);
    await expect(reports.deleteGroup('app-unit', false)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await reports.deleteGroup('app-unit', true);
    expect((await reports.ofBuild(lease.buildId)).map(({ id }) => id)).toEqual([cov]);
    await reports.delete(cov);
    await expect(reports.delete(cov)).rejects.toMatchObject({ code: 'REPORT_NOT_FOUND' });
    await reports.deleteGroup('app-cov', false);
    await reports.save(lease, tests([testCase('a')]), 0);
    await builds.requestStop(lease.buildId, 'a');
    await builds.apply(lease, 'STOP', [], new Date());
    await builds.delete(lease.buildId);
    expect((await db.query('SELECT 1 FROM report UNION ALL SELECT 1 FROM report_test_case')).rowCount).toBe(0);
  });
});
