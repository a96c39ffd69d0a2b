import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LineBlock } from './line-block.js';
import { BLOCK_BYTES, Lines, OPEN_LINE_MS } from './lines.js';

const at = (ms: number) => new Date(1_000_000 + ms);
const text = (blocks: LineBlock[]) => Buffer.concat(blocks.map((block) => block.bytes)).toString('latin1');
const shown = (blocks: LineBlock[]) =>
  blocks.map((block) => `${block.stream}${block.open ? '~' : ''}:${block.bytes.toString('latin1')}`);

function push(lines: Lines, input: string | Buffer, ms = 0): LineBlock[] {
  return lines.push(Buffer.from(input), at(ms));
}

describe('Lines', () => {
  it('puts all lines of one read into one block', () => {
    const blocks = push(new Lines(), 'one\ntwo\n\nfour\n');
    expect(blocks).toEqual([
      {
        bytes: Buffer.from('one\ntwo\n\nfour\n'),
        lineCount: 4,
        time: at(0),
        stream: 'stdout',
        open: false,
        sourceBytes: 14,
      },
    ]);
  });

  it('holds an unfinished line until its end comes, and gives it the time of that', () => {
    const lines = new Lines();
    expect(shown(push(lines, 'one\ntw'))).toEqual(['stdout:one\n']);
    expect(push(lines, 'o', 5)).toEqual([]);
    const blocks = push(lines, '\nthree\n', 9);
    expect(shown(blocks)).toEqual(['stdout:two\n', 'stdout:three\n']);
    expect(blocks.map((block) => block.time)).toEqual([at(9), at(9)]);
  });

  it('ends a block where the stream changes', () => {
    const input = 'a\n[Container] x\n[Container] y\nb\n[Contain\n [Container] no\n[Container] z\n';
    expect(shown(push(new Lines(), input))).toEqual([
      'stdout:a\n',
      'system:[Container] x\n[Container] y\n',
      'stdout:b\n[Contain\n [Container] no\n',
      'system:[Container] z\n',
    ]);
  });

  it('knows a system line that comes in parts', () => {
    const lines = new Lines();
    push(lines, '[Conta');
    expect(shown(push(lines, 'iner] x\ny\n'))).toEqual(['system:[Container] x\n', 'stdout:y\n']);
  });

  it('shows an unfinished line after a while, and carries on behind it', () => {
    const lines = new Lines();
    push(lines, 'Password: ', 100);
    expect(lines.openDueAt).toBe(at(100 + OPEN_LINE_MS).getTime());
    expect(lines.flushOpen(at(99 + OPEN_LINE_MS))).toEqual([]);
    expect(shown(lines.flushOpen(at(100 + OPEN_LINE_MS)))).toEqual(['stdout~:Password: ']);
    expect(lines.openDueAt).toBeNull();
    expect(shown(push(lines, 'ok\nnext\n', 2000))).toEqual(['stdout:ok\n', 'stdout:next\n']);
  });

  it('shows a progress bar as it grows, without an end of line', () => {
    const lines = new Lines();
    const pieces: string[] = [];
    for (let ms = 0; ms <= 2500; ms += 250)
      pieces.push(...shown(push(lines, `\r${ms}`, ms)), ...shown(lines.flushOpen(at(ms))));
    expect(pieces).toEqual(['stdout~:\r0\r250\r500\r750\r1000', 'stdout~:\r1250\r1500\r1750\r2000\r2250']);
    expect(shown(push(lines, '\n', 2600))).toEqual(['stdout:\r2500\n']);
  });

  it('keeps the stream of a line that carries on', () => {
    const lines = new Lines();
    push(lines, '[Container] wait');
    expect(shown(lines.flushOpen(at(OPEN_LINE_MS)))).toEqual(['system~:[Container] wait']);
    expect(shown(push(lines, 'ing\n'))).toEqual(['system:ing\n']);
  });

  it('never shows half a character', () => {
    const lines = new Lines();
    const bytes = Buffer.from('a😀');
    push(lines, bytes.subarray(0, 3));
    expect(shown(lines.flushOpen(at(OPEN_LINE_MS)))).toEqual(['stdout~:a']);
    expect(lines.flushOpen(at(2 * OPEN_LINE_MS))).toEqual([]);
    push(lines, bytes.subarray(3), 2 * OPEN_LINE_MS);
    expect(text(lines.flushOpen(at(4 * OPEN_LINE_MS)))).toBe(Buffer.from('😀').toString('latin1'));
  });

  it.each([
    ['as long as allowed', 'x'.repeat(10), ['stdout:xxxxxxxxxx\n']],
    ['one byte longer', 'x'.repeat(11), ['stdout~:xxxxxxxxxx', 'stdout:x\n']],
    ['twice as long', 'x'.repeat(20), ['stdout~:xxxxxxxxxx', 'stdout:xxxxxxxxxx\n']],
    ['a character over the edge', `${'x'.repeat(9)}é`, ['stdout~:xxxxxxxxx', 'stdout:Ã©\n']],
  ])('cuts a line that is %s', (_reason, line, expected) => {
    for (const parts of [
      [`${line}\n`],
      [`${line}`, '\n'],
      [...Buffer.from(`${line}\n`)].map((byte) => Buffer.of(byte)),
    ]) {
      const lines = new Lines({ maxLineBytes: 10 });
      expect(parts.flatMap((part) => shown(push(lines, part)))).toEqual(expected);
    }
  });

  it('cuts an over-long line among others', () => {
    const input = `a\n[Container] ${'y'.repeat(10)}\nb\n${'z'.repeat(25)}\n`;
    expect(shown(push(new Lines({ maxLineBytes: 16 }), input))).toEqual([
      'stdout:a\n',
      'system~:[Container] yyyy',
      'system:yyyyyy\n',
      'stdout:b\n',
      `stdout~:${'z'.repeat(16)}`,
      'stdout:zzzzzzzzz\n',
    ]);
  });

  it('ends an open line before a line from elsewhere', () => {
    const lines = new Lines();
    push(lines, 'half');
    const said = lines.inject(Buffer.from('one\ntwo'), 'system', at(3));
    expect(shown(said)).toEqual(['stdout:half\n', 'system:one\n', 'system:two\n']);
    expect(shown(push(lines, ' a line\n'))).toEqual(['stdout: a line\n']);
  });

  it('ends a line of which all is shown already', () => {
    const lines = new Lines();
    push(lines, 'half');
    lines.flushOpen(at(OPEN_LINE_MS));
    expect(shown(lines.inject(Buffer.from(''), 'stderr', at(3)))).toEqual(['stdout:\n', 'stderr:\n']);
    expect(lines.endLine(at(4))).toEqual([]);
  });

  it('ends the last line, and no line where there is none', () => {
    const lines = new Lines();
    expect(lines.endLine(at(0))).toEqual([]);
    push(lines, 'last\r');
    expect(shown(lines.endLine(at(1)))).toEqual(['stdout:last\r\n']);
    expect(lines.endLine(at(2))).toEqual([]);
  });

  it('keeps blocks small, whatever the read', () => {
    const blocks = push(new Lines(), `${'0123456789\n'.repeat(30_000)}${'x'.repeat(100_000)}\ny\n`);
    expect(blocks.filter((block) => block.bytes.length > BLOCK_BYTES).map((block) => block.lineCount)).toEqual([1]);
    expect(blocks.reduce((sum, block) => sum + block.lineCount, 0)).toBe(30_002);
  });

  it('does not depend on the reader keeping its buffer', () => {
    const lines = new Lines();
    const buffer = Buffer.from('abc');
    lines.push(buffer, at(0));
    buffer.fill('x');
    expect(shown(push(lines, '\n'))).toEqual(['stdout:abc\n']);
  });

  it('changes no byte, counts every line and cuts the same lines, wherever the input is cut', () => {
    const piece = fc.oneof(
      fc
        .constantFrom('\n', '\n', '\r', 'a', 'é', '😀', '\0', '[', '[Container] ', 'long '.repeat(8))
        .map((s) => Buffer.from(s)),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: 5, max: 40 }), (pieces, maxLineBytes) => {
        const all = Buffer.concat(pieces);
        const ended = all.length === 0 || all.at(-1) === 10 ? all : Buffer.concat([all, Buffer.from('\n')]);
        const run = (parts: Buffer[]) => {
          const lines = new Lines({ maxLineBytes });
          return [...parts.flatMap((part) => push(lines, part)), ...lines.endLine(at(1))];
        };
        const blocks = run(pieces);
        expect(text(blocks)).toBe(ended.toString('latin1'));
        for (const block of blocks) {
          const newlines = block.bytes.filter((byte) => byte === 10).length;
          expect(newlines).toBe(block.open ? 0 : block.lineCount);
          expect(block.open ? block.lineCount : 1).toBe(1);
        }
        expect(linesIn(blocks)).toEqual(linesIn(run([all])));
      }),
      { numRuns: 200 },
    );
  });
});

/** Every line with its stream, whatever the blocks. */
function linesIn(blocks: LineBlock[]): string[] {
  return blocks.flatMap((block) =>
    (block.bytes.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []).map((line) => `${block.stream}:${line}`),
  );
}
