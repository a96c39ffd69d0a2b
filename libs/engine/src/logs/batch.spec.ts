import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '#core/errors.js';
import { FakeClock, settled } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import { Batch, MAX_APPEND_BYTES, MAX_WAITING_BYTES } from './batch.js';
import { MAX_CHUNK_BYTES, MAX_CHUNK_LINES } from './chunk-builder.js';
import type { LineBlock } from './line-block.js';

let clock: FakeClock;
let sink: RecordingSink;
let batch: Batch;
beforeEach(() => {
  clock = new FakeClock();
  sink = new RecordingSink();
  batch = new Batch({ sink, clock, flushMs: 100, burstChunks: 1 });
});

function block(text: string, changes: Partial<LineBlock> = {}): LineBlock {
  const bytes = Buffer.from(text);
  return {
    bytes,
    lineCount: text.split('\n').length - 1,
    time: clock.now(),
    stream: 'stdout',
    open: false,
    sourceBytes: 0,
    ...changes,
  };
}
function add(...blocks: LineBlock[]): void {
  for (const each of blocks) batch.add(each, clock.now());
  batch.settle(clock.now());
}

describe('Batch', () => {
  it('sends the first line of a quiet log at once, and gathers those that follow soon', async () => {
    add(block('one\n'));
    await settled();
    expect(sink.texts).toEqual(['one']);
    add(block('two\n'));
    await clock.advance(99);
    add(block('three\n'));
    await settled();
    expect(sink.chunks).toHaveLength(1);
    expect(batch.dueAt).toBe(clock.now().getTime() + 1);
    await clock.advance(1);
    batch.settle(clock.now());
    await settled();
    expect(sink.chunks.map((chunk) => chunk.lineCount)).toEqual([1, 2]);
    await clock.advance(100);
    add(block('four\n'));
    await settled();
    expect(sink.chunks).toHaveLength(3);
  });

  it('sends what a build says first without waiting for company, as long as its credit lasts', async () => {
    batch = new Batch({ sink, clock, flushMs: 100, burstChunks: 3 });
    const say = async (text: string, changes: Partial<LineBlock> = {}): Promise<number> => {
      add(block(`${text}\n`, changes));
      await settled();
      return sink.chunks.length;
    };
    expect(await say('first')).toBe(1);
    expect(await say('of the system, which can wait', { stream: 'system' })).toBe(1);
    expect(await say('goes at once and takes that along')).toBe(2);
    expect(await say('so does this')).toBe(3);
    expect(await say('this has no credit left')).toBe(3);
    await clock.advance(100);
    batch.settle(clock.now());
    await settled();
    expect(sink.chunks.map((chunk) => chunk.lineCount)).toEqual([1, 2, 1, 1]);
    await clock.advance(200); // earns two
    expect([await say('a'), await say('b'), await say('c')]).toEqual([5, 6, 6]);
  });

  it('numbers lines and bytes, and merges what shares time and stream', async () => {
    const at = new Date(5);
    add(
      block('a\nb\n', { time: at }),
      block('c\n', { time: new Date(5) }),
      block('d\n', { time: at, stream: 'system' }),
      block('op', { open: true, lineCount: 1, time: at, stream: 'system' }),
      block('en\n', { time: new Date(6), stream: 'system' }),
    );
    await settled();
    add(block('e\n'));
    await batch.end();
    const [first, second] = sink.chunks;
    expect(first).toMatchObject({ firstSeq: 0, lineCount: 6, firstByte: 0, openLines: [4], openLengths: [2] });
    expect(first!.runs).toEqual([
      { count: 3, time: at, stream: 'stdout' },
      { count: 2, time: at, stream: 'system' },
      { count: 1, time: new Date(6), stream: 'system' },
    ]);
    expect(second).toMatchObject({ firstSeq: 6, lineCount: 1, firstByte: 13, openLines: [], openLengths: [] });
  });

  it.each([
    ['bytes', `${'x'.repeat(65_535)}\n`, MAX_CHUNK_BYTES / 65_536],
    ['lines', '\n'.repeat(65_536), MAX_CHUNK_LINES / 65_536],
  ])('closes a chunk before it has too many %s', async (_what, text, blocksPerChunk) => {
    for (let left = 2 * blocksPerChunk + 1; left > 0; left -= 1) batch.add(block(text), clock.now());
    await batch.end();
    const one = block(text);
    expect(sink.chunks.map((chunk) => chunk.lineCount / one.lineCount)).toEqual([blocksPerChunk, blocksPerChunk, 1]);
    expect(sink.raw.equals(Buffer.from(text.repeat(2 * blocksPerChunk + 1)))).toBe(true);
  });

  it('gathers while the sink is busy, and says when it is free', async () => {
    let free = 0;
    batch = new Batch({ sink, clock, flushMs: 100, burstChunks: 1, onFree: () => (free += 1) });
    let release = () => {};
    sink.hold = () => new Promise<void>((resolve) => (release = resolve));
    add(block('one\n'));
    for (let line = 0; line < 5; line += 1) {
      await clock.advance(100);
      add(block(`${line}\n`));
    }
    expect(batch.dueAt).toBeNull();
    expect(free).toBe(0);
    release();
    await settled();
    expect(free).toBe(1);
    expect(batch.dueAt).toBeLessThanOrEqual(clock.now().getTime());
    batch.settle(clock.now());
    release();
    await settled();
    expect(sink.chunks.map((chunk) => chunk.lineCount)).toEqual([1, 5]);
  });

  it('sends what has gathered meanwhile together, and tells of each chunk as soon as it closes', async () => {
    const prepared: number[] = [];
    const appended: number[][] = [];
    const stored: number[] = [];
    sink.prepare = (chunk) => void prepared.push(chunk.firstSeq);
    const append = sink.append.bind(sink);
    sink.append = (chunks) => {
      appended.push(chunks.map((chunk) => chunk.firstSeq));
      return append(chunks);
    };
    batch = new Batch({ sink, clock, flushMs: 100, burstChunks: 1, onStored: (chunk) => stored.push(chunk.firstSeq) });
    let release = () => {};
    sink.hold = (chunk) =>
      chunk.firstSeq > 0 ? Promise.resolve() : new Promise<void>((resolve) => (release = resolve));
    const full = `${'x'.repeat(MAX_CHUNK_BYTES - 1)}\n`;
    for (let chunk = 0; chunk < 8; chunk += 1) batch.add(block(full), clock.now());
    expect(prepared).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(appended).toEqual([[0]]);
    release();
    await batch.end();
    expect(appended).toEqual([[0], [1, 2, 3, 4], [5, 6, 7]]);
    expect(stored).toEqual([0, 4, 7]);
    expect(MAX_APPEND_BYTES / MAX_CHUNK_BYTES).toBe(4);
  });

  it('makes the writer wait when too much waits', async () => {
    const releases: (() => void)[] = [];
    sink.hold = () => new Promise<void>((resolve) => releases.push(resolve));
    const text = `${'x'.repeat(65_535)}\n`;
    for (let bytes = 0; bytes <= MAX_WAITING_BYTES + MAX_CHUNK_BYTES; bytes += text.length) add(block(text));
    let roomy = false;
    const room = batch.room().then(() => (roomy = true));
    await settled();
    expect(roomy).toBe(false);
    releases.shift()!();
    await settled();
    expect(roomy).toBe(true);
    await room;
    sink.hold = async () => {};
    releases.shift()!();
    await batch.end();
    expect(sink.raw.length % text.length).toBe(0);
  });

  it('seals with the count and the hash of the whole log', async () => {
    add(block('one\n'));
    await clock.advance(1000);
    add(block('two\nthree\n'));
    const sha256 = createHash('sha256').update('one\ntwo\nthree\n').digest('hex');
    expect(await batch.end()).toEqual({ lineCount: 3, byteCount: 14, sha256 });
  });

  it('goes on behind a stored beginning', async () => {
    const stored = 'one\ntwo\n';
    sink = new RecordingSink({ seq: 2, byte: 8 });
    batch = new Batch({ sink, clock, startAt: { seq: 2, byte: 8, hash: createHash('sha256').update(stored) } });
    add(block('three\n'));
    const sha256 = createHash('sha256').update('one\ntwo\nthree\n').digest('hex');
    expect(await batch.end()).toEqual({ lineCount: 3, byteCount: 14, sha256 });
  });

  it('seals an empty log', async () => {
    expect(await batch.end()).toEqual({ lineCount: 0, byteCount: 0, sha256: createHash('sha256').digest('hex') });
    expect(sink.chunks).toEqual([]);
  });

  it('tells an error of the sink with the next call, and sends nothing more', async () => {
    const fault = new Fault('LOG_APPEND_FAILED', 'the store is gone');
    sink.hold = async () => {
      sink.appending = 0;
      throw fault;
    };
    const heard: unknown[] = [];
    batch = new Batch({ sink, clock, flushMs: 100, onFailure: (error) => heard.push(error) });
    add(block('one\n'));
    await settled();
    expect(heard).toEqual([fault]);
    expect(() => batch.add(block('two\n'), clock.now())).toThrow(fault);
    await expect(batch.room()).rejects.toBe(fault);
    await expect(batch.end()).rejects.toBe(fault);
    expect(sink.chunks).toEqual([]);
  });

  it('sends nothing of what was gathered beside a failed append: there would be a hole before it', async () => {
    let fail = (_error: Error) => {};
    sink.hold = () => new Promise((_resolve, reject) => (fail = reject));
    add(block('one\n'));
    await settled();
    add(block('two\n'));
    fail(new Fault('LOG_APPEND_FAILED', 'the store is gone'));
    await settled();
    sink.appending = 0;
    sink.hold = async () => {};
    expect(batch.dueAt).toBeNull();
    await clock.advance(1_000);
    batch.settle(clock.now());
    await settled();
    expect(sink.chunks).toEqual([]);
  });

  it('lets a waiting writer go when the sink fails', async () => {
    let fail = (_error: Error) => {};
    sink.hold = () => new Promise((_resolve, reject) => (fail = reject));
    const text = `${'x'.repeat(65_535)}\n`;
    for (let bytes = 0; bytes <= MAX_WAITING_BYTES + MAX_CHUNK_BYTES; bytes += text.length) add(block(text));
    const room = batch.room();
    fail(new Error('gone'));
    await expect(room).rejects.toThrow('gone');
  });

  it('does not depend on the block keeping its bytes', async () => {
    const one = block('one\n');
    batch.add(one, clock.now());
    one.bytes.fill('x');
    await batch.end();
    expect(sink.raw.toString()).toBe('one\n');
  });
});
