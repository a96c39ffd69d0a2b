import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Limit, type LimitOptions } from './limit.js';
import { Lines } from './lines.js';
import type { LineBlock } from './line-block.js';

const NOW = new Date('2026-01-02T03:04:05.006Z');
const NOTICE = /^\[Container\] 2026\/01\/02 03:04:05\.006000 /;

/** Sends reads through lines and limit; out: the lines, open ones with a `~`, and Kilnyard's own two apart. */
function run(reads: string[], options: LimitOptions, maxLineBytes = 1000) {
  const lines = new Lines({ maxLineBytes });
  const limit = new Limit(options);
  const blocks: LineBlock[] = [];
  // Bytes are only valid until the next call: take them at once.
  const take = (more: LineBlock[]) =>
    blocks.push(...more.map((block) => ({ ...block, bytes: Buffer.from(block.bytes) })));
  for (const read of reads) {
    const buffer = Buffer.from(read);
    take(limit.push(lines.push(buffer, NOW)));
    buffer.fill('?');
  }
  take(limit.push(lines.endLine(NOW)));
  const passed = blocks.length;
  take(limit.end(NOW));
  return { head: blocks.slice(0, passed), tail: blocks.slice(passed) };
}

const text = (blocks: LineBlock[]) => Buffer.concat(blocks.map((block) => block.bytes)).toString();
const count = (blocks: LineBlock[]) => blocks.reduce((sum, block) => sum + block.lineCount, 0);

describe('Limit', () => {
  it('lets a log within its limit through', () => {
    const { head, tail } = run(['0123\n'.repeat(15)], { maxBuildBytes: 100, tailBytes: 25 });
    expect(text(head)).toBe('0123\n'.repeat(15));
    expect(tail).toEqual([]);
  });

  it('keeps head and tail and says what is missing', () => {
    const input = Array.from({ length: 50 }, (_, line) => `${String(line).padStart(3, '0')}\n`);
    const { head, tail } = run(input, { maxBuildBytes: 64, tailBytes: 22 });
    const headLines = text(head).split('\n');
    expect(headLines.slice(0, 10)).toEqual(['000', '001', '002', '003', '004', '005', '006', '007', '008', '009']);
    expect(headLines[10]).toMatch(NOTICE);
    expect(headLines[10]).toContain(
      'The log has reached its limit of 64 bytes. The build goes on; the last 22 bytes of its output will follow when it ends.',
    );
    const tailLines = text(tail).split('\n');
    expect(tailLines[0]).toMatch(NOTICE);
    expect(tailLines[0]).toContain('35 lines (140 bytes) of the log are missing here; its end follows.');
    expect(tailLines.slice(1)).toEqual(['045', '046', '047', '048', '049', '']);
  });

  it('says so when nothing is missing', () => {
    const { head, tail } = run(['a\nb\nc\nd\n'], { maxBuildBytes: 8, tailBytes: 4 });
    expect(text(head)).toMatch(/^a\nb\n\[Container\]/);
    expect(text(tail)).toMatch(/no line is missing\.\nc\nd\n$/);
  });

  it('ends an open line before its own', () => {
    const { head, tail } = run(['abcdefghijklmnopqrstuvwxyz\n'], { maxBuildBytes: 16, tailBytes: 8 }, 5);
    expect(text(head)).toMatch(/^abcde\n\[Container\]/);
    expect(head.map((block) => block.open)).toEqual([true, false, false]);
    expect(text(tail)).toMatch(/3 lines \(15 bytes\) of the log are missing here; its end follows\.\nuvwxyz\n$/);
  });

  it('counts what is stored already', () => {
    const { head } = run(['a\n', 'b\n', 'c\n'], {
      maxBuildBytes: 100,
      tailBytes: 10,
      after: { bytes: 88, part: 'head', open: false, lost: { lines: 0, bytes: 0 } },
    });
    expect(text(head)).toMatch(/^a\n\[Container\]/);
  });

  it('takes no more than half the limit for the tail', () => {
    const { head } = run(['0123456789\n'.repeat(20)], { maxBuildBytes: 44, tailBytes: 1000 });
    expect(text(head)).toMatch(/^0123456789\n0123456789\n\[Container\]/);
  });

  it('counts exactly: head, missing and tail are the whole', () => {
    const line = fc.string({ maxLength: 30 }).map((s) => `${s.replaceAll('\n', ' ')}\n`);
    const reads = fc.array(
      fc.array(line, { maxLength: 12 }).map((lines) => lines.join('')),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(
        reads,
        fc.integer({ min: 20, max: 400 }),
        fc.integer({ min: 0, max: 200 }),
        (input, maxBuildBytes, tailBytes) => {
          const { head, tail } = run(input, { maxBuildBytes, tailBytes });
          const whole = input.join('');
          if (tail.length === 0) return expect(text(head)).toBe(whole);
          const kept = { head: head.slice(0, -1), tail: tail.slice(1) };
          const said = /(\d+) lines \((\d+) bytes\)/.exec(text(tail.slice(0, 1)));
          const missing = { lines: Number(said?.[1] ?? 0), bytes: Number(said?.[2] ?? 0) };
          expect(whole.startsWith(text(kept.head))).toBe(true);
          expect(whole.endsWith(text(kept.tail))).toBe(true);
          expect(count(kept.head) + missing.lines + count(kept.tail)).toBe(whole.split('\n').length - 1);
          const keptBytes = Buffer.byteLength(text(kept.head)) + Buffer.byteLength(text(kept.tail));
          expect(keptBytes + missing.bytes).toBe(Buffer.byteLength(whole));
          expect(keptBytes).toBeLessThanOrEqual(maxBuildBytes);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps an exact tail of many small blocks', () => {
    const input = Array.from({ length: 5_000 }, (_, line) => `${String(line).padStart(7, '0')}\n`);
    const { tail } = run(input, { maxBuildBytes: 16_000, tailBytes: 8_000 });
    expect(text(tail)).toContain(' 3000 lines (24000 bytes)');
    expect(count(tail)).toBe(1_001);
  });
});
