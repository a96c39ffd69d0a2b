import { describe, expect, it } from '@jest/globals';
import type { ReportFormat } from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { MAX_CASES, MAX_COVERED_LINES, MAX_DEPTH, MAX_FILE_BYTES } from './limits.js';
import { ReportReading } from './report-reading.js';

const LAUGHS = Array.from({ length: 9 }, (_, level) => `<!ENTITY l${level + 1} "${`&l${level};`.repeat(10)}">`).join(
  '',
);

describe('report files that are not taken', () => {
  it.each<[string, ReportFormat, string | Uint8Array, string | RegExp]>([
    [
      'entities that grow',
      'JUNITXML',
      `<!DOCTYPE x [<!ENTITY l0 "ha">${LAUGHS}]><testsuites><testsuite name="&l9;"/></testsuites>`,
      'expected no declarations in its DOCTYPE, got some (entities are not read)',
    ],
    [
      'an entity from a file of the worker',
      'JUNITXML',
      '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&e;"/></testsuite>',
      'expected no declarations in its DOCTYPE',
    ],
    [
      'a parameter entity from elsewhere',
      'COBERTURAXML',
      '<!DOCTYPE c [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><coverage/>',
      'expected no declarations',
    ],
    [
      'an entity that nobody declared',
      'JUNITXML',
      '<testsuite><testcase name="&secret;"/></testsuite>',
      'undefined entity',
    ],
    [
      'too deep',
      'JUNITXML',
      '<testsuite>'.repeat(MAX_DEPTH + 1),
      `expected at most ${MAX_DEPTH} elements inside each other`,
    ],
    [
      'a hundred thousand levels',
      'TESTNGXML',
      `<testng-results>${'<a>'.repeat(100_000)}`,
      `expected at most ${MAX_DEPTH}`,
    ],
    ['cut off in an element', 'JUNITXML', '<testsuite><testcase name="a"', 'not well-formed XML'],
    [
      'cut off between elements',
      'NUNIT3XML',
      '<test-run><test-case fullname="a" result="Passed"/>',
      'not well-formed XML',
    ],
    ['another root', 'VISUALSTUDIOTRX', '<testsuite/>', 'expected the root element TestRun, got "testsuite"'],
    ['no XML', 'JUNITXML', 'PASS 3 tests', 'not well-formed XML'],
    ['nothing', 'JUNITXML', '', 'the file is empty'],
    ['nothing but a byte order mark', 'JUNITXML', new Uint8Array([0xef, 0xbb, 0xbf]), 'the file is empty'],
    [
      'bytes that are no UTF-8',
      'JUNITXML',
      Buffer.from('<testsuite name="\xe4"/>', 'latin1'),
      'expected utf-8, got bytes that are not',
    ],
    [
      'an encoding that is not read',
      'JUNITXML',
      '<?xml version="1.0" encoding="UTF-7"?><testsuite/>',
      'got the encoding "utf-7"',
    ],
    ['a character that XML forbids', 'JUNITXML', '<testsuite name="\u001b[31m"/>', 'disallowed character'],
    [
      'a time of 1e300 s',
      'JUNITXML',
      '<testsuite><testcase time="1e300"/></testsuite>',
      'expected a duration of at most 30 days, got "1e300"',
    ],
    [
      'a line without a number',
      'COBERTURAXML',
      '<coverage><class filename="a"><line number="x" hits="1"/></class></coverage>',
      'as number of a line, got "x"',
    ],
    [
      'more conditions covered than there are',
      'COBERTURAXML',
      '<coverage><class filename="a"><line number="1" hits="1" branch="true" condition-coverage="300% (3/1)"/></class></coverage>',
      'at most as many covered conditions',
    ],
    [
      'a counter below 0',
      'JACOCOXML',
      '<report><package name="p"><sourcefile name="f"><counter type="LINE" missed="-5" covered="1"/></sourcefile></package></report>',
      'as missed of a counter, got "-5"',
    ],
    [
      'a counter beyond all measure',
      'JACOCOXML',
      `<report><package name="p"><sourcefile name="f"><counter type="LINE" missed="${'9'.repeat(40)}" covered="1"/></sourcefile></package></report>`,
      'as missed of a counter',
    ],
    ['no JSON', 'CUCUMBERJSON', '[{"elements": [', 'not JSON'],
    ['JSON of another shape', 'CUCUMBERJSON', '{"a": 1}', 'expected a list of features'],
    ['features that are none', 'CUCUMBERJSON', '[[1]]', 'expected an object as feature 0'],
    ['a run without coverage', 'SIMPLECOV', '{"RSpec": {}}', 'expected an object as coverage of the run RSpec'],
    [
      'hits that are no number',
      'SIMPLECOV',
      '{"RSpec": {"coverage": {"a": [{}]}}}',
      'expected a number as hits of a line',
    ],
    ['an LCOV record without an end', 'LCOV', 'SF:a\nDA:1,1\n', 'the file is cut off'],
    ['an LCOV file without a record', 'LCOV', 'TN:\n', 'expected a record that begins with SF'],
    ['LCOV sums that cannot be', 'LCOV', 'SF:a\nLF:1\nLH:2\nend_of_record\n', 'at most as many hits as lines'],
  ])('%s', (_, format, text, reason) => {
    const reading = newReading(format);
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    expect(() => reading.add('report', bytes)).toThrow(reason);
    expect(() => reading.add('report', bytes)).toThrow(BrokenReport);
  });

  it('takes nothing of a file that breaks off, and goes on with the next', () => {
    const reading = newReading('JUNITXML');
    expect(() => reading.add('a.xml', Buffer.from('<testsuite><testcase name="a"/><testcase name="b">'))).toThrow(
      BrokenReport,
    );
    reading.add('b.xml', Buffer.from('<testsuite><testcase name="c"/></testsuite>'));
    expect(reading.content.cases.map(({ name, file }) => [name, file])).toEqual([['c', 'b.xml']]);
  });

  it('a file that is too large', () => {
    expect(() => newReading('LCOV').add('a', new Uint8Array(MAX_FILE_BYTES + 1))).toThrow(
      `expected at most ${MAX_FILE_BYTES} bytes`,
    );
  });

  it('too many cases', () => {
    const reading = newReading('JUNITXML');
    const half = Buffer.from(`<testsuite>${'<testcase/>'.repeat(MAX_CASES / 2)}</testsuite>`);
    reading.add('a.xml', half);
    reading.add('b.xml', half);
    expect(() => reading.add('c.xml', Buffer.from('<testsuite><testcase/></testsuite>'))).toThrow(
      `expected at most ${MAX_CASES} test cases`,
    );
    expect(reading.content).toMatchObject({ tests: { total: MAX_CASES }, truncated: true });
  });

  it('too many lines', () => {
    const lines = Array.from({ length: MAX_COVERED_LINES + 1 }, (_, line) => `DA:${line},1`).join('\n');
    expect(() => newReading('LCOV').add('a', Buffer.from(`SF:a\n${lines}\nend_of_record`))).toThrow(
      `expected at most ${MAX_COVERED_LINES} lines and branches`,
    );
  });

  it('names that mean something to JavaScript are names like any other', () => {
    const reading = newReading('SIMPLECOV');
    reading.add('a', Buffer.from('{"__proto__": {"coverage": {"constructor": [1], "__proto__": [0]}}}'));
    expect(reading.content.files).toEqual([
      { path: '__proto__', linesCovered: 0, linesMissed: 1, branchesCovered: 0, branchesMissed: 0 },
      { path: 'constructor', linesCovered: 1, linesMissed: 0, branchesCovered: 0, branchesMissed: 0 },
    ]);
  });
});

function newReading(format: ReportFormat): ReportReading {
  return new ReportReading(format, { cases: 500, files: 500 });
}
