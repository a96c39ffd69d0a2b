import { describe, expect, it } from '@jest/globals';
import { isMaskable, MIN_SECRET_LENGTH, secretForms } from './secret-forms.js';

const formsOf = (secret: string) => secretForms(secret).map((form) => form.toString('latin1'));
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('secretForms', () => {
  const secret = `p"a's$s w/o<r>d&é\\+?`;
  it.each([
    ['as it is', 'k3y-of-the-house', 'k3y-of-the-house'],
    ['white space around is no part of it', '  k3y-of-the-house\n', 'k3y-of-the-house'],
    ['hex, lower case', 'key>1', '6b65793e31'],
    ['hex, upper case', 'key>1', '6B65793E31'],
    ['base64 alone, without padding and shared char', 'key>1', base64('key>1').slice(0, 6)],
    ['base64 for URLs', 'a??>>>b', base64('a??>>>b').slice(0, 9).replaceAll('/', '_').replaceAll('+', '-')],
    ['encodeURIComponent', 'a b/c(d)', 'a%20b%2Fc(d)'],
    ['RFC 3986, parentheses too', 'a b/c(d)', 'a%20b%2Fc%28d%29'],
    ['percent codes in lower case', 'a b/c(d)', 'a%20b%2fc(d)'],
    ["Python's quote keeps the slash", 'a b/c(d)', 'a%20b/c%28d%29'],
    ['forms write a blank as plus', 'a b/c(d)', 'a+b%2Fc%28d%29'],
    ['encodeURI', 'a b/c?d&e', 'a%20b/c?d&e'],
    ['JSON', 'a"b\\c\td', 'a\\"b\\\\c\\td'],
    ['JSON in ASCII', 'gr\u00fc\u00dfe', 'gr\\u00fc\\u00dfe'],
    ['JSON of PHP', 'a/b/c', 'a\\/b\\/c'],
    ['JSON safe for HTML', 'a<b>&', 'a\\u003cb\\u003e\\u0026'],
    ['Go %q', 'a\u0001b"c', 'a\\x01b\\"c'],
    ['single quotes, left by a backslash', "it's me", "it'\\''s me"],
    ['single quotes, left by double ones', "it's me", `it'"'"'s me`],
    ['double quotes', 'a"b$c`d\\e', 'a\\"b\\$c\\`d\\\\e'],
    ['printf %q', 'a b&c', 'a\\ b\\&c'],
    ["$'…' of set -x", "a\tb'c", "a\\tb\\'c"],
    ['XML text', 'a<b>&"c"', 'a&lt;b&gt;&amp;"c"'],
    ['XML attribute', `a<"b"'c'`, `a&lt;&quot;b&quot;&apos;c&apos;`],
    ['HTML of Go', `a<"b"'c'`, `a&lt;&#34;b&#34;&#39;c&#39;`],
    ['CRLF of a secret in lines', 'line one\nline two', 'line one\r\nline two'],
    ['LF of a secret with CRLF', 'line one\r\nline two', 'line one\nline two'],
    ['each line of it', 'line one\n  line two\n', 'line two'],
    ['each line of it, encoded', 'line one\nline two', Buffer.from('line two').toString('hex')],
  ])('%s', (_reason, value, expected) => {
    expect(formsOf(value)).toContain(Buffer.from(expected).toString('latin1'));
  });

  it.each([0, 1, 2, 3, 4, 5])('finds its base64 behind %i bytes of something else', (before) => {
    const encoded = base64(`${'x'.repeat(before)}${secret}and more`);
    expect(formsOf(secret).some((form) => form.length > 20 && encoded.includes(form))).toBe(true);
  });

  it.each([64, 76])('finds its base64 in lines of %i', (width) => {
    const long = 'long secret '.repeat(20);
    const encoded = base64(`${long.trim()}\n`).replaceAll(new RegExp(`.{${width}}`, 'g'), '$&\n');
    expect(formsOf(long).some((form) => form.length > 300 && encoded.includes(form))).toBe(true);
  });

  it.each([
    ['shorter than the minimum', 'abc', false],
    ['short without its white space', ' abc \n', false],
    ['as long as the minimum', 'abcd', true],
    ['two chars of two bytes', 'éé', true],
    ['empty', '', false],
  ])('%s', (_reason, value, maskable) => {
    expect(isMaskable(value)).toBe(maskable);
    expect(formsOf(value).length > 0).toBe(maskable);
  });

  it('gives no form twice and none shorter than the minimum', () => {
    const forms = formsOf('{\n  "id": 1,\n  "token": "abcdefgh"\n}');
    expect(new Set(forms).size).toBe(forms.length);
    expect(Math.min(...forms.map((form) => form.length))).toBeGreaterThanOrEqual(MIN_SECRET_LENGTH);
    expect(forms).not.toContain('}');
  });
});
