import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkKey } from './blob-key.js';
import { keyOfPath, pathOfKey } from './file-name.js';

describe('file names as keys', () => {
  it.each([
    ['plain names stay as they are', 'dist/app-1.0.tar.gz', 'dist/app-1.0.tar.gz'],
    ['routes of a framework', 'app/[id]/(x)=1.js', 'app/=5Bid=5D/=28x=29=3D1.js'],
    ['letters beyond ASCII', 'ü', '=C3=BC'],
  ])('%s', (_, path, key) => {
    expect(keyOfPath(path)).toBe(key);
    expect(pathOfKey(key)).toBe(path);
  });

  it('come back as they were, and are keys', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
      .filter((text) => !text.includes('/') && text !== '.' && text !== '..');
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), (names) => {
        const path = names.join('/');
        const key = keyOfPath(path);
        checkKey(key);
        expect(pathOfKey(key)).toBe(Buffer.from(path).toString());
      }),
    );
  });

  it('refuses a name that no key can hold', () => {
    expect(() => keyOfPath('ü'.repeat(100))).toThrow(RangeError);
  });
});
