// The image that builds run in when their project names none: present already, else pulled, else made on this machine.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Machine } from './machine.js';
import { makeStandardImage } from './standard-image.js';
import { SetupError, type Say } from './say.js';

export const STANDARD_IMAGE = 'kilnyard/standard:1.0';
/** What stands in for it where an image registry is in reach: the same system with Node, git and build tools. */
const PUBLIC_IMAGE = 'node:20-bookworm';
/** A registry that has said nothing after this long is taken for out of reach. */
const PULL_SILENCE_MS = 20_000;

/**
 * Sees to it that the image is on the engine.
 * In: any image name; only STANDARD_IMAGE can be made here, others must be present or pullable.
 * Out: how it came. Errors: SetupError saying what was tried and what is missing.
 */
export async function ensureImage(request: {
  docker: Docker;
  image: string;
  machine: Machine;
  say: Say;
  signal: AbortSignal;
}): Promise<'present' | 'pulled' | 'made'> {
  const { docker, image, machine, say, signal } = request;
  if (await hasImage(docker, image)) return 'present';
  const wanted = image === STANDARD_IMAGE ? PUBLIC_IMAGE : image;
  const refusal = await pull(docker, wanted, say, signal);
  if (refusal === undefined) {
    if (wanted !== image) await docker.getImage(wanted).tag(splitName(image));
    return 'pulled';
  }
  signal.throwIfAborted();
  if (image !== STANDARD_IMAGE) {
    throw new SetupError(
      `The image ${image} (KILNYARD_DEFAULT_IMAGE) is not on the engine and cannot be pulled: ${refusal}`,
    );
  }
  say(`no image registry answers; making ${image} here`);
  await makeStandardImage({ docker, image: splitName(image), machine, say, signal });
  return 'made';
}

export async function hasImage(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

/** `kilnyard/standard:1.0` to its two halves; a colon before the last slash belongs to a registry's port. */
export function splitName(image: string): { repo: string; tag: string } {
  const at = image.lastIndexOf(':');
  return at > image.lastIndexOf('/')
    ? { repo: image.slice(0, at), tag: image.slice(at + 1) }
    : { repo: image, tag: 'latest' };
}

/** Pulls; out: undefined when it is there, else why not. A stalled pull is given up after PULL_SILENCE_MS without progress. */
async function pull(docker: Docker, image: string, say: Say, signal: AbortSignal): Promise<string | undefined> {
  const silence = new AbortController();
  const watch = { timer: setTimeout(() => silence.abort(), PULL_SILENCE_MS) };
  const abortSignal = AbortSignal.any([signal, silence.signal]);
  try {
    const answer = await Promise.race([
      docker.pull(image, { abortSignal }),
      sleep(PULL_SILENCE_MS, undefined, { signal: abortSignal, ref: false }).then(() =>
        Promise.reject(new Error('no answer')),
      ),
    ]);
    say(`pulling ${image}`);
    await new Promise<void>((resolve, reject) => {
      abortSignal.addEventListener('abort', () => reject(new Error('the pull stalled')), { once: true });
      docker.modem.followProgress(
        answer,
        (error) => (error ? reject(error) : resolve()),
        () => void watch.timer.refresh(),
      );
    });
    return undefined;
  } catch (error) {
    return silence.signal.aborted ? `no answer within ${PULL_SILENCE_MS / 1000} s` : (error as Error).message;
  } finally {
    clearTimeout(watch.timer);
  }
}
