// The values of a build's variables: literals, parameters, secrets; and the masking of what is secret.
import type { BuildPlan } from '#buildspec/plan.js';
import { mergeVariables } from '#core/apply-overrides.js';
import type { EnvironmentVariable } from '#core/project.js';
import type { BuildRun } from '../build-run.js';
import { MIN_SECRET_LENGTH } from '../logs/secret-forms.js';

export interface ResolvedVariable {
  name: string;
  value: string;
  /** It comes from a parameter or a secret. */
  sealed: boolean;
}

/**
 * All variables that the project, the request and the buildspec define, with their values.
 * Precedence for one name: request over project over buildspec (codebuild-contract C3); the type goes with the winner.
 * Every value of a parameter or secret is masked from here on.
 * Errors: PhaseFailure CLIENT_ERROR for a missing one.
 */
export async function resolveVariables(run: BuildRun, plan: BuildPlan): Promise<ResolvedVariable[]> {
  const written: EnvironmentVariable[] = [
    ...plan.variables.map(({ name, value }) => ({ name, value, type: 'PLAINTEXT' as const })),
    ...plan.parameterStore.map(({ name, parameter }) => ({ name, value: parameter, type: 'PARAMETER_STORE' as const })),
    ...plan.secretsManager.map(({ name, reference }) => ({ name, value: reference, type: 'SECRETS_MANAGER' as const })),
  ];
  const merged = mergeVariables(written, run.request.build.settings.environment.environmentVariables);
  const values: ResolvedVariable[] = [];
  for (const { name, value, type } of merged) {
    if (type === 'PLAINTEXT') values.push({ name, value, sealed: false });
    else {
      const secret =
        type === 'PARAMETER_STORE' ? await run.ports.secrets.parameter(value) : await run.ports.secrets.secret(value);
      await maskSecret(run, name, secret);
      values.push({ name, value: secret, sealed: true });
    }
  }
  return values;
}

async function maskSecret(run: BuildRun, name: string, secret: string): Promise<void> {
  run.log.addSecrets([secret]);
  if (secret !== '' && Buffer.byteLength(secret.trim()) < MIN_SECRET_LENGTH) {
    await run.log.say(`The value of ${name} is shorter than ${MIN_SECRET_LENGTH} bytes and is not masked in this log`);
  }
}
