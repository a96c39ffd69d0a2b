// NUnit's XML of version 2 (`test-results`) and of version 3 (`test-run`).
import type { TestStatus } from '#core/report.js';
import { secondsToNs } from '../numbers.js';
import type { NewCase } from '../test-cases.js';
import { readXml, type XmlElement } from '../xml.js';
import { CaseText, joined } from './case-text.js';

type Attributes = XmlElement['attributes'];

/** As AWS shows them where it does (codebuild-contract E); the rest by their meaning. */
const STATUS_OF_2: Readonly<Record<string, TestStatus>> = {
  Success: 'SUCCEEDED',
  Failure: 'FAILED',
  Error: 'ERROR',
  NotRunnable: 'ERROR',
  Cancelled: 'ERROR',
  Ignored: 'SKIPPED',
  Skipped: 'SKIPPED',
  Inconclusive: 'UNKNOWN',
};

const STATUS_OF_3: Readonly<Record<string, TestStatus>> = {
  Passed: 'SUCCEEDED',
  Warning: 'SUCCEEDED',
  Failed: 'FAILED',
  Skipped: 'SKIPPED',
  Inconclusive: 'UNKNOWN',
};

/** Errors: BrokenReport. */
export function readNunit2(pieces: Iterable<string>): NewCase[] {
  return readCases(pieces, 'test-results', (attributes, suite) => ({
    name: attributes.name ?? '',
    prefix: fixtureOf(attributes.name ?? ''),
    suite,
    status: statusOf2(attributes),
    durationNs: secondsToNs(attributes.time),
    message: '',
  }));
}

/** Errors: BrokenReport. */
export function readNunit3(pieces: Iterable<string>): NewCase[] {
  return readCases(pieces, 'test-run', (attributes, suite) => ({
    name: attributes.fullname ?? attributes.name ?? '',
    prefix: attributes.classname ?? fixtureOf(attributes.fullname ?? ''),
    suite,
    status: statusOf3(attributes),
    durationNs: secondsToNs(attributes.duration ?? attributes.time),
    message: '',
  }));
}

function statusOf2({ result, executed, success }: Attributes): TestStatus {
  if (result !== undefined) return known(STATUS_OF_2, result);
  if (executed?.toLowerCase() === 'false') return 'SKIPPED';
  return success?.toLowerCase() === 'true' ? 'SUCCEEDED' : success?.toLowerCase() === 'false' ? 'FAILED' : 'UNKNOWN';
}

function statusOf3({ result = '', label }: Attributes): TestStatus {
  if (result === 'Failed' && (label === 'Error' || label === 'Invalid')) return 'ERROR';
  return known(STATUS_OF_3, result);
}

function known(statuses: Readonly<Record<string, TestStatus>>, word: string): TestStatus {
  return Object.hasOwn(statuses, word) ? statuses[word]! : 'UNKNOWN';
}

/** The full name of a case without its method and that method's arguments. */
function fixtureOf(fullName: string): string {
  const method = fullName.split('(', 1)[0] ?? '';
  return method.slice(0, Math.max(0, method.lastIndexOf('.')));
}

function readCases(
  pieces: Iterable<string>,
  root: string,
  caseOf: (attributes: Attributes, suite: string) => NewCase,
): NewCase[] {
  const cases: NewCase[] = [];
  const suites: string[] = [];
  const text = new CaseText();
  let now: NewCase | null = null;
  let message = '';
  readXml(pieces, [root], {
    open({ name, attributes }) {
      if (name === 'test-suite') suites.push(attributes.fullname ?? attributes.name ?? '');
      if (name === 'test-case') now = caseOf(attributes, suites.at(-1) ?? '');
      if (name === 'message' || name === 'stack-trace') text.take();
    },
    text(piece) {
      if (now !== null) text.add(piece);
    },
    close(name) {
      if (name === 'test-suite') suites.pop();
      if (now === null) return;
      if (name === 'message' || name === 'stack-trace') message = joined(message, text.take());
      if (name !== 'test-case') return;
      cases.push(now.status === 'SUCCEEDED' ? now : { ...now, message });
      now = null;
      message = '';
    },
  });
  return cases;
}
