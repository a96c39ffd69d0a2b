import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import picomatch from 'picomatch';
import { compileGlob, compileGlobs, literalPrefix } from './globs.js';
import { MAX_GLOB_LENGTH, MAX_GLOBS } from './limits.js';

describe('compileGlob', () => {
  it.each([
    // pattern, path, taken, reason
    ['a.txt', 'a.txt', true, 'a plain name is itself'],
    ['a.txt', 'b/a.txt', false, 'a plain name is not looked for in folders'],
    ['*.jar', 'x.jar', true, 'star takes a name'],
    ['*.jar', '.jar', true, 'star takes nothing too, dot files included'],
    ['*.jar', 'target/x.jar', false, 'star does not cross a slash'],
    ['target/*.jar', 'target/x.jar', true, 'star in a folder'],
    ['target/*', 'target/a/b', false, 'star is one level'],
    ['*/x', 'a/x', true, 'star as a folder'],
    ['**/*', 'a', true, 'any depth begins at none'],
    ['**/*', 'a/b/c', true, 'any depth'],
    ['**/*', '.git/config', true, 'dot folders are folders'],
    ['**/*', 'a/.env', true, 'dot files are files'],
    ['**/.*', 'a/.env', true, 'the docs exclude dot files like this'],
    ['**/.*', 'a/.x/b', false, 'a dot folder is not its files'],
    ['**/.*/**/*', 'a/.x/b/c', true, 'the docs exclude dot folders like this'],
    ['**/file/**/*', 'a/file/b', true, 'the inner ** may be no folder'],
    ['**/file/**/*', 'a/file', false, 'something must be below'],
    ['~cache/**', '~cache/a/b', true, 'a trailing ** takes all below'],
    ['dir/**', 'dir', false, 'a trailing ** takes something'],
    ['dir', 'dir/a', false, 'a bare folder matches nothing'],
    ['dir/', 'dir/a', false, 'with a slash neither'],
    ['dir/', 'dir', false, 'nor a file of that name'],
    ['a/**/b', 'a/b', true, '** may be no folder'],
    ['a/**/b', 'a/x/y/b', true, '** may be several'],
    ['a/**/b', 'a/x/y/c', false, 'the end must fit'],
    ['**/a/**/b', 'a/b/a/x/b', true, 'more than one **'],
    ['a**b', 'axxb', true, '** inside a part is a star'],
    ['a**b', 'ax/xb', false, 'and crosses no slash'],
    ['./dist/x', 'dist/x', true, 'a leading ./ means nothing'],
    ['dist//x', 'dist/x', true, 'nor does an empty part'],
    ['/tmp/*.txt', '/tmp/a.txt', true, 'absolute with absolute'],
    ['/tmp/*.txt', 'tmp/a.txt', false, 'absolute is not relative'],
    ['../x', 'x', false, 'the way out matches nothing'],
    ['?.c', 'é.c', true, '? is one character'],
    ['?.c', '😀.c', true, '? is one code point'],
    ['?.c', '.c', false, '? is not none'],
    ['a?b', 'a/b', false, '? crosses no slash'],
    ['[abc].c', 'b.c', true, 'a member'],
    ['[a-c].c', 'd.c', false, 'out of the range'],
    ['[!a-c].c', 'd.c', true, 'negated'],
    ['[^a-c].c', 'b.c', false, 'negated, other spelling'],
    ['[]]', ']', true, 'a ] in first place is a member'],
    ['[a-]', '-', true, 'a - in last place is a member'],
    ['[a', '[a', true, 'what nothing closes is itself'],
    ['\\*', '*', true, 'escaped'],
    ['\\*', 'a', false, 'escaped is no star'],
    ['{a,b}', 'a', false, 'braces are no choice'],
    ['{{x}}/*', '{{x}}/a', true, 'braces are themselves'],
    ['A', 'a', false, 'case counts'],
    ['', '', false, 'no pattern, no file'],
    ['a+(b).c', 'a+(b).c', true, 'other signs are plain'],
  ])('%j on %j is %j: %s', (pattern, path, taken) => {
    expect(compileGlob(pattern)(path)).toBe(taken);
  });

  it('agrees with picomatch on stars, ? and folders', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 3 });
    const path = fc.array(
      name.filter((n) => !/^\.+$/.test(n)),
      { minLength: 1, maxLength: 4 },
    );
    const part = fc.oneof(
      fc.constant('**'),
      fc
        .string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 3 })
        .filter((p) => !p.includes('**')),
    );
    const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).filter((parts) => parts.at(-1) !== '**');
    fc.assert(
      fc.property(pattern, path, (parts, names) => {
        const theirs = picomatch(parts.join('/'), { dot: true, nobrace: true, noextglob: true });
        // picomatch reads `?` and `*` before a leading dot by rules of its own.
        fc.pre(!names.some((n) => n.startsWith('.')));
        expect(compileGlob(parts.join('/'))(names.join('/'))).toBe(theirs(names.join('/')));
      }),
      { numRuns: 500 },
    );
  });

  it('throws nothing and ends, whatever the pattern', () => {
    const odd = fc.string({ unit: fc.constantFrom('*', '?', '[', ']', '!', '-', '\\', '/', 'a', '.'), maxLength: 60 });
    fc.assert(fc.property(odd, odd, (pattern, path) => typeof compileGlob(pattern)(path) === 'boolean'));
  });

  it('takes few steps for patterns that make a backtracking matcher hang', () => {
    // 2^40 and more ways for a regular expression; here it simply comes back.
    expect(compileGlob(`${'*a'.repeat(100)}b`)('a'.repeat(250))).toBe(false);
    expect(compileGlob(`${'**/a/'.repeat(40)}b`)(`${'a/'.repeat(400)}c`)).toBe(false);
  });

  it('refuses what is over its limits', () => {
    expect(() => compileGlob('a'.repeat(MAX_GLOB_LENGTH + 1))).toThrow(/at most 4096 characters \(MAX_GLOB_LENGTH\)/);
    expect(() => compileGlobs(new Array<string>(MAX_GLOBS + 1).fill('a'))).toThrow(/at most 1000 \(MAX_GLOBS\)/);
  });
});

