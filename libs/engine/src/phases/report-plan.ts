// Which texts of a plan's reports hold shell variables, and what they are once the script has told their values. Pure.
import type { BuildPlan, PlannedReport } from '#buildspec/plan.js';
import { mergeVariables } from '#core/apply-overrides.js';
import type { EnvironmentVariable } from '#core/project.js';
import type { ReportFormat } from '#core/report.js';

/** A report of the buildspec with its variables filled in. */
export interface WantedReport {
  /** Name of a group, or its ARN. */
  group: string;
  format: ReportFormat;
  baseDirectory: string;
  files: string[];
  discardPaths: boolean;
}

/** In a fixed order: wantedReports reads the values back in the same one. */
export function reportTexts(plan: BuildPlan): string[] {
  return plan.reports.flatMap(textsOf);
}

/**
 * In: `expansions`, all texts whose values were asked for, those of reports last; `values` by their index.
 * A text that the shell could not resolve, or was not asked for (by an older worker), stays as it is written.
 */
export function wantedReports(
  plan: BuildPlan,
  expansions: readonly string[],
  values: ReadonlyMap<number, string>,
): WantedReport[] {
  const texts = reportTexts(plan);
  let index = expansions.length - texts.length;
  const asked = texts.every((text, at) => expansions[index + at] === text);
  const next = (text: string): string => {
    const value = asked ? values.get(index) : undefined;
    index += 1;
    return value ?? text;
  };
  return plan.reports.map((report) => ({
    group: next(report.group),
    baseDirectory: next(report.baseDirectory ?? '.'),
    files: report.files.map(next),
    format: report.fileFormat,
    discardPaths: report.discardPaths,
  }));
}

function textsOf(report: PlannedReport): string[] {
  return [report.group, report.baseDirectory ?? '.', ...report.files];
}

/** As the buildspec and the project set CODEBUILD_CONFIG_AUTO_DISCOVER and its _DIR. Out: null when it is off. */
export function discoveryPattern(plan: BuildPlan, project: readonly EnvironmentVariable[]): string | null {
  const written = plan.variables.map((one) => ({ ...one, type: 'PLAINTEXT' as const }));
  const merged = mergeVariables(written, [...project]).filter(({ type }) => type === 'PLAINTEXT');
  const valueOf = (name: string): string => merged.find((one) => one.name === name)?.value.trim() ?? '';
  if (/^(false|no|off|0)$/i.test(valueOf('CODEBUILD_CONFIG_AUTO_DISCOVER'))) return null;
  return valueOf('CODEBUILD_CONFIG_AUTO_DISCOVER_DIR') || '**/*';
}

/** Names of report groups (codebuild-contract A5: 2 to 128; a project's own name may come before). */
const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

/**
 * Name of the group that a buildspec means: `<project>-<name>`, and of an ARN what stands at its end.
 * Out: null for what is no name of a group.
 */
export function groupNameOf(written: string, projectName: string): string | null {
  const arn = /^arn:[^:]*:codebuild:[^:]*:[^:]*:report-group\/(.+)$/.exec(written);
  const name = arn === null ? `${projectName}-${written}` : arn[1]!;
  return written !== '' && GROUP_NAME.test(name) ? name : null;
}
