import { describe, expect, it } from '@jest/globals';
import {
  cutText,
  MASK_MARGIN,
  MAX_CASE_MESSAGE,
  MAX_CASE_NAME,
  type ReportContent,
  type ReportFormat,
} from '#core/report.js';
import { ReportReading } from './report-reading.js';

describe('test cases', () => {
  it('JUnit: nested suites, the first child decides, the message with its text', () => {
    const { tests, cases } = read(
      'JUNITXML',
      `<?xml version="1.0"?><testsuites><testsuite name="outer"><testsuite name="inner">
         <testcase name="a" classname="c.A" time="1,234.5"/>
         <testcase name="b"><failure message="m">m and more</failure><error message="late"/></testcase>
       </testsuite>
       <testcase name="c" time="0,25"><properties><property name="error"/></properties><error type="T"><![CDATA[<boom>]]></error></testcase>
       <testcase name="d" time="-3"><system-out>x</system-out><skipped/></testcase></testsuite></testsuites>`,
    );
    expect(
      cases.map(({ name, suite, prefix, status, durationNs, message }) => [
        name,
        suite,
        prefix,
        status,
        durationNs,
        message,
      ]),
    ).toEqual([
      ['a', 'inner', 'c.A', 'SUCCEEDED', 1_234_500_000_000, ''],
      ['b', 'inner', '', 'FAILED', 0, 'm and more'],
      ['c', 'outer', '', 'ERROR', 250_000_000, 'T\n<boom>'],
      ['d', 'outer', '', 'SKIPPED', 0, ''],
    ]);
    expect(tests).toEqual({
      total: 4,
      statusCounts: { SUCCEEDED: 1, FAILED: 1, ERROR: 1, SKIPPED: 1, UNKNOWN: 0 },
      durationNs: 1_234_750_000_000,
    });
  });

  it('Cucumber: hooks count, a background belongs to the scenario behind it, what is undefined is unknown', () => {
    const step = (status: string, extra = {}) => ({ result: { status, duration: 5, ...extra } });
    const { cases } = read(
      'CUCUMBERJSON',
      JSON.stringify([
        {
          name: 'Login',
          uri: 'login.feature',
          elements: [
            { type: 'background', steps: [step('failed', { error_message: 'no server' })] },
            { type: 'scenario', name: 'in', steps: [step('skipped')] },
            {
              type: 'scenario',
              name: 'out',
              steps: [step('passed')],
              after: [step('failed', { error_message: 'hook' })],
            },
            { type: 'scenario', name: 'new', steps: [step('passed'), step('undefined')] },
            { type: 'scenario', name: 'later', steps: [step('pending')] },
            { type: 'scenario', name: 'empty' },
          ],
        },
      ]),
    );
    expect(
      cases.map(({ name, prefix, status, durationNs, message }) => [name, prefix, status, durationNs, message]),
    ).toEqual([
      ['in', 'Login', 'FAILED', 10, 'no server'],
      ['out', 'Login', 'FAILED', 10, 'hook'],
      ['new', 'Login', 'UNKNOWN', 10, ''],
      ['later', 'Login', 'SKIPPED', 5, ''],
      ['empty', 'Login', 'UNKNOWN', 0, ''],
    ]);
  });

  it.each([
    ['result="Success" executed="True"', 'SUCCEEDED'],
    ['result="Failure" executed="True"', 'FAILED'],
    ['result="Error" executed="True"', 'ERROR'],
    ['result="NotRunnable" executed="False"', 'ERROR'],
    ['result="Ignored" executed="False"', 'SKIPPED'],
    ['result="Inconclusive" executed="True"', 'UNKNOWN'],
    ['executed="False"', 'SKIPPED'],
    ['executed="True" success="False"', 'FAILED'],
    ['executed="True" success="True"', 'SUCCEEDED'],
  ])('NUnit 2: %s is %s', (attributes, status) => {
    const { cases } = read(
      'NUNITXML',
      `<test-results><test-suite name="s"><results><test-case name="N.F.T(&quot;a.b&quot;)" time="0.5" ${attributes}><failure><message>m</message></failure></test-case></results></test-suite></test-results>`,
    );
    expect(cases[0]).toMatchObject({
      status,
      prefix: 'N.F',
      suite: 's',
      durationNs: 500_000_000,
      message: status === 'SUCCEEDED' ? '' : 'm',
    });
  });

  it.each([
    ['result="Passed"', 'SUCCEEDED'],
    ['result="Failed"', 'FAILED'],
    ['result="Failed" label="Error"', 'ERROR'],
    ['result="Failed" label="Invalid"', 'ERROR'],
    ['result="Skipped" label="Ignored"', 'SKIPPED'],
    ['result="Inconclusive"', 'UNKNOWN'],
    ['result="constructor"', 'UNKNOWN'],
  ])('NUnit 3: %s is %s', (attributes, status) => {
    const { cases } = read(
      'NUNIT3XML',
      `<test-run><failure><message>of the run</message></failure><test-case fullname="N.F.T" classname="N.F" duration="0.5" ${attributes}/></test-run>`,
    );
    expect(cases).toEqual([expect.objectContaining({ name: 'N.F.T', status, prefix: 'N.F', message: '' })]);
  });

  it('TestNG: config methods are no cases', () => {
    const method = (more: string) =>
      `<test-method name="t" duration-ms="7" ${more}><exception class="E"><message>no</message><full-stacktrace>no\n at x</full-stacktrace></exception></test-method>`;
    const { cases } = read(
      'TESTNGXML',
      `<testng-results><suite><test name="T"><class name="c.C">${method('status="FAIL"')}${method('status="PASS" is-config="true"')}${method('status="SKIP"')}${method('status="???"')}</class></test></suite></testng-results>`,
    );
    expect(cases.map(({ status, durationNs, prefix, suite }) => [status, durationNs, prefix, suite])).toEqual([
      ['FAILED', 7_000_000, 'c.C', 'T'],
      ['SKIPPED', 7_000_000, 'c.C', 'T'],
      ['UNKNOWN', 7_000_000, 'c.C', 'T'],
    ]);
    expect(cases[0]?.message).toBe('no\n at x');
  });

  it('TRX: the class of a test stands behind its result; inner results count in the place of their sum', () => {
    const { cases } = read(
      'VISUALSTUDIOTRX',
      `<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
         <UnitTestResult testId="1" testName="Sum" outcome="Failed" duration="1.00:00:01.5"><InnerResults>
           <UnitTestResult testId="1" testName="Sum(1)" outcome="Passed" duration="00:00:00.5"/>
           <UnitTestResult testId="1" testName="Sum(2)" outcome="Timeout"><Output><ErrorInfo><Message>late</Message></ErrorInfo></Output></UnitTestResult>
         </InnerResults></UnitTestResult>
         <UnitTestResult testId="2" testName="Other" outcome="NotRunnable"/></Results>
       <TestDefinitions><UnitTest id="1"><TestMethod className="N.Sums, Tests, Version=1"/></UnitTest></TestDefinitions></TestRun>`,
    );
    expect(
      cases.map(({ name, prefix, status, durationNs, message }) => [name, prefix, status, durationNs, message]),
    ).toEqual([
      ['Sum(1)', 'N.Sums', 'SUCCEEDED', 500_000_000, ''],
      ['Sum(2)', 'N.Sums', 'ERROR', 0, 'late'],
      ['Other', '', 'UNKNOWN', 0, ''],
    ]);
  });

  it('keeps those that failed first, in their order, and counts all', () => {
    const cases = Array.from(
      { length: 800 },
      (_, index) => `<testcase name="${index}">${index % 100 === 99 ? '<failure/>' : ''}</testcase>`,
    );
    const content = read('JUNITXML', `<testsuite>${cases.join('')}</testsuite>`);
    expect(content.cases).toHaveLength(500);
    expect(content.cases.filter(({ status }) => status === 'FAILED').map(({ name }) => name)).toEqual([
      '99',
      '199',
      '299',
      '399',
      '499',
      '599',
      '699',
      '799',
    ]);
    expect(content.tests).toMatchObject({ total: 800, statusCounts: { FAILED: 8, SUCCEEDED: 792 } });
    expect(content.truncated).toBe(true);
  });

  it('cuts names and messages at the contract’s length and what masking needs beyond it', () => {
    const { cases } = read(
      'JUNITXML',
      `<testsuite><testcase name="${'n'.repeat(100_000)}"><failure>${'m'.repeat(100_000)}</failure></testcase></testsuite>`,
    );
    expect(cases[0]?.name).toHaveLength(MAX_CASE_NAME + MASK_MARGIN);
    expect(cases[0]?.message).toHaveLength(MAX_CASE_MESSAGE + MASK_MARGIN);
  });

  it.each([
    ['abc', 3, 'abc'],
    ['abc', 2, 'ab'],
    ['a😀', 2, 'a'],
    ['a😀', 3, 'a😀'],
  ])('cuts %j at %i', (text, length, left) => {
    expect(cutText(text, length)).toBe(left);
  });

  it.each([
    [
      'UTF-16 with its mark',
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('<testsuite><testcase name="ä"/></testsuite>', 'utf16le')]),
    ],
    [
      'what the declaration names',
      Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><testsuite><testcase name="ä"/></testsuite>', 'latin1'),
    ],
    ['UTF-8 with its mark', Buffer.from('\ufeff<testsuite><testcase name="ä"/></testsuite>')],
  ])('reads %s', (_, bytes) => {
    const reading = new ReportReading('JUNITXML', { cases: 5, files: 5 });
    reading.add('a', bytes);
    expect(reading.content.cases[0]?.name).toBe('ä');
  });
});

