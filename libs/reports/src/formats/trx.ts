// Visual Studio's TRX. Results name their tests by id; the classes stand in the definitions behind them.
import type { TestStatus } from '#core/report.js';
import { spanToNs } from '../numbers.js';
import type { NewCase } from '../test-cases.js';
import { readXml } from '../xml.js';
import { CaseText, joined } from './case-text.js';

const STATUS_OF: Readonly<Record<string, TestStatus>> = {
  Passed: 'SUCCEEDED',
  Failed: 'FAILED',
  NotExecuted: 'SKIPPED',
  Error: 'ERROR',
  Timeout: 'ERROR',
  Aborted: 'ERROR',
};

interface OpenResult {
  one: NewCase;
  testId: string;
  /** It is the sum of results inside it, which count in its place. */
  hasInner: boolean;
}

/** Errors: BrokenReport. */
export function readTrx(pieces: Iterable<string>): NewCase[] {
  const cases: { one: NewCase; testId: string }[] = [];
  const classes = new Map<string, string>();
  const open: OpenResult[] = [];
  const text = new CaseText();
  let test = '';
  readXml(pieces, ['TestRun'], {
    open({ name, attributes }) {
      if (name === 'UnitTest') test = attributes.id ?? '';
      if (name === 'TestMethod') classes.set(test, (attributes.className ?? '').split(',', 1)[0] ?? '');
      if (name === 'Message' || name === 'StackTrace') text.take();
      if (name !== 'UnitTestResult') return;
      const outer = open.at(-1);
      if (outer !== undefined) outer.hasInner = true;
      const outcome = attributes.outcome ?? '';
      const status = Object.hasOwn(STATUS_OF, outcome) ? STATUS_OF[outcome]! : 'UNKNOWN';
      const durationNs = spanToNs(attributes.duration);
      const one = { name: attributes.testName ?? '', prefix: '', suite: '', status, durationNs, message: '' };
      open.push({ one, testId: attributes.testId ?? '', hasInner: false });
    },
    text(piece) {
      if (open.length > 0) text.add(piece);
    },
    close(name) {
      const now = open.at(-1);
      if (now === undefined) return;
      const { one } = now;
      if (name === 'Message' || name === 'StackTrace') one.message = joined(one.message, text.take());
      if (name !== 'UnitTestResult') return;
      open.pop();
      if (one.status === 'SUCCEEDED') one.message = '';
      if (!now.hasInner) cases.push(now);
    },
  });
  return cases.map(({ one, testId }) => ({
    ...one,
    prefix: classes.get(testId) ?? '',
    suite: classes.get(testId) ?? '',
  }));
}
