import { describe, expect, it } from '@jest/globals';
import type { SourceType } from '#core/project.js';
import { imageMistake } from './image-name.js';
import { sourceMistakes } from './source-checks.js';

const UPLOAD = 'upload:7c9e6679-7425-40de-944b-e07fc1f90ae7';

describe('locations of sources', () => {
  it.each<[SourceType, string]>([
    ['GIT', 'https://example.org/a/b.git'],
    ['GIT', 'http://127.0.0.1:8080/a.git'],
    ['GIT', 'ssh://git@example.org:2222/a/b.git'],
    ['GIT', 'git@example.org:a/b.git'],
    ['GIT', '/srv/git/a.git'],
    ['GITHUB', 'https://github.com/a/b'],
    ['ARCHIVE', 'https://example.org/a.tar.gz'],
    ['ARCHIVE', UPLOAD],
    ['S3', UPLOAD],
  ])('%s takes %s', (type, location) => {
    expect(sourceMistakes({ type, location })).toEqual([]);
  });

  it.each<[SourceType, string | undefined, string]>([
    ['GIT', undefined, 'nothing'],
    ['GIT', 'ext::sh -c id', "Git's own command transport"],
    ['GIT', 'file:///etc', "the worker's disk by URL"],
    ['GIT', '-u/tmp/x', 'an option'],
    ['GIT', '--upload-pack=id', 'a long option'],
    ['GIT', 'ssh://-oProxyCommand=id/x', 'an option where the host stands'],
    ['GIT', '-oProxyCommand=id:x', 'an option in the short form'],
    ['GIT', 'git@-oProxyCommand=id:x', 'an option behind the user'],
    ['GIT', 'git://example.org/a', 'a transport without any proof'],
    ['GIT', 'fd::17', 'a remote helper'],
    ['GIT', '/srv/git/../../etc', 'a way out of the folder'],
    ['GIT', 'relative/path', 'a relative path'],
    ['GIT', 'https://user:pass@example.org/a.git', 'a password that would show in every answer'],
    ['GITHUB', '/srv/git/a.git', 'a local path of a hosted type'],
    ['ARCHIVE', 'git@example.org:a/b', 'a Git location'],
    ['ARCHIVE', 'upload:../../etc/passwd', 'an upload that is no id'],
    ['ARCHIVE', 'file:///etc/passwd', 'a file URL'],
    ['ARCHIVE', 'https://', 'no host'],
  ])('%s refuses %s (%s)', (type, location) => {
    expect(sourceMistakes({ type, location })).toHaveLength(1);
  });

  it('knows what goes with which type', () => {
    expect(sourceMistakes({ type: 'NO_SOURCE', reportBuildStatus: true }).map(({ field }) => field)).toEqual([
      'reportBuildStatus',
    ]);
    expect(sourceMistakes({ type: 'NO_SOURCE', auth: {} }).map(({ field }) => field)).toEqual(['auth']);
  });
});

describe('image names', () => {
  it.each([
    'node',
    'node:22',
    'library/node:22-slim',
    'localhost/x',
    'reg.example.org:5000/team/img:1.0_b',
    `a@sha256:${'0'.repeat(64)}`,
    'kilnyard/standard:1.0',
  ])('takes %s', (image) => expect(imageMistake(image)).toBeNull());
  it.each([
    '',
    'Node',
    'a b',
    '-v',
    'a:',
    ':tag',
    'a@sha256:12',
    'a@b@c',
    '../x',
    'a//b',
    'a:tag with space',
    'host:port/x',
    '$(id)',
    'a\nb',
  ])('refuses %j', (image) => expect(imageMistake(image)).not.toBeNull());
});
