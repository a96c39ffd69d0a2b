import { describe, expect, it } from '@jest/globals';
import { sourceFolder } from './environment.js';

describe('the source folder', () => {
  it.each([
    [
      'a GitHub repository has its name in it',
      'GITHUB',
      'https://github.com/octo/hello-world.git',
      /^src\d{10}\/src\/github\.com\/octo\/hello-world$/,
    ],
    ['over ssh too', 'GITHUB', 'git@github.com:octo/hello.git', /^src\d{10}\/src\/github\.com\/octo\/hello$/],
    ['another host has not', 'GIT', 'https://git.example/a/b.git', /^src\d{10}\/src$/],
    ['dots lead nowhere', 'GITHUB', 'https://github.com/../..', /^src\d{10}\/src$/],
    ['nothing at all', 'NO_SOURCE', undefined, /^src\d{10}\/src$/],
  ] as const)('%s', (_, type, location, expected) => {
    expect(sourceFolder('demo', { type, location })).toMatch(expected);
  });

  it('is the same for every build of a project and source, and another for another', () => {
    const one = sourceFolder('demo', { type: 'NO_SOURCE' });
    expect(sourceFolder('demo', { type: 'NO_SOURCE' })).toBe(one);
    expect(sourceFolder('other', { type: 'NO_SOURCE' })).not.toBe(one);
    expect(sourceFolder('demo', { type: 'NO_SOURCE', sourceIdentifier: 'second' })).not.toBe(one);
  });
});
