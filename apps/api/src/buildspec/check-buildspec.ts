// Reads a buildspec that came with a request, so that its author hears of a mistake at once and not from a failed build.
import { Refusal, type Finding } from '#core/errors.js';
import { buildspecInvalid } from '#buildspec/findings.js';
import { examineBuildspec } from '#buildspec/examine.js';
import { locateBuildspec } from '#buildspec/locate.js';
import type { PlanSummary } from '#buildspec/plan-summary.js';
import type { ProjectSource } from '#core/project.js';
import { refusalOf, shown } from '../http/findings.js';

/**
 * Out: what it would do, and what is odd but allowed.
 * Errors: Refusal BUILDSPEC_INVALID with all errors and warnings, each with severity, line and column.
 * `reading`: what is wrong with `batch` is an error for a batch, which must have one, and a warning for a build.
 */
export function checkInlineBuildspec(
  text: string,
  reading: 'build' | 'batch' = 'build',
): { warnings: Finding[]; plan: PlanSummary } {
  const examined = examineBuildspec(text, reading);
  if (examined.valid) {
    if (reading === 'batch' && examined.plan.batch === null)
      throw buildspecInvalid([{ field: 'batch', expected: 'a batch section', got: 'none' }]);
    return { warnings: examined.findings, plan: examined.plan };
  }
  const { refusal, findings } = examined;
  throw new Refusal(refusal.code, refusal.message, { findings, cause: refusal });
}

/**
 * Looks at a source's `buildspec`: inline text is read, a path is judged by its form.
 * Errors: Refusal BUILDSPEC_INVALID; INVALID_INPUT for NO_SOURCE without an inline buildspec.
 */
export function checkBuildspecSetting(
  source: Pick<ProjectSource, 'type' | 'buildspec'>,
  reading: 'build' | 'batch' = 'build',
): void {
  const located = locateBuildspec(source.buildspec);
  if (located.kind === 'inline') checkInlineBuildspec(located.text, reading);
  else if (source.type === 'NO_SOURCE') {
    const expected = 'an inline buildspec, since NO_SOURCE has no file';
    throw refusalOf([{ field: 'source.buildspec', expected, got: shown('buildspec', source.buildspec) }]);
  }
}
