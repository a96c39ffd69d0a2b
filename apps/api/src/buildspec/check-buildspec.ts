// Reads a buildspec that came with a request, so that its author hears of a mistake at once and not from a failed build.
import { Refusal, type Finding } from '#core/errors.js';
import { examineBuildspec } from '#buildspec/examine.js';
import { locateBuildspec } from '#buildspec/locate.js';
import type { PlanSummary } from '#buildspec/plan-summary.js';
import type { ProjectSource } from '#core/project.js';
import { refusalOf, shown } from '../http/findings.js';

/**
 * Out: what it would do, and what is odd but allowed.
 * Errors: Refusal BUILDSPEC_INVALID with all errors and warnings, each with severity, line and column.
 */
export function checkInlineBuildspec(text: string): { warnings: Finding[]; plan: PlanSummary } {
  const examined = examineBuildspec(text);
  if (examined.valid) return { warnings: examined.findings, plan: examined.plan };
  const { refusal, findings } = examined;
  throw new Refusal(refusal.code, refusal.message, { findings, cause: refusal });
}

/**
 * Looks at a source's `buildspec`: inline text is read, a path is judged by its form.
 * Errors: Refusal BUILDSPEC_INVALID; INVALID_INPUT for NO_SOURCE without an inline buildspec.
 */
export function checkBuildspecSetting(source: Pick<ProjectSource, 'type' | 'buildspec'>): void {
  const located = locateBuildspec(source.buildspec);
  if (located.kind === 'inline') checkInlineBuildspec(located.text);
  else if (source.type === 'NO_SOURCE') {
    const expected = 'an inline buildspec, since NO_SOURCE has no file';
    throw refusalOf([{ field: 'source.buildspec', expected, got: shown('buildspec', source.buildspec) }]);
  }
}
