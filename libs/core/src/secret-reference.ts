// How a build names a secret (codebuild-contract C3), whoever keeps it. Pure.
import { PhaseFailure } from './errors.js';

/** Stages of a secret's versions, as AWS calls them: the newest version, and the one before it. */
export const SECRET_STAGES = ['AWSCURRENT', 'AWSPREVIOUS'] as const;
export type SecretStage = (typeof SECRET_STAGES)[number];

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

/** A member of a secret that is a JSON object, as text. Errors: PhaseFailure CLIENT_ERROR when there is none. */
export function memberOfSecret(text: string, id: string, key: string): string {
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
