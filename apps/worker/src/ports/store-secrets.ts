// The engine's secret resolver on the built-in stores of parameters and secrets.
import { PhaseFailure, Refusal } from '#core/errors.js';
import { SecretResolver } from '#engine/ports.js';
import type { ParametersStore } from '#store/parameters.store.js';
import { SECRET_STAGES, type SecretsStore, type SecretStage } from '#store/secrets.store.js';

export class StoreSecrets extends SecretResolver {
  constructor(
    private readonly parameters: ParametersStore,
    private readonly secrets: SecretsStore,
    /** Reads again while the database is away. */
    private readonly patiently: <T>(read: () => Promise<T>) => Promise<T>,
  ) {
    super();
  }

  async parameter(name: string): Promise<string> {
    return this.orMissing(`Parameter does not exist: ${name}`, () => this.parameters.value(name));
  }

  async secret(reference: string): Promise<string> {
    const { id, jsonKey, ...which } = parseSecretReference(reference);
    const asked = which.versionId ?? which.stage;
    const missing = `Secret does not exist: ${id}${asked === undefined ? '' : ` (version ${asked})`}`;
    const text = await this.orMissing(missing, () => this.secrets.value(id, which));
    return jsonKey === null ? text : memberOf(text, id, jsonKey);
  }

  private async orMissing(message: string, read: () => Promise<string>): Promise<string> {
    try {
      return await this.patiently(read);
    } catch (error) {
      if (error instanceof Refusal) throw new PhaseFailure('CLIENT_ERROR', message, { cause: error });
      throw error;
    }
  }
}

export interface SecretReference {
  id: string;
  /** Member of a secret that is a JSON object; null for the whole text. */
  jsonKey: string | null;
  stage?: SecretStage;
  versionId?: string;
}

/**
 * `<id>[:<json-key>[:<stage>[:<version-id>]]]`; the id may be an ARN of seven parts (codebuild-contract C3).
 * Errors: PhaseFailure CLIENT_ERROR for a stage and a version at once, a stage that there is not, and further parts.
 */
export function parseSecretReference(reference: string): SecretReference {
  const parts = reference.split(':');
  const idParts = reference.startsWith('arn:') ? 7 : 1;
  const id = parts.slice(0, idParts).join(':');
  const [jsonKey = '', stage = '', versionId = '', ...further] = parts.slice(idParts);
  const wrong = (expected: string): PhaseFailure =>
    new PhaseFailure('CLIENT_ERROR', `The secret reference ${reference} is wrong: expected ${expected}`);
  if (further.length > 0) throw wrong('<secret>[:<json-key>[:<stage>[:<version-id>]]]');
  if (stage !== '' && versionId !== '') throw wrong('a stage or a version, not both');
  const known = SECRET_STAGES.find((one) => one === stage);
  if (stage !== '' && known === undefined) throw wrong(`the stage ${SECRET_STAGES.join(' or ')}, got ${stage}`);
  return {
    id,
    jsonKey: jsonKey === '' ? null : jsonKey,
    ...(known === undefined ? {} : { stage: known }),
    ...(versionId === '' ? {} : { versionId }),
  };
}

function memberOf(text: string, id: string, key: string): string {
  let value: unknown;
  try {
    value = (JSON.parse(text) as Record<string, unknown> | null)?.[key];
  } catch (error) {
    throw new PhaseFailure('CLIENT_ERROR', `The secret ${id} is no JSON object, so it has no key ${key}`, {
      cause: error,
    });
  }
  if (value === undefined || value === null)
    throw new PhaseFailure('CLIENT_ERROR', `The secret ${id} has no key ${key}`);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
