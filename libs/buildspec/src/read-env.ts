// Reads `env` (codebuild-contract C3), and version 0.1's `environment_variables.plaintext` in its place.
import type { Buildspec, BuildspecEnv } from './buildspec.js';
import type { Section } from './section.js';

const ENV_KEYS = [
  'shell',
  'variables',
  'parameter-store',
  'secrets-manager',
  'exported-variables',
  'git-credential-helper',
];

/** Out: the section with defaults; the three maps as written, names unchecked (check.ts does that). */
export function readEnv(top: Section, version: Buildspec['version']): BuildspecEnv {
  const env = top.section('env');
  env?.warnUnknown(ENV_KEYS);
  const older = version === '0.1' ? top.section('environment_variables') : null;
  older?.warnUnknown(['plaintext']);
  return {
    shell: env?.text('shell') ?? null,
    variables: [...(older?.pairs('plaintext') ?? []), ...(env?.pairs('variables') ?? [])],
    parameterStore: env?.pairs('parameter-store') ?? [],
    secretsManager: env?.pairs('secrets-manager') ?? [],
    exportedVariables: env?.list('exported-variables') ?? [],
    gitCredentialHelper: env?.flag('git-credential-helper') ?? false,
  };
}
