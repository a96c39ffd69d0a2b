import { describe, expect, it } from '@jest/globals';
import { parseImageName, withDigest } from './image-name.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the name of an image', () => {
  it.each<[string, string, string, string, string]>([
    ['a name alone is of the hub’s library', 'node', 'docker.io', 'docker.io/library/node', 'node:latest'],
    ['a tag', 'node:20', 'docker.io', 'docker.io/library/node', 'node:20'],
    ['an owner is no registry', 'team/app:1', 'docker.io', 'docker.io/team/app', 'team/app:1'],
    [
      'the hub by another name',
      'index.docker.io/team/app:1',
      'docker.io',
      'docker.io/team/app',
      'index.docker.io/team/app:1',
    ],
    ['a port is no tag', 'host:5000/app', 'host:5000', 'host:5000/app', 'host:5000/app:latest'],
    ['localhost is a registry', 'localhost/app', 'localhost', 'localhost/app', 'localhost/app:latest'],
    ['folders', 'r.example.com/a/b/c:x', 'r.example.com', 'r.example.com/a/b/c', 'r.example.com/a/b/c:x'],
    ['a digest', `r.example.com/a@${DIGEST}`, 'r.example.com', 'r.example.com/a', `r.example.com/a@${DIGEST}`],
    ['a digest makes its tag mean nothing', `a:1@${DIGEST}`, 'docker.io', 'docker.io/library/a', `a@${DIGEST}`],
  ])('%s', (_, image, registry, repository, full) => {
    expect(parseImageName(image)).toMatchObject({ registry, repository, full });
  });

  it.each([DIGEST, 'a'.repeat(64)])('is not %s, which is an id', (id) => {
    expect(parseImageName(id)).toBeNull();
  });

  it.each([
    ['host:5000/app:1', `host:5000/app@${DIGEST}`],
    ['app', `app@${DIGEST}`],
    [`app@sha256:${'b'.repeat(64)}`, `app@${DIGEST}`],
  ])('%s by digest', (image, expected) => {
    expect(withDigest(parseImageName(image)!, DIGEST)).toBe(expected);
  });
});
