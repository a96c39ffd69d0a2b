import { describe, expect, it } from '@jest/globals';
import { nameInZip } from './zip-name.js';

describe('nameInZip', () => {
  it.each([
    ['a plain path stays', 'dist/a b.js', 'dist/a b.js'],
    ['a backslash is no folder', 'a\\b', 'a%5Cb'],
    ['nor a way out', '..\\..\\x', '..%5C..%5Cx'],
    ['a letter with a colon is no drive', 'c:x', 'c%3Ax'],
    ['a colon elsewhere is one', 'ab:c/d:e', 'ab:c/d:e'],
  ])('%s', (_, path, name) => {
    expect(nameInZip(path)).toBe(name);
  });
});
