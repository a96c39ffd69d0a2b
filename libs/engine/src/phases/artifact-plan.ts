// Which texts of a plan's artifacts hold shell variables, and what they are once the script has told their values. Pure.
import type { BuildPlan, PlannedArtifacts } from '#buildspec/plan.js';
import { reportTexts } from './report-plan.js';

/** An artifact of the buildspec with its variables filled in. */
export interface WantedArtifact {
  /** Empty for the primary. */
  identifier: string;
  baseDirectory: string;
  files: string[];
  excludePaths: string[];
  discardPaths: boolean;
  /** Symbolic links stay links, where the packaging can hold them. */
  enableSymlinks: boolean;
  /** From the buildspec; used where the project says overrideArtifactName. */
  name: string | null;
  /** In the place of the project's path, where the artifact is told to lie. */
  s3Prefix: string | null;
}

/** The texts in a fixed order, those of reports last: wantedArtifacts, cachePaths and wantedReports read the values back in the same one. */
export function expansionTexts(plan: BuildPlan): string[] {
  return [
    ...artifactsOf(plan).flatMap(({ artifact }) => textsOf(artifact)),
    ...(plan.cache?.paths ?? []),
    ...reportTexts(plan),
  ];
}

/** `values` by index of expansionTexts; a text that the shell could not resolve stays as it is written. */
export function wantedArtifacts(plan: BuildPlan, values: ReadonlyMap<number, string>): WantedArtifact[] {
  let index = 0;
  const next = (text: string): string => values.get(index++) ?? text;
  return artifactsOf(plan).map(({ identifier, artifact }) => {
    const baseDirectory = next(artifact.baseDirectory ?? '.');
    const name = next(artifact.name ?? '');
    const files = artifact.files.map(next);
    const excludePaths = artifact.excludePaths.map(next);
    const s3Prefix = artifact.s3Prefix ? next(artifact.s3Prefix) : null;
    return {
      identifier,
      baseDirectory,
      name: name === '' ? null : name,
      files,
      excludePaths,
      discardPaths: artifact.discardPaths,
      enableSymlinks: artifact.enableSymlinks,
      s3Prefix,
    };
  });
}

/** The cache's paths with their variables filled in. */
export function cachePaths(plan: BuildPlan, values: ReadonlyMap<number, string>): string[] {
  const before = artifactsOf(plan).reduce((count, { artifact }) => count + textsOf(artifact).length, 0);
  return (plan.cache?.paths ?? []).map((path, index) => values.get(before + index) ?? path);
}

function textsOf(artifact: PlannedArtifacts): string[] {
  const prefix = artifact.s3Prefix ? [artifact.s3Prefix] : [];
  return [artifact.baseDirectory ?? '.', artifact.name ?? '', ...artifact.files, ...artifact.excludePaths, ...prefix];
}

function artifactsOf(plan: BuildPlan): { identifier: string; artifact: PlannedArtifacts }[] {
  return [
    ...(plan.artifacts === null ? [] : [{ identifier: '', artifact: plan.artifacts }]),
    ...plan.secondaryArtifacts.map((artifact) => ({ identifier: artifact.identifier, artifact })),
  ];
}
