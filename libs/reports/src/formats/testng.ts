// TestNG's XML. Methods that only set up or clear away are no cases; the counts at the root may be wrong and are not looked at.
import type { TestStatus } from '#core/report.js';
import { millisecondsToNs } from '../numbers.js';
import type { NewCase } from '../test-cases.js';
import { readXml } from '../xml.js';
import { CaseText, joined } from './case-text.js';

const STATUS_OF: Readonly<Record<string, TestStatus>> = { PASS: 'SUCCEEDED', FAIL: 'FAILED', SKIP: 'SKIPPED' };

/** Errors: BrokenReport. */
export function readTestng(pieces: Iterable<string>): NewCase[] {
  const cases: NewCase[] = [];
  const text = new CaseText();
  let suite = '';
  let className = '';
  let now: NewCase | null = null;
  let message = '';
  let stack = '';
  readXml(pieces, ['testng-results'], {
    open({ name, attributes }) {
      if (name === 'test') suite = attributes.name ?? '';
      if (name === 'class') className = attributes.name ?? '';
      if (name === 'message' || name === 'full-stacktrace') text.take();
      if (name !== 'test-method' || attributes['is-config'] === 'true') return;
      const status = attributes.status ?? '';
      now = {
        name: attributes.name ?? '',
        prefix: className,
        suite,
        status: Object.hasOwn(STATUS_OF, status) ? STATUS_OF[status]! : 'UNKNOWN',
        durationNs: millisecondsToNs(attributes['duration-ms']),
        message: '',
      };
    },
    text(piece) {
      if (now !== null) text.add(piece);
    },
    close(name) {
      if (now === null) return;
      if (name === 'message') message = text.take();
      if (name === 'full-stacktrace') stack = text.take();
      if (name !== 'test-method') return;
      cases.push(now.status === 'SUCCEEDED' ? now : { ...now, message: joined(message, stack) });
      now = null;
      message = stack = '';
    },
  });
  return cases;
}
