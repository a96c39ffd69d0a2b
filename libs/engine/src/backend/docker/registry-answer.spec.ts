// Words of real engines and registries; what a build does next hangs on how they are read.
import { describe, expect, it } from '@jest/globals';
import { pullFailure, verdictOf, type RegistryVerdict } from './registry-answer.js';

const answer = (statusCode: number, message: string): Error =>
  Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${message}`), { statusCode, json: { message } });

describe('what an engine says of a registry', () => {
  it.each<[RegistryVerdict, Error]>([
    ['denied', answer(401, 'unauthorized: authentication required')],
    ['denied', answer(500, 'Head "https://r/v2/a/manifests/1": no basic auth credentials')],
    ['denied', answer(500, 'unauthorized: incorrect username or password')],
    [
      'denied',
      answer(
        404,
        "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
      ),
    ],
    ['denied', new Error('error pulling image configuration: download failed: denied: token has no right')],
    ['missing', answer(404, 'manifest for r/a:9 not found: manifest unknown: manifest unknown')],
    ['missing', answer(404, 'manifest unknown: manifest unknown')],
    ['missing', answer(404, 'name unknown: repository name not known to registry')],
    ['missing', new Error('no matching manifest for linux/amd64 in the manifest list entries')],
    ['bad-name', answer(400, 'invalid reference format')],
    ['bad-name', answer(500, 'invalid reference format: repository name must be lowercase')],
    ['cannot-ask', answer(404, 'page not found')],
    ['disk-full', new Error('failed to register layer: write /usr/lib/x: no space left on device')],
    ['engine-away', Object.assign(new Error('connect ECONNREFUSED /var/run/docker.sock'), { code: 'ECONNREFUSED' })],
    ['trouble', answer(500, 'Get "https://r/v2/": dial tcp 10.0.0.1:443: connect: connection refused')],
    ['trouble', answer(500, 'toomanyrequests: You have reached your pull rate limit')],
    ['trouble', answer(500, 'received unexpected HTTP status: 503 Service Unavailable')],
    ['trouble', new Error('unexpected EOF')],
  ])('%s: %s', (verdict, error) => {
    expect(verdictOf(error)).toBe(verdict);
  });

  it.each([
    ['the engine’s full disk is ours', new Error('no space left on device'), { code: 'STORAGE_FULL', retryable: true }],
    [
      'an engine that is away is ours',
      Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
      { code: 'DOCKER_UNAVAILABLE', retryable: true },
    ],
    [
      'a refusal is the project’s',
      answer(401, 'unauthorized'),
      { code: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', details: { retryable: false } },
    ],
    [
      'trouble may pass',
      new Error('unexpected EOF'),
      { code: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', details: { retryable: true } },
    ],
  ])('%s', (_, error, expected) => {
    expect(pullFailure('r/a:1', error)).toMatchObject(expected);
  });
});
