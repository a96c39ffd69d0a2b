import { describe, expect, it } from '@jest/globals';
import { keyOfArtifactFile } from './artifact-path.js';

describe('keyOfArtifactFile', () => {
  it.each([
    ['a plain path', 'dist/index.js', 'at/dist/index.js'],
    ['brackets, which keys do not hold', 'pages/[id].js', 'at/pages/=5Bid=5D.js'],
    ['the sign that escapes', 'a=5B.js', 'at/a=3D5B.js'],
    ['letters beyond ASCII', 'ü', 'at/=C3=BC'],
    ['a backslash, which is a character like any other', 'a\\b', 'at/a=5Cb'],
  ])('%s', (_, path, key) => {
    expect(keyOfArtifactFile('at', path)).toBe(key);
  });

  it.each([
    ['nothing', ''],
    ['a climb', '../other'],
    ['a climb inside', 'a/../../other'],
    ['an absolute path', '/etc/passwd'],
    ['the folder itself', '.'],
    ['an empty part', 'a//b'],
    ['a name that no key holds', 'ü'.repeat(100)],
    ['a path that no key holds', 'abcdefghi/'.repeat(110) + 'a'],
  ])('refuses %s', (_, path) => {
    expect(() => keyOfArtifactFile('at', path)).toThrow(expect.objectContaining({ code: 'ARTIFACT_NOT_FOUND' }));
  });
});
