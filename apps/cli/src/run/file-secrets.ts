// The engine's secret resolver on a file that the person wrote: what parameter-store and secrets-manager of the buildspec name.
import { z } from 'zod';
import { PhaseFailure } from '#core/errors.js';
import { memberOfSecret, parseSecretReference } from '#core/secret-reference.js';
import { SecretResolver } from '#engine/ports.js';
import { UsageError } from '../command.js';

const shape = z.strictObject({
  parameters: z.record(z.string(), z.string()).default({}),
  /** By name or ARN; an object stands for its JSON text. */
  secrets: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.unknown())])).default({}),
});

export class FileSecrets extends SecretResolver {
  private constructor(private readonly values: z.output<typeof shape>) {
    super();
  }

  /** Nothing is in it. */
  static none(): FileSecrets {
    return new FileSecrets({ parameters: {}, secrets: {} });
  }

  /** In: JSON, `{"parameters": {"/a": "…"}, "secrets": {"b": "…" or {…}}}`. Errors: UsageError that shows no value. */
  static parse(file: string, text: string): FileSecrets {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      // the parser's words would quote what lies in the file
      throw new UsageError(`${file}: expected JSON like {"parameters": {…}, "secrets": {…}}`);
    }
    const read = shape.safeParse(json);
    if (read.success) return new FileSecrets(read.data);
    const where = read.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
    throw new UsageError(`${file}: ${where.join('; ')}`);
  }

  async parameter(name: string): Promise<string> {
    return own(this.values.parameters, name) ?? missing(`Parameter does not exist: ${name} (--secrets)`);
  }

  /** There is one version of each: the present one. */
  async secret(reference: string): Promise<string> {
    const { id, jsonKey, stage, versionId } = parseSecretReference(reference);
    const asked = versionId ?? (stage === 'AWSCURRENT' ? undefined : stage);
    const value = asked === undefined ? own(this.values.secrets, id) : undefined;
    if (value === undefined)
      return missing(`Secret does not exist: ${id}${asked === undefined ? '' : ` (version ${asked})`} (--secrets)`);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return jsonKey === null ? text : memberOfSecret(text, id, jsonKey);
  }
}

function own<T>(values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

function missing(message: string): never {
  throw new PhaseFailure('CLIENT_ERROR', message);
}