describe('compileGlobs', () => {
  it.each([
    [['**/*'], ['**/*.log'], 'a/b.log', false, 'an exclusion takes away'],
    [['**/*'], ['**/*.log'], 'a/b.txt', true, 'and leaves the rest'],
    [['*.a', '*.b'], [], 'x.b', true, 'one pattern is enough'],
    [[], [], 'x', false, 'no pattern takes nothing'],
  ])('%j without %j on %j is %j: %s', (patterns, excludes, path, taken) => {
    expect(compileGlobs(patterns, excludes)(path)).toBe(taken);
  });
});

describe('literalPrefix', () => {
  it.each([
    ['target/*.jar', 'target', 'up to the part with a star'],
    ['a/b/c.txt', 'a/b', 'the folder of a file'],
    ['a.txt', '', 'a file of the base'],
    ['**/*', '', 'anywhere'],
    ['a/b*/c/d', 'a', 'a glob in the middle'],
    ['./a/*', 'a', 'without the dot'],
    ['/tmp/x/*', '/tmp/x', 'absolute'],
    ['/*', '/', 'the root'],
    ['a\\*/b', '', 'an escape is left to the matcher'],
    ['../a/*', '', 'never out of the base'],
    ['', '', 'nothing'],
  ])('of %j is %j: %s', (pattern, prefix) => {
    expect(literalPrefix(pattern)).toBe(prefix);
  });

  it('is a folder above every path that the pattern takes', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 2 });
    const list = fc.array(part, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(list, fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 }), (parts, names) => {
        const pattern = parts.join('/');
        fc.pre(compileGlob(pattern)(names.join('/')));
        const prefix = literalPrefix(pattern);
        expect(prefix === '' || names.join('/').startsWith(`${prefix}/`)).toBe(true);
      }),
    );
  });
});
