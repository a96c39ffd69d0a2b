// As a user I see what my build's tests said: case by case, file by file, over many builds, whatever strange files it left.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

interface ReportBody {
  id: string;
  reportGroup: string;
  type: string;
  status: string;
  message: string;
  testSummary: { total: number; statusCounts: Record<string, number> } | null;
  codeCoverageSummary: Record<string, number | null> | null;
}
interface Items<T> {
  items: T[];
  nextCursor?: string | null;
}

const get = <T>(path: string): Promise<T> => house.client.json<T>('GET', path);
const reportsOf = async (id: string): Promise<ReportBody[]> =>
  (await get<Items<ReportBody>>(`/v1/builds/${id}/reports`)).items;
const spec = (...lines: string[]): string => ['version: 0.2', ...lines, ''].join('\n');
const QUIET = 'env: {variables: {CODEBUILD_CONFIG_AUTO_DISCOVER: "false"}}';

describe('a build with reports', () => {
  it('shows its tests and its coverage', async () => {
    const build = await house.client.build('shop', {
      buildspec: spec(
        'phases:',
        '  build:',
        '    commands:',
        '      - mkdir -p out/deep && FOLDER=deep',
        `      - echo '<testsuite name="sums"><testcase name="adds" classname="math.Sums" time="0.5"/><testcase name="divides" classname="math.Sums"><failure message="by zero"/></testcase></testsuite>' > out/deep/a.xml`,
        `      - printf 'SF:src/sums.ts\\nDA:1,1\\nDA:2,0\\nDA:3,4\\nend_of_record\\nSF:src/all.ts\\nDA:1,1\\nend_of_record\\n' > out/lcov.info`,
        '      - exit 1',
        'reports:',
        '  unit: {files: ["$FOLDER/*.xml"], base-directory: out}',
        '  cover: {files: out/lcov.info, file-format: lcov}',
      ),
    });
    // its tests failed it, not its reports
    expect(build.buildStatus).toBe('FAILED');
    expect(build.phases.find(({ phaseType }) => phaseType === 'UPLOAD_ARTIFACTS')?.phaseStatus).toBe('SUCCEEDED');
    const [unit, cover, ...more] = await reportsOf(build.id);
    expect(more).toEqual([]);
    expect(build.reportIds).toEqual([unit?.id, cover?.id]);
    expect(unit).toMatchObject({
      reportGroup: 'shop-unit',
      status: 'FAILED',
      testSummary: { total: 2, statusCounts: { SUCCEEDED: 1, FAILED: 1, ERROR: 0, SKIPPED: 0, UNKNOWN: 0 } },
    });
    expect(cover).toMatchObject({
      reportGroup: 'shop-cover',
      type: 'CODE_COVERAGE',
      status: 'SUCCEEDED',
      codeCoverageSummary: {
        lineCoveragePercentage: 75,
        linesCovered: 3,
        linesMissed: 1,
        branchCoveragePercentage: null,
      },
    });
    expect(await get(`/v1/reports/${unit!.id}/test-cases?status=FAILED`)).toEqual({
      items: [
        {
          name: 'divides',
          prefix: 'math.Sums',
          testSuiteName: 'sums',
          status: 'FAILED',
          durationInNanoSeconds: 0,
          message: 'by zero',
          testRawDataPath: 'deep/a.xml',
        },
      ],
      nextCursor: null,
    });
    const files = await get<Items<{ filePath: string }>>(
      `/v1/reports/${cover!.id}/code-coverage?maxLineCoveragePercentage=70`,
    );
    expect(files.items).toMatchObject([{ filePath: 'src/sums.ts', lineCoveragePercentage: 66.67 }]);
    const log = (await house.client.raw(build.id)).toString();
    expect(log).toContain('Report shop-unit FAILED: 2 test cases, 1 succeeded, 1 failed, 0 with errors, 0 skipped');
    expect(log).toContain('No matching auto-discover report paths found');
  });

  it('goes well however its report files are, and tells what is wrong with them', async () => {
    const build = await house.client.build('odd', {
      buildspec: spec(
        QUIET,
        'phases:',
        '  build:',
        '    commands:',
        `      - echo '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&e;"/></testsuite>' > entity.xml`,
        `      - echo '<testsuite><testcase name="ok"/></testsuite>' > good.xml`,
        '      - ln -s /etc/passwd link.xml && ln -s / root && mkfifo pipe.xml && mkdir folder.xml',
        'reports:',
        '  mixed: {files: ["*.xml"]}',
        '  links: {files: ["root/etc/passwd", "link.xml", "../../../../etc/passwd"]}',
        '  "no name": {files: ["*.xml"]}',
      ),
    });
    expect(build.buildStatus).toBe('SUCCEEDED');
    const [mixed, links, ...more] = await reportsOf(build.id);
    expect(more).toEqual([]);
    expect(mixed).toMatchObject({ status: 'INCOMPLETE', testSummary: { total: 1 } });
    expect(mixed!.message).toBe(
      'Report file entity.xml is not taken: expected no declarations in its DOCTYPE, got some (entities are not read)',
    );
    expect(links).toMatchObject({
      status: 'INCOMPLETE',
      message: 'No matching report paths found for links',
      testSummary: { total: 0 },
    });
    expect((await house.client.raw(build.id)).toString()).toContain(
      'The report no name is not kept: expected a name of letters',
    );
  });

  it('finds reports that nobody named', async () => {
    const build = await house.client.build('found', {
      buildspec: spec(
        'phases:',
        '  build:',
        '    commands:',
        '      - mkdir -p target node_modules/x',
        `      - echo '<testsuite><testcase name="a"/></testsuite>' | tee target/TEST-a.xml > node_modules/x/TEST-b.xml`,
      ),
    });
    expect(await reportsOf(build.id)).toMatchObject([
      { reportGroup: 'found-JUNITXML-AutoDiscovered', status: 'SUCCEEDED', testSummary: { total: 1 } },
    ]);
  });

  it('keeps no secret that a test printed', async () => {
    await house.client.json('PUT', '/v1/secrets/report-token', { value: 'swordfish-9000' });
    const build = await house.client.build('secretive', {
      buildspec: spec(
        'env: {secrets-manager: {TOKEN: report-token}, variables: {CODEBUILD_CONFIG_AUTO_DISCOVER: "false"}}',
        'phases:',
        '  build:',
        '    commands:',
        `      - echo "<testsuite><testcase name='with $TOKEN'><failure message='$TOKEN'/></testcase></testsuite>" > a.xml`,
        'reports: {unit: {files: a.xml}}',
      ),
    });
    const [unit] = await reportsOf(build.id);
    const { items } = await get<Items<unknown>>(`/v1/reports/${unit!.id}/test-cases`);
    expect(items).toMatchObject([{ name: 'with ***', message: '***' }]);
  });
});

