// Pulls an image and tells how it goes. The engine answers with a stream of JSON objects, one a line, cut anywhere.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { wordsOf } from './engine-errors.js';
import { PullProgress, type PullMessage } from './pull-progress.js';
import { passes, pullFailure, unableToPull, verdictOf } from './registry-answer.js';

export interface RegistryAuth {
  username: string;
  password: string;
}

export interface PullLimits {
  /** For the whole pull, its retries with it. */
  timeoutMs: number;
  /** A pull that hears nothing for so long is cut and tried again. */
  stallMs: number;
  /** How often in all. */
  attempts: number;
}

export const PULL_LIMITS: PullLimits = { timeoutMs: 1_800_000, stallMs: 120_000, attempts: 4 };

export interface PullRequest {
  /** As the engine takes it, with its tag or digest. */
  image: string;
  auth?: RegistryAuth;
  /** For the build's log. */
  say: (text: string) => void;
  signal: AbortSignal;
}

/** Progress is said this often; after the first minute less. */
const SAY_MS = 3_000;
const SAY_LATER_MS = 15_000;
const FIRST_WAIT_MS = 1_000;

/**
 * Pulls `image`. What may pass (network, 5xx, limits of requests, a stalled stream) is tried again with growing pauses.
 * Errors: as `pullFailure`; PhaseFailure BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE after `timeoutMs`; the signal's reason.
 */
export async function pullImage(docker: Docker, request: PullRequest, limits: PullLimits): Promise<void> {
  const { image, say, signal } = request;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limits.timeoutMs);
  const until = AbortSignal.any([signal, late.signal]);
  let progress = new PullProgress();
  const tooLate = (): Error =>
    unableToPull(
      image,
      `not pulled within ${limits.timeoutMs / 1000} s (KILNYARD_IMAGE_PULL_TIMEOUT_MS); it stood at ${progress}`,
      { again: true },
    );
  try {
    for (let attempt = 1, wait = FIRST_WAIT_MS; ; attempt += 1, wait *= 2) {
      progress = new PullProgress();
      try {
        return await pullOnce(docker, { ...request, signal: until }, progress, limits.stallMs);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (late.signal.aborted) throw tooLate();
        if (!passes(verdictOf(error)) || attempt >= limits.attempts) throw pullFailure(image, error);
        say(
          `Pulling ${image}: ${wordsOf(error)}; trying again in ${wait / 1000} s (${attempt + 1} of ${limits.attempts})`,
        );
        await sleep(wait, undefined, { signal: until }).catch(() => {
          throw signal.aborted ? signal.reason : tooLate();
        });
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

async function pullOnce(docker: Docker, request: PullRequest, progress: PullProgress, stallMs: number): Promise<void> {
  const { image, auth, say, signal } = request;
  const stalled = new AbortController();
  const cut = AbortSignal.any([signal, stalled.signal]);
  const watch = setTimeout(() => stalled.abort(), stallMs);
  const telling = tellProgress(image, progress, say);
  try {
    const stream = await docker.createImage(auth ?? {}, { fromImage: image, abortSignal: cut });
    for await (const message of jsonLines(stream as AsyncIterable<Buffer>)) {
      watch.refresh();
      // a stream that ended well is not yet a pull that did
      if (typeof message.error === 'string') throw new Error(message.error);
      progress.hear(message);
    }
    cut.throwIfAborted();
  } catch (error) {
    if (stalled.signal.aborted && !signal.aborted)
      throw new Error(`the registry sent nothing for ${stallMs / 1000} s (KILNYARD_IMAGE_PULL_STALL_MS)`, {
        cause: error,
      });
    throw error;
  } finally {
    clearTimeout(watch);
    telling.stop();
  }
}

/** A line now and then, also while nothing comes. */
function tellProgress(image: string, progress: PullProgress, say: (text: string) => void): { stop(): void } {
  const began = Date.now();
  let said = began;
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - said < (now - began < 60_000 ? SAY_MS : SAY_LATER_MS)) return;
    said = now;
    say(`Pulling ${image}: ${progress}`);
  }, SAY_MS / 3);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

async function* jsonLines(stream: AsyncIterable<Buffer>): AsyncGenerator<PullMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of stream) {
    rest += decoder.decode(piece, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as PullMessage;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as PullMessage;
}
