import { describe, expect, it } from '@jest/globals';
import { MAX_JSON_DEPTH, parseJson } from './body-parsers.js';

describe('parseJson', () => {
  it.each([
    ['an object', '{"a":1}', { a: 1 }],
    ['a byte order mark is not part of it', '\ufeff{"a":1}', { a: 1 }],
    ['an empty body is nothing', '', undefined],
    ['blanks are nothing', ' \n', undefined],
  ])('%s', (_, text, expected) => {
    expect(parseJson(Buffer.from(text))).toEqual(expected);
  });

  it('says at which line and column it went wrong', () => {
    expect(() => parseJson(Buffer.from('{\n  "a": x\n}'))).toThrow(
      expect.objectContaining({
        code: 'MALFORMED_BODY',
        findings: [expect.objectContaining({ line: 2, column: 8 })],
      }),
    );
  });

  it.each([
    ['a cut body', Buffer.from('{"a":'), /end of the body/],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
      /offset 7/,
    ],
    ['a prototype', Buffer.from('{"a":{"__proto__":{}}}'), /__proto__/],
    ['a well of brackets', Buffer.from('['.repeat(MAX_JSON_DEPTH + 2) + ']'.repeat(MAX_JSON_DEPTH + 2)), /levels/],
  ])('refuses %s', (_, body, message) => {
    expect(() => parseJson(body)).toThrow(message);
  });
});
