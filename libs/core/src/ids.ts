// Branded ids and their spelling. A build is known outside as `<project>:<uuid>`, inside by its uuid alone.
import { Refusal } from './errors.js';

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** uuid, lower case. */
export type BuildId = Branded<string, 'BuildId'>;
/** uuid, lower case. */
export type ProjectId = Branded<string, 'ProjectId'>;
/** uuid, lower case. */
export type BatchId = Branded<string, 'BatchId'>;
/** Chosen by the worker at start: `<hostname>-<8 hex>`. */
export type WorkerId = Branded<string, 'WorkerId'>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function asBuildId(uuid: string): BuildId {
  return uuid as BuildId;
}
export function asProjectId(uuid: string): ProjectId {
  return uuid as ProjectId;
}
export function asBatchId(uuid: string): BatchId {
  return uuid as BatchId;
}
export function asWorkerId(text: string): WorkerId {
  return text as WorkerId;
}

/** `demo` and a uuid to `demo:uuid`, the id that the API shows (CodeBuild's form). */
export function publicBuildId(projectName: string, id: BuildId | BatchId): string {
  return `${projectName}:${id}`;
}

/**
 * Reads a build's public id, `<project>:<uuid>`.
 * Errors: Refusal INVALID_INPUT when there is no colon or no uuid behind it.
 */
export function parseBuildId(text: string): { projectName: string; id: BuildId } {
  const { projectName, uuid } = parsePublicId(text, 'build');
  return { projectName, id: asBuildId(uuid) };
}

/** The same of a batch. */
export function parseBatchId(text: string): { projectName: string; id: BatchId } {
  const { projectName, uuid } = parsePublicId(text, 'batch');
  return { projectName, id: asBatchId(uuid) };
}

function parsePublicId(text: string, what: string): { projectName: string; uuid: string } {
  const at = text.lastIndexOf(':');
  const uuid = text.slice(at + 1).toLowerCase();
  if (at < 1 || !UUID.test(uuid)) {
    throw new Refusal('INVALID_INPUT', `not a ${what} id: ${text.slice(0, 200)}`, {
      findings: [{ field: 'id', expected: '<project>:<uuid>', got: text.slice(0, 200) }],
    });
  }
  return { projectName: text.slice(0, at), uuid };
}

/** Reads the id of something that is known by its uuid alone, such as a report. Errors: Refusal INVALID_INPUT. */
export function parseUuid(text: string): string {
  const uuid = text.toLowerCase();
  if (UUID.test(uuid)) return uuid;
  throw new Refusal('INVALID_INPUT', `not an id: ${text.slice(0, 200)}`, {
    findings: [{ field: 'id', expected: 'a uuid', got: text.slice(0, 200) }],
  });
}