describe('coverage', () => {
  it('Cobertura: a line of several classes and methods counts once, the best of it', () => {
    const line = (number: number, hits: number, conditions = '') =>
      `<line number="${number}" hits="${hits}"${conditions === '' ? '' : ` branch="true" condition-coverage="${conditions}"`}/>`;
    const { files } = read(
      'COBERTURAXML',
      `<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd"><coverage><packages><package><classes>
       <class filename="a.cs"><methods><method><lines>${line(1, 0)}</lines></method></methods><lines>${line(1, 0)}${line(2, 3, '50% (1/2)')}</lines></class>
       <class filename="a.cs"><lines>${line(1, 1)}${line(2, 1, '100% (2/2)')}</lines></class></classes></package></packages></coverage>`,
    );
    expect(files).toEqual([{ path: 'a.cs', linesCovered: 2, linesMissed: 0, branchesCovered: 2, branchesMissed: 0 }]);
  });

  it('Clover: conditions are lines with two branches, methods are neither', () => {
    const { files } = read(
      'CLOVERXML',
      '<coverage><project><metrics/><file name="/a.php"><line num="1" type="method" count="1"/><line num="2" type="stmt" count="0"/><line num="3" type="cond" truecount="4" falsecount="0"/></file></project></coverage>',
    );
    expect(files).toEqual([{ path: '/a.php', linesCovered: 1, linesMissed: 1, branchesCovered: 1, branchesMissed: 1 }]);
  });

  it('JaCoCo: counters of source files, not of classes; the DTD is not asked for', () => {
    const counter = (type: string, missed: number, covered: number) =>
      `<counter type="${type}" missed="${missed}" covered="${covered}"/>`;
    const { files, coverage } = read(
      'JACOCOXML',
      `<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "http://127.0.0.1:1/report.dtd"><report><group name="core"><package name="a/b"><class name="C">${counter('LINE', 9, 9)}</class><sourcefile name="C.java">${counter('LINE', 1, 5)}${counter('BRANCH', 2, 2)}</sourcefile>${counter('LINE', 1, 5)}</package></group></report>`,
    );
    expect(files).toEqual([
      { path: 'core/a/b/C.java', linesCovered: 5, linesMissed: 1, branchesCovered: 2, branchesMissed: 2 },
    ]);
    expect(coverage).toEqual({ linesCovered: 5, linesMissed: 1, branchesCovered: 2, branchesMissed: 2 });
  });

  it('SimpleCov: runs are merged, ignored lines are no lines', () => {
    const { files } = read(
      'SIMPLECOV',
      JSON.stringify({
        a: { coverage: { 'x.rb': [1, 0, null, 'ignored'] } },
        b: { coverage: { 'x.rb': { lines: [0, 0, 2], branches: { '[:if]': { then: 1, else: 0 } } } } },
      }),
    );
    expect(files).toEqual([{ path: 'x.rb', linesCovered: 2, linesMissed: 1, branchesCovered: 1, branchesMissed: 1 }]);
  });

  it('LCOV: files of one report are merged; sums stand in where no lines are listed', () => {
    const reading = new ReportReading('LCOV', { cases: 5, files: 1 });
    reading.add(
      '1.info',
      Buffer.from('TN:\r\nSF:a.c\r\nDA:1,0\r\nDA:2,1\r\nBRDA:2,0,0,-\r\nBRDA:2,0,1,4\r\nend_of_record\r\n'),
    );
    reading.add('2.info', Buffer.from('SF:a.c\nDA:1,7\nDA:3,0\nend_of_record\nSF:b.c\nLF:4\nLH:3\nend_of_record\n'));
    expect(reading.content).toEqual({
      tests: null,
      cases: [],
      coverage: { linesCovered: 5, linesMissed: 2, branchesCovered: 1, branchesMissed: 1 },
      files: [{ path: 'a.c', linesCovered: 2, linesMissed: 1, branchesCovered: 1, branchesMissed: 1 }],
      truncated: true,
    });
  });
});

function read(format: ReportFormat, text: string): ReportContent {
  const reading = new ReportReading(format, { cases: 500, files: 500 });
  reading.add('report', Buffer.from(text));
  return reading.content;
}
