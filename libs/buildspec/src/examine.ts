// A buildspec looked at before it is built, for the API and the command line: everything that is wrong or odd, and what it would do.
import { Refusal, type Finding } from '#core/errors.js';
import { compile } from './compile.js';
import { Findings, inOrder } from './findings.js';
import { readBuildspec } from './parse.js';
import { summarizePlan, type PlanSummary } from './plan-summary.js';

export interface ExaminedFinding extends Finding {
  /** An error fails the build in DOWNLOAD_SOURCE; a warning is only told. */
  severity: 'error' | 'warning';
}

export type Examination =
  | { valid: true; findings: ExaminedFinding[]; plan: PlanSummary }
  | { valid: false; findings: ExaminedFinding[]; plan: null; refusal: Refusal };

/**
 * In: a buildspec's text, of any size. Out: errors and warnings together, in the order of the text; the plan where there is no error.
 * Errors: none; what is wrong with the text is in the answer.
 */
export function examineBuildspec(text: string, reading: 'build' | 'batch' = 'build'): Examination {
  const findings = new Findings();
  try {
    const buildspec = readBuildspec(text, findings, reading);
    const placeOf = (field: string) => findings.placeOf(field);
    const plan = compile(buildspec, { warnings: findings.warnings, placeOf });
    return { valid: true, findings: told([], plan.warnings), plan: summarizePlan(buildspec, plan) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { valid: false, findings: told(error.findings, findings.warnings), plan: null, refusal: error };
  }
}

function told(errors: readonly Finding[], warnings: readonly Finding[]): ExaminedFinding[] {
  return inOrder<ExaminedFinding>([
    ...errors.map((finding) => ({ severity: 'error' as const, ...finding })),
    ...warnings.map((finding) => ({ severity: 'warning' as const, ...finding })),
  ]);
}
