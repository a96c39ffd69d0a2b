// Reads a buildspec that came with a request, so that its author hears of a mistake at once and not from a failed build.
import type { Finding } from '#core/errors.js';
import { buildspecInvalid } from '#buildspec/findings.js';
import { locateBuildspec } from '#buildspec/locate.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { ProjectSource } from '#core/project.js';
import { refusalOf, shown } from '../http/findings.js';

/** Errors: Refusal BUILDSPEC_INVALID with all findings, each with line and column. Out: what is odd but allowed. */
export function checkInlineBuildspec(text: string, reading: 'build' | 'batch' = 'build'): Finding[] {
  const { buildspec, warnings } = parseBuildspec(text, reading);
  if (reading === 'batch' && buildspec.batch === null)
    throw buildspecInvalid([{ field: 'batch', expected: 'a batch section', got: 'none' }]);
  return warnings;
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
