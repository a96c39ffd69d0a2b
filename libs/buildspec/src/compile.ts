// Buildspec to BuildPlan: the choices that a buildspec leaves open are made here, once, so that the engine only follows.
import type { Finding } from '#core/errors.js';
import {
  COMMAND_PHASE_OF,
  PHASE_NAMES,
  type ArtifactFiles,
  type Buildspec,
  type BuildspecEnv,
  type NamedValue,
} from './buildspec.js';
import { ENV_MAPS } from './check.js';
import { buildspecInvalid, excerpt, type Place } from './findings.js';
import type { BuildPlan, PlannedArtifacts, PlannedPhase } from './plan.js';

/** What a plan needs to know beside the buildspec. */
export interface CompileContext {
  /** What parse warned of; the plan carries it in front of compile's own warnings. */
  warnings?: readonly Finding[];
  /** Where the buildspec's fields stand in its text (parse's); absent: findings have no line. */
  placeOf?: (field: string) => Place | undefined;
  /** artifactIdentifiers of the project's secondary artifacts; absent: not compared. */
  secondaryArtifactIdentifiers?: readonly string[];
}

/**
 * The plan of one build. Pure: same input, same plan.
 * In: a buildspec from parseBuildspec. Out: plain JSON data (see plan.ts).
 * A name in several of the env maps: secrets-manager wins over parameter-store over variables, and the plan holds it once. CodeBuild does
 * not document its order (contract H.3); this one never puts a plain text in the place of a secret. A name twice in one map's two
 * spellings (version 0.1): `env` wins.
 * Errors: Refusal BUILDSPEC_INVALID for a shell that Kilnyard does not have.
 */
export function compile(source: Buildspec, context: CompileContext = {}): BuildPlan {
  // A copy of its own: the plan and the caller's buildspec share nothing.
  const buildspec = structuredClone(source);
  const { env, artifacts, cache } = buildspec;
  const named = distinct(env);
  const told: Told = (field, expected, got) => ({ field, expected, got, ...context.placeOf?.(field) });
  return {
    version: buildspec.version,
    shell: shellOf(env.shell, told),
    runAs: buildspec.runAs,
    variables: named.variables,
    parameterStore: named.parameterStore.map(({ name, value }) => ({ name, parameter: value })),
    secretsManager: named.secretsManager.map(({ name, value }) => ({ name, reference: value })),
    exportedVariables: [...new Set(env.exportedVariables.filter((name) => !name.startsWith('AWS_')))],
    phases: planPhases(buildspec),
    runtimeVersions: buildspec.runtimeVersions,
    artifacts: artifacts === null || artifacts.files.length === 0 ? null : planArtifacts(artifacts),
    secondaryArtifacts: (artifacts?.secondary ?? []).map((one) => ({
      identifier: one.identifier,
      ...planArtifacts(one),
    })),
    cache: cache === null ? null : { ...cache, fallbackKeys: cache.key === null ? [] : cache.fallbackKeys },
    reports: buildspec.reports,
    warnings: [...(context.warnings ?? []), ...unsupported(buildspec, told), ...unplaced(buildspec, context, told)],
  };
}

type Told = (field: string, expected: string, got: string) => Finding;

function shellOf(shell: string | null, told: Told): 'sh' | 'bash' {
  if (shell === null || shell === 'sh' || shell === '/bin/sh') return 'sh';
  if (shell === 'bash' || shell === '/bin/bash') return 'bash';
  throw buildspecInvalid([told('env.shell', 'bash, /bin/bash, sh or /bin/sh (builds run on Linux)', excerpt(shell))]);
}

function distinct(env: BuildspecEnv): Record<'variables' | 'parameterStore' | 'secretsManager', NamedValue[]> {
  const taken = new Set<string>();
  const lists = { variables: [], parameterStore: [], secretsManager: [] } as ReturnType<typeof distinct>;
  for (const [map] of ENV_MAPS) {
    const last = new Map(env[map].map((entry) => [entry.name, entry]));
    for (const [name, entry] of last) if (!taken.has(name)) lists[map].push(entry);
    for (const name of last.keys()) taken.add(name);
  }
  return lists;
}

function planPhases(buildspec: Buildspec): PlannedPhase[] {
  return PHASE_NAMES.map((name) => {
    const phase = buildspec.phases[name];
    return {
      type: COMMAND_PHASE_OF[name],
      runtimes: [],
      commands: phase?.commands ?? [],
      finally: phase?.finally ?? [],
      runAs: phase?.runAs ?? buildspec.runAs,
      onFailure: phase?.onFailure ?? { action: 'DEFAULT' },
      listed: phase !== undefined,
    };
  });
}

function planArtifacts(artifact: ArtifactFiles): PlannedArtifacts {
  const { files, excludePaths, baseDirectory, discardPaths, name, enableSymlinks, s3Prefix } = artifact;
  return { files, excludePaths, baseDirectory, discardPaths, name, enableSymlinks, s3Prefix };
}

/** What CodeBuild does and this version of Kilnyard does not: said in the build's log, never ignored in silence. */
function unsupported(buildspec: Buildspec, told: Told): Finding[] {
  const { env, proxy } = buildspec;
  const warnings: Finding[] = [];
  const warn = (field: string, expected: string, got: string) => warnings.push(told(field, expected, got));
  if (env.gitCredentialHelper) {
    warn('env.git-credential-helper', 'no (builds never see the credential of their source)', 'yes');
  }
  if (proxy.uploadArtifacts || proxy.logs) {
    warn('proxy', 'no (artifacts and logs do not leave through the build)', 'yes');
  }
  return warnings;
}

function unplaced(
  buildspec: Buildspec,
  { secondaryArtifactIdentifiers: known }: CompileContext,
  told: Told,
): Finding[] {
  const secondary = known === undefined ? [] : (buildspec.artifacts?.secondary ?? []);
  return secondary
    .filter(({ identifier }) => !known?.includes(identifier))
    .map(({ identifier }) =>
      told(
        `artifacts.secondary-artifacts.${identifier}`,
        `an artifactIdentifier of the project (${known?.join(', ') || 'it has none'})`,
        identifier,
      ),
    );
}
