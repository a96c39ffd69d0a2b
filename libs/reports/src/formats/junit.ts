// JUnit's XML, as a hundred tools write it: suites inside each other, cases with failure, error or skipped in them.
import type { TestStatus } from '#core/report.js';
import { secondsToNs } from '../numbers.js';
import type { NewCase } from '../test-cases.js';
import { readXml } from '../xml.js';
import { CaseText, joined } from './case-text.js';

const STATUS_OF: Readonly<Record<string, TestStatus>> = { failure: 'FAILED', error: 'ERROR', skipped: 'SKIPPED' };

/** The first of several failures, errors or skips of a case decides. Errors: BrokenReport. */
export function readJunit(pieces: Iterable<string>): NewCase[] {
  const cases: NewCase[] = [];
  const suites: string[] = [];
  const text = new CaseText();
  let now: NewCase | null = null;
  /** Depth and message of the element that decided, while it is open. */
  let deciding: { depth: number; message: string } | null = null;
  let caseDepth = -1;
  readXml(pieces, ['testsuites', 'testsuite'], {
    open({ name, attributes }, depth) {
      if (name === 'testsuites' || name === 'testsuite')
        suites.push(name === 'testsuite' ? (attributes.name ?? '') : '');
      else if (name === 'testcase' && now === null) {
        caseDepth = depth;
        now = {
          name: attributes.name ?? '',
          prefix: attributes.classname ?? '',
          suite: suites.at(-1) ?? '',
          status: 'SUCCEEDED',
          durationNs: secondsToNs(attributes.time),
          message: '',
        };
      } else if (
        now !== null &&
        depth === caseDepth + 1 &&
        now.status === 'SUCCEEDED' &&
        Object.hasOwn(STATUS_OF, name)
      ) {
        now.status = STATUS_OF[name]!;
        deciding = { depth, message: attributes.message ?? attributes.type ?? '' };
        text.take();
      }
    },
    text(piece) {
      if (deciding !== null) text.add(piece);
    },
    close(name, depth) {
      if (name === 'testsuites' || name === 'testsuite') suites.pop();
      if (now === null) return;
      if (deciding?.depth === depth) {
        now.message = joined(deciding.message, text.take());
        deciding = null;
      }
      if (depth !== caseDepth) return;
      cases.push(now);
      now = null;
    },
  });
  return cases;
}
