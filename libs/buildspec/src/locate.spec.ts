import { describe, expect, it } from '@jest/globals';
import { locateBuildspec, type BuildspecLocation } from './locate.js';

const INLINE = 'version: 0.2\nphases: {}\n';

describe('locateBuildspec', () => {
  it.each<[string | undefined, BuildspecLocation, string]>([
    [undefined, { kind: 'path', path: 'buildspec.yml' }, 'not set'],
    ['', { kind: 'path', path: 'buildspec.yml' }, 'empty is not set'],
    [' \n ', { kind: 'path', path: 'buildspec.yml' }, 'blank is not set'],
    ['ci/build.yml', { kind: 'path', path: 'ci/build.yml' }, 'a path'],
    ['ci/build.yml\n', { kind: 'path', path: 'ci/build.yml' }, 'a path with the newline of a file'],
    ['./ci//build.yml', { kind: 'path', path: 'ci/build.yml' }, 'without . and empty parts'],
    ['..build.yml', { kind: 'path', path: '..build.yml' }, 'two dots in a name are a name'],
    ['version.yml', { kind: 'path', path: 'version.yml' }, 'the word alone makes no YAML map'],
    [INLINE, { kind: 'inline', text: INLINE }, 'a newline'],
    ['{"version": 0.2}', { kind: 'inline', text: '{"version": 0.2}' }, 'one line of JSON'],
    ['version: 0.2', { kind: 'inline', text: 'version: 0.2' }, 'one line of YAML'],
    ['arn: x\nversion: 0.2', { kind: 'inline', text: 'arn: x\nversion: 0.2' }, 'a text that begins like an ARN'],
  ])('of %j is %j: %s', (setting, location) => {
    expect(locateBuildspec(setting)).toEqual(location);
  });

  it.each([
    ['arn:aws:s3:::bucket/key', /no buildspec from S3/, 'an ARN'],
    ['/etc/passwd', /relative to the root of the source/, 'absolute'],
    ['../x.yml', /without \.\./, 'out of the source'],
    ['a/../../x.yml', /without \.\./, 'out by a detour'],
    ['a/..', /without \.\./, 'back to the root'],
    ['ci/', /the path of a file/, 'a folder'],
    ['.', /the path of a file/, 'the root'],
    ['a\\b', /without backslashes/, 'a backslash'],
    ['a\0b', /without backslashes and NUL/, 'a NUL'],
    ['a'.repeat(1025), /at most 1024 characters/, 'too long'],
  ])('refuses %j', (setting, message) => {
    const refusal = expect.objectContaining({ code: 'BUILDSPEC_INVALID', message: expect.stringMatching(message) });
    let thrown: unknown;
    try {
      locateBuildspec(setting);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toEqual(refusal);
  });
});
