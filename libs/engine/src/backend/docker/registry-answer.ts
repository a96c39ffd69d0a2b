// What the engine says of a registry, sorted by what can be done about it. Its status codes do not tell: a refusal comes as 500 too.
import { Fault, PhaseFailure } from '#core/errors.js';
import { engineFault, isUnreachable, statusOf, wordsOf } from './engine-errors.js';

export type RegistryVerdict =
  /** The credential, or having none, is not enough. */
  | 'denied'
  /** No such repository, tag, digest or platform. */
  | 'missing'
  /** Not a name at all. */
  | 'bad-name'
  /** The engine cannot ask registries. */
  | 'cannot-ask'
  /** The engine's disk is full. */
  | 'disk-full'
  /** The engine itself does not answer. */
  | 'engine-away'
  /** Anything that may pass: a network error, a 5xx, a limit on requests. */
  | 'trouble';

const DENIED =
  /unauthorized|no basic auth credentials|authentication required|access (to the resource )?is? ?denied|denied:|\bforbidden\b|incorrect username or password|status:? 40[13]/i;
const MISSING =
  /manifest unknown|name unknown|not found: manifest|manifest for .* not found|does not exist|no matching manifest|no match for platform|repository name not known|status:? 404/i;
const BAD_NAME =
  /invalid reference format|invalid repository name|repository name must|invalid tag format|invalid checksum digest|unsupported digest/i;
const DISK_FULL = /no space left on device|disk quota exceeded/i;

/** Sorts what a call to the engine about a registry threw, or the words of an error in a pull's stream. */
export function verdictOf(thrown: unknown): RegistryVerdict {
  if (isUnreachable(thrown)) return 'engine-away';
  const words = wordsOf(thrown);
  if (DISK_FULL.test(words)) return 'disk-full';
  if (BAD_NAME.test(words)) return 'bad-name';
  if (MISSING.test(words) && !/may require 'docker login'/.test(words)) return 'missing';
  if (DENIED.test(words)) return 'denied';
  if (statusOf(thrown) === 404) return 'cannot-ask';
  if (statusOf(thrown) === 400) return 'bad-name';
  return 'trouble';
}

/** Whether the same call may go well a little later. */
export function passes(verdict: RegistryVerdict): boolean {
  return verdict === 'trouble';
}

/**
 * The error that a build gets. `again`: a later attempt of the same build may go well.
 * Out: Fault DOCKER_UNAVAILABLE or STORAGE_FULL where this host is the cause; else PhaseFailure BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE.
 */
export function pullFailure(image: string, thrown: unknown): Fault | PhaseFailure {
  const verdict = verdictOf(thrown);
  if (verdict === 'engine-away') return engineFault(thrown, 'pulling the image');
  if (verdict === 'disk-full') {
    return new Fault('STORAGE_FULL', `The disk of the Docker Engine is full; the image ${image} could not be stored`, {
      cause: thrown,
      retryable: true,
      details: { disk: 'engine' },
    });
  }
  if (verdict === 'bad-name')
    return new PhaseFailure('BUILD_CONTAINER_UNUSABLE', `${image} is not an image name`, { cause: thrown });
  return unableToPull(image, wordsOf(thrown), { cause: thrown, again: passes(verdict) });
}

export function unableToPull(
  image: string,
  why: string,
  options: { cause?: unknown; again?: boolean } = {},
): PhaseFailure {
  return new PhaseFailure(
    'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
    `Unable to pull customer's container image. ${image}: ${why}`,
    { cause: options.cause, details: { retryable: options.again ?? false } },
  );
}
