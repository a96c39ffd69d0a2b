// The engine's secret resolver on the built-in stores of parameters and secrets.
import { PhaseFailure, Refusal } from '#core/errors.js';
import { memberOfSecret, parseSecretReference } from '#core/secret-reference.js';
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
    const { id, jsonKey, ...which } = parseSecretReference(reference);
    const asked = which.versionId ?? which.stage;
    const missing = `Secret does not exist: ${id}${asked === undefined ? '' : ` (version ${asked})`}`;
    const text = await this.orMissing(missing, () => this.secrets.value(id, which));
    return jsonKey === null ? text : memberOfSecret(text, id, jsonKey);
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
