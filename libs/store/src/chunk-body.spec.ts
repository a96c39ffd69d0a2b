import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { BODY_CODECS, MIN_PACKED_BYTES, packBody, unpackBody } from './chunk-body.js';

const noise = Buffer.from(Array.from({ length: 40_000 }, (_, i) => ((i * i * 2_654_435_761) >>> 13) & 0xff));

describe('a packed body', () => {
  it.each([
    ['nothing', Buffer.alloc(0), BODY_CODECS.RAW],
    ['a few lines', Buffer.from('one\ntwo\n'), BODY_CODECS.RAW],
    ['just long enough', Buffer.alloc(MIN_PACKED_BYTES, 'a'), BODY_CODECS.SNAPPY],
    ['a page, packed at once', Buffer.from('compiling src/part.ts: done\n'.repeat(500)), BODY_CODECS.SNAPPY],
    ['a full chunk, packed elsewhere', Buffer.from('0123456\n'.repeat(65_536)), BODY_CODECS.SNAPPY],
    ['what does not pack', noise, BODY_CODECS.RAW],
    ['no UTF-8', Buffer.alloc(2_000, Buffer.from([0xff, 0x00, 0xc3, 0x28])), BODY_CODECS.SNAPPY],
  ])('comes out as it was: %s', async (_, bytes, codec) => {
    const packed = await packBody(bytes);
    expect(packed.codec).toBe(codec);
    expect(packed.body.length).toBeLessThanOrEqual(bytes.length);
    expect((await unpackBody(packed, bytes.length)).equals(bytes)).toBe(true);
  });

  it('of an earlier version, deflated, is read', async () => {
    const bytes = Buffer.from('line\n'.repeat(1_000));
    const body = deflateRawSync(bytes, { level: 1 });
    expect((await unpackBody({ codec: BODY_CODECS.DEFLATE, body }, bytes.length)).equals(bytes)).toBe(true);
    expect(await unpackBody({ codec: BODY_CODECS.DEFLATE, body: deflateRawSync(Buffer.alloc(0)) }, 0)).toHaveLength(0);
  });

  it.each([
    ['another length', { codec: BODY_CODECS.RAW, body: Buffer.from('abc') }, 4],
    ['more than it should', { codec: BODY_CODECS.DEFLATE, body: deflateRawSync(Buffer.alloc(100_000)) }, 10],
    ['bytes that are not packed', { codec: BODY_CODECS.SNAPPY, body: Buffer.from([0xff, 0xff, 0xff]) }, 10],
    ['a codec that nobody knows', { codec: 9, body: Buffer.from('abc') }, 3],
  ])('that is damaged is told: %s', async (_, packed, byteCount) => {
    await expect(unpackBody(packed, byteCount)).rejects.toThrow();
  });
});
