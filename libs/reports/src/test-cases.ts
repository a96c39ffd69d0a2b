// Gathers the test cases of one report: counts all, keeps as many as are wanted, those that did not pass first.
import {
  cutText,
  MASK_MARGIN,
  MAX_CASE_MESSAGE,
  MAX_CASE_NAME,
  TEST_STATUSES,
  type TestCase,
  type TestStatus,
  type TestSummary,
} from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { MAX_CASES, MAX_MESSAGES } from './limits.js';

export type NewCase = Omit<TestCase, 'file'>;

interface KeptCase extends TestCase {
  ordinal: number;
}

export class TestCases {
  private readonly counts = Object.fromEntries(TEST_STATUSES.map((status) => [status, 0])) as Record<
    TestStatus,
    number
  >;
  private total = 0;
  private durationNs = 0;
  private messages = 0;
  private readonly bad: KeptCase[] = [];
  private readonly others: KeptCase[] = [];

  /** `keep`: how many cases. */
  constructor(private readonly keep: number) {}

  /** Takes the cases of one file. Errors: BrokenReport when they are too many; then none of them is taken. */
  add(file: string, cases: readonly NewCase[]): void {
    if (this.total + cases.length > MAX_CASES)
      throw new BrokenReport(`expected at most ${MAX_CASES} test cases in a report, got more`);
    for (const one of cases) {
      this.counts[one.status] += 1;
      this.durationNs = Math.min(this.durationNs + one.durationNs, Number.MAX_SAFE_INTEGER);
      const list = one.status === 'FAILED' || one.status === 'ERROR' ? this.bad : this.others;
      if (list.length < this.keep) list.push({ ...this.cut(one), file, ordinal: this.total });
      this.total += 1;
    }
  }

  get summary(): TestSummary {
    return { total: this.total, statusCounts: { ...this.counts }, durationNs: this.durationNs };
  }

  /** Out: at most `keep`, in the order in which they came. */
  get kept(): TestCase[] {
    return [...this.bad, ...this.others]
      .slice(0, this.keep)
      .sort((a, b) => a.ordinal - b.ordinal)
      .map(({ ordinal: _, ...one }) => one);
  }

  /** Messages beyond what is kept of all are left out whole. */
  private cut(one: NewCase): NewCase {
    const message = this.messages < MAX_MESSAGES ? cutText(one.message, MAX_CASE_MESSAGE + MASK_MARGIN) : '';
    this.messages += message.length;
    const name = (text: string): string => cutText(text, MAX_CASE_NAME + MASK_MARGIN);
    return { ...one, name: name(one.name), prefix: name(one.prefix), suite: name(one.suite), message };
  }
}
