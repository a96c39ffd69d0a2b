// Pulls an image and tells how it goes. The engine answers with a stream of JSON objects, one a line, cut anywhere.
import type Docker from 'dockerode';
import { PhaseFailure } from '#core/errors.js';
import { engineFault, isUnreachable, wordsOf } from './engine-errors.js';

/** Progress of a pull is said at most this often. */
const SAY_EVERY_MS = 2_000;

export interface PullRequest {
  image: string;
  auth?: { username: string; password: string };
  say: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Pulls `image` (with its tag or digest; `latest` when it has none).
 * Errors: PhaseFailure BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE with the registry's words; Fault DOCKER_UNAVAILABLE; the signal's reason.
 */
export async function pullImage(docker: Docker, request: PullRequest): Promise<void> {
  const { image, auth, signal } = request;
  const query = { fromImage: withTag(image), ...(auth ? { authconfig: auth } : {}), abortSignal: signal };
  try {
    const stream = await docker.createImage(auth ? { authconfig: auth } : {}, query);
    await followPull(stream as AsyncIterable<Buffer>, request);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof PhaseFailure) throw error;
    if (isUnreachable(error)) throw engineFault(error, 'pulling the image');
    throw unableToPull(image, wordsOf(error), error);
  }
}

async function followPull(stream: AsyncIterable<Buffer>, { image, say }: PullRequest): Promise<void> {
  const layers = new Map<string, string>();
  let said = Date.now();
  for await (const message of jsonLines(stream)) {
    if (typeof message.error === 'string') throw unableToPull(image, message.error);
    if (typeof message.id === 'string' && typeof message.status === 'string') layers.set(message.id, message.status);
    if (Date.now() - said < SAY_EVERY_MS) continue;
    said = Date.now();
    const done = [...layers.values()].filter(
      (status) => status === 'Pull complete' || status === 'Already exists',
    ).length;
    say(`Pulling ${image}: ${done} of ${layers.size} layers`);
  }
}

interface PullMessage {
  id?: unknown;
  status?: unknown;
  error?: unknown;
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

function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  return image.includes('@') || name.includes(':') ? image : `${image}:latest`;
}

function unableToPull(image: string, why: string, cause?: unknown): PhaseFailure {
  return new PhaseFailure(
    'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
    `Unable to pull customer's container image. ${image}: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
