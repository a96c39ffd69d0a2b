// The engine's secret resolver on the built-in stores of parameters and secrets.
import { PhaseFailure, Refusal } from '#core/errors.js';
import { SecretResolver } from '#engine/ports.js';
import type { ParametersStore } from '#store/parameters.store.js';
import type { SecretsStore } from '#store/secrets.store.js';

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
    const { id, jsonKey } = parseSecretReference(reference);
    const text = await this.orMissing(`Secret does not exist: ${id}`, () => this.secrets.value(id));
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

/**
 * `<id>[:<json-key>[:<stage>[:<version>]]]`; the id may be an ARN of seven parts (codebuild-contract C3).
 * Errors: PhaseFailure CLIENT_ERROR for another stage than AWSCURRENT or a version: the built-in store keeps the newest only.
 */
export function parseSecretReference(reference: string): { id: string; jsonKey: string | null } {
  const parts = reference.split(':');
  const idParts = reference.startsWith('arn:') ? 7 : 1;
  const id = parts.slice(0, idParts).join(':');
  const [jsonKey = '', stage = '', version = ''] = parts.slice(idParts);
  if ((stage !== '' && stage !== 'AWSCURRENT') || version !== '') {
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `The secret ${id} is asked for as ${stage || version}: expected its present version (AWSCURRENT)`,
    );
  }
  return { id, jsonKey: jsonKey === '' ? null : jsonKey };
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