describe('a report group', () => {
  it('tells trends, keeps reports as long as it says, and goes when asked to', async () => {
    await house.client.project('trend', {
      buildspec: spec(
        QUIET,
        'phases:',
        '  build:',
        '    commands:',
        '      - echo "<testsuite>$CASES</testsuite>" > a.xml',
        'reports: {unit: {files: a.xml}}',
      ),
    });
    const run = (cases: string) =>
      house.client.run('trend', { environmentVariablesOverride: [{ name: 'CASES', value: cases }] });
    await run('<testcase name="a" time="2"/><testcase name="b"><error/></testcase>');
    await run('<testcase name="a" time="4"/>');
    const path = '/v1/report-groups/trend-unit';
    expect(await get(`${path}/trend?field=PASS_RATE`)).toMatchObject({
      stats: { average: 75, min: 50, max: 100 },
      items: [
        { buildNumber: 2, value: 100 },
        { buildNumber: 1, value: 50 },
      ],
    });
    expect(await get(`${path}/slowest-tests?limit=1`)).toMatchObject({
      items: [{ name: 'a', runs: 2, averageInNanoSeconds: 3e9 }],
    });
    expect(await get(`${path}/flaky-tests`)).toEqual({ items: [] });
    expect(
      (await get<Items<{ name: string }>>('/v1/report-groups?project=trend')).items.map(({ name }) => name),
    ).toEqual(['trend-unit']);
    expect(await house.client.json('PATCH', path, { expiryDays: 7 })).toMatchObject({ expiryDays: 7 });
    expect((await house.client.ask('DELETE', path)).status).toBe(400);
    expect((await house.client.ask('DELETE', `${path}?deleteReports=true`)).status).toBe(204);
    expect((await house.client.ask('GET', path)).status).toBe(404);
    expect((await house.client.ask('GET', `${path}/trend?field=LINE`)).status).toBe(400);
  });
});
