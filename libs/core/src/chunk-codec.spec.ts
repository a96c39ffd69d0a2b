import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ChunkHeader, decodeChunkHeader, encodeChunkHeader, linesOf } from './chunk-codec.js';
import { LOG_STREAMS, type LogChunk } from './log-line.js';

/** A run whose time is 2^52 ms before the one before: one of it is a date, two are none. */
const FAR_RUN = [1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
const AT = new Date('2026-01-02T03:04:05.006Z');

function chunkOf(text: string | Buffer, changes: Partial<LogChunk> = {}): LogChunk {
  const bytes = Buffer.from(text);
  const lineCount = changes.lineCount ?? bytes.filter((byte) => byte === 10).length;
  const runs = [{ count: lineCount, time: AT, stream: 'stdout' as const }];
  return { firstSeq: 10, lineCount, firstByte: 0, bytes, runs, openLines: [], openLengths: [], ...changes };
}

describe('linesOf', () => {
  it('cuts lines with their number, time and stream', () => {
    const later = new Date(AT.getTime() + 7);
    const runs = [
      { count: 2, time: AT, stream: 'system' as const },
      { count: 1, time: later, stream: 'stdout' as const },
    ];
    expect(linesOf(chunkOf('one\n\nthree\r\n', { runs }))).toEqual([
      { seq: 10, time: AT, stream: 'system', text: 'one', continues: false },
      { seq: 11, time: AT, stream: 'system', text: '', continues: false },
      { seq: 12, time: later, stream: 'stdout', text: 'three\r', continues: false },
    ]);
  });

  it('cuts open lines by their length', () => {
    const chunk = chunkOf('a\nopenrest\nlast', { lineCount: 4, openLines: [1, 3], openLengths: [4, 4] });
    expect(linesOf(chunk).map((line) => [line.text, line.continues])).toEqual([
      ['a', false],
      ['open', true],
      ['rest', false],
      ['last', true],
    ]);
  });

  it('shows bytes that are no UTF-8 as U+FFFD', () => {
    expect(linesOf(chunkOf(Buffer.from([0x61, 0xff, 0, 10])))[0]!.text).toBe('a\ufffd\0');
  });

  it.each([
    ['all', 0, Infinity, ['a', 'b', 'c', 'd']],
    ['from before the chunk', 5, 2, ['a', 'b']],
    ['from the middle', 12, Infinity, ['c', 'd']],
    ['a page from the middle', 11, 2, ['b', 'c']],
    ['from behind', 14, 5, []],
    ['none', 10, 0, []],
  ])('gives %s', (_reason, fromSeq, limit, expected) => {
    const chunk = chunkOf('a\nb\nc\nd\n', { openLines: [], openLengths: [] });
    expect(linesOf(chunk, fromSeq, limit).map((line) => line.text)).toEqual(expected);
  });

  it('keeps numbers right behind skipped open lines and runs', () => {
    const runs = LOG_STREAMS.map((stream) => ({ count: 1, time: AT, stream }));
    const chunk = chunkOf('ab\nc\n', { lineCount: 3, runs, openLines: [0], openLengths: [1] });
    expect(linesOf(chunk, 12)).toEqual([{ seq: 12, time: AT, stream: 'stderr', text: 'c', continues: false }]);
  });

  it.each([
    ['too few newlines', { lineCount: 3 }, 'log chunk 10: expected 3 lines, got 2 in its bytes'],
    [
      'too few runs',
      { runs: [{ count: 1, time: AT, stream: 'stdout' as const }] },
      'log chunk 10: expected runs over 2 lines, got fewer',
    ],
    [
      'an open line beyond the bytes',
      { openLines: [1], openLengths: [99] },
      'log chunk 10: expected 2 lines, got 1 in its bytes',
    ],
  ])('refuses %s', (_reason, changes, message) => {
    expect(() => linesOf(chunkOf('a\nb\n', changes))).toThrow(message);
  });
});

describe('chunk header', () => {
  const header = fc.record({
    runs: fc.array(
      fc.record({
        count: fc.nat(),
        time: fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
        stream: fc.constantFrom(...LOG_STREAMS),
      }),
      { maxLength: 20 },
    ),
    open: fc.uniqueArray(fc.nat(200_000), { maxLength: 20 }).map((lines) => lines.sort((a, b) => a - b)),
    lengths: fc.infiniteStream(fc.nat(2 ** 24)),
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(header, ({ runs, open, lengths }) => {
        const given: ChunkHeader = { runs, openLines: open, openLengths: open.map(() => lengths.next().value) };
        expect(decodeChunkHeader(encodeChunkHeader(given))).toEqual(given);
      }),
    );
  });

  it('is small for a chunk of one run', () => {
    const runs = [{ count: 65_536, time: AT, stream: 'stdout' as const }];
    expect(encodeChunkHeader({ runs, openLines: [], openLengths: [] }).length).toBeLessThan(16);
  });

  it.each([
    ['nothing', [], 'expected version 1, got no bytes'],
    ['another version', [2, 0, 0], 'expected version 1, got 2'],
    ['an end in the middle of a number', [1, 0x80], 'expected more than its 2 bytes'],
    ['more entries than bytes', [1, 0x7f, 0], 'expected 127 entries, got 1 bytes for them'],
    ['a stream that there is not', [1, 1, 5, 3, 0, 0], "expected a stream's index, got 3"],
    ['a number beyond 2^53', [1, ...Array.from({ length: 9 }, () => 0xff), 1], 'number too large before byte 9'],
    ['a time beyond all dates', [1, 2, ...FAR_RUN, ...FAR_RUN, 0], 'expected a time in ms'],
    ['something behind the end', [1, 0, 0, 0], 'expected its end at byte 3, got 4 bytes'],
  ])('refuses %s', (_reason, bytes, message) => {
    expect(() => decodeChunkHeader(Buffer.from(bytes))).toThrow(message);
  });

  it('refuses any garbage by an error of its own, or reads it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          encodeChunkHeader(decodeChunkHeader(Buffer.concat([Buffer.of(1), bytes])));
        } catch (error) {
          expect((error as Error).message).toMatch(/^log chunk header: /);
        }
      }),
    );
  });

  it('refuses to write what is no count', () => {
    const runs = [{ count: -1, time: AT, stream: 'stdout' as const }];
    expect(() => encodeChunkHeader({ runs, openLines: [], openLengths: [] })).toThrow(RangeError);
    expect(() => encodeChunkHeader({ runs: [], openLines: [0], openLengths: [] })).toThrow(RangeError);
  });
});
