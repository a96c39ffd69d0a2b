import { describe, expect, it } from '@jest/globals';
import { contentDisposition } from './content-disposition.js';

describe('contentDisposition', () => {
  it.each([
    ['a plain name', 'demo-1.zip', 'attachment; filename="demo-1.zip"'],
    ['only the last part of a path', '../../etc/passwd', 'attachment; filename="passwd"'],
    ['also of a backslashed one', '..\\x.exe', 'attachment; filename="x.exe"'],
    ['quotes', 'a"b.zip', `attachment; filename="a_b.zip"; filename*=UTF-8''a%22b.zip`],
    ['other letters', 'grün.zip', `attachment; filename="gr_n.zip"; filename*=UTF-8''gr%C3%BCn.zip`],
    ['nothing', '', 'attachment; filename="download"'],
    ['half a character', 'a\ud800', `attachment; filename="a_"; filename*=UTF-8''a%EF%BF%BD`],
  ])('%s', (_, name, expected) => {
    expect(contentDisposition('attachment', name)).toBe(expected);
  });

  it('lets nothing into the header that ends it', () => {
    const value = contentDisposition('attachment', 'x\r\nSet-Cookie: a=b\0');
    expect(value).toMatch(/^[\x20-\x7e]+$/);
  });
});
