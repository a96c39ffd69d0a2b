// What needs more than one key, or the meaning of a name: the rules for variables, artifacts and caches (codebuild-contract C3, C5, C7).
import type { Buildspec, BuildspecEnv } from './buildspec.js';
import { excerpt, type Findings } from './findings.js';

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** CODEBUILD_ names are the service's own, but these two are meant to be set (codebuild-contract C6). */
const SETTABLE = new Set(['CODEBUILD_CONFIG_AUTO_DISCOVER', 'CODEBUILD_CONFIG_AUTO_DISCOVER_DIR']);
/** Names that change how a shell or a program is run, the build's own runner included, or that bash keeps read-only. */
const STEERING = new Set(
  'LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH BASH_ENV ENV SHELLOPTS BASHOPTS PS4 IFS UID EUID PPID'.split(' '),
);

/** The three maps, strongest first, with the field that they stand in. Source and reason of the order: see compile. */
export const ENV_MAPS = [
  ['secretsManager', 'env.secrets-manager'],
  ['parameterStore', 'env.parameter-store'],
  ['variables', 'env.variables'],
] as const satisfies readonly (readonly [keyof BuildspecEnv, string])[];

/** Tells `findings` of every broken rule. */
export function checkBuildspec(buildspec: Buildspec, findings: Findings): void {
  checkVariables(buildspec.env, findings);
  checkExported(buildspec.env, findings);
  checkArtifacts(buildspec, findings);
  const { cache } = buildspec;
  if (cache?.key === null && cache.fallbackKeys.length > 0) {
    findings.warn('cache.fallback-keys', 'a cache.key beside it', 'none; the fallback keys are ignored');
  }
  if (cache?.paths.length === 0) findings.warn('cache', 'paths to cache', 'none; nothing is cached');
  const empty = Object.values(buildspec.phases).every((phase) => phase.commands.length + phase.finally.length === 0);
  if (empty && !findings.failed && buildspec.artifacts === null && buildspec.batch === null) {
    findings.warn('phases', 'at least one command', 'none; the build does nothing');
  }
}

function checkVariables(env: BuildspecEnv, findings: Findings): void {
  const strongest = new Map<string, string>();
  for (const [map, place] of ENV_MAPS) {
    for (const { name, value } of env[map]) {
      const field = `${place}.${name}`;
      checkName(name, field, findings);
      const other = strongest.get(name);
      if (other !== undefined && other !== place) {
        findings.warn(field, 'a name in one of the three maps', `it is in ${other} too, which wins`);
      }
      strongest.set(name, other ?? place);
      if (map !== 'variables' && value === '') findings.error(field, 'the name of what to read', 'an empty text');
      if (map === 'secretsManager') checkReference(value, field, findings);
    }
  }
}

/** `<secret>[:<json-key>[:<stage>[:<version-id>]]]`; an ARN has seven parts itself. */
function checkReference(reference: string, field: string, findings: Findings): void {
  const [, stage = '', version = '', ...further] = reference.split(':').slice(reference.startsWith('arn:') ? 7 : 1);
  if (further.length > 0) {
    findings.error(field, '<secret>[:<json-key>[:<stage>[:<version-id>]]]', excerpt(reference));
  } else if (stage !== '' && version !== '') {
    findings.error(field, 'a version-stage or a version-id, not both', excerpt(reference));
  }
}

/** Whether a command can be given a variable of this name. */
export function isVariableName(name: string): boolean {
  return ENV_NAME.test(name) && (!name.startsWith('CODEBUILD_') || SETTABLE.has(name));
}

function checkName(name: string, field: string, findings: Findings): void {
  if (!ENV_NAME.test(name)) {
    findings.error(
      field,
      'a name of letters, digits and _ that starts with no digit',
      excerpt(name) || 'an empty name',
    );
  } else if (name.startsWith('CODEBUILD_') && !SETTABLE.has(name)) {
    findings.error(field, 'a name that does not start with CODEBUILD_ (reserved)', excerpt(name));
  } else if (STEERING.has(name)) {
    findings.warn(field, 'a name that no shell or loader takes as an instruction', name);
  }
}

function checkExported(env: BuildspecEnv, findings: Findings): void {
  for (const name of env.exportedVariables) {
    if (!ENV_NAME.test(name)) {
      findings.error('env.exported-variables', 'names of variables', excerpt(name) || 'an empty name');
    } else if (name.startsWith('AWS_')) {
      findings.warn(
        'env.exported-variables',
        'names that do not start with AWS_',
        `${excerpt(name)}; it is not exported`,
      );
    }
  }
}

function checkArtifacts({ artifacts }: Buildspec, findings: Findings): void {
  if (artifacts === null) return;
  if (artifacts.files.length === 0 && artifacts.secondary.length === 0) {
    findings.error('artifacts', 'files with at least one pattern', 'none');
  }
  for (const { identifier, files } of artifacts.secondary) {
    if (files.length > 0) continue;
    findings.error(`artifacts.secondary-artifacts.${identifier}`, 'files with at least one pattern', 'none');
  }
}
