import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault, PhaseFailure } from '#core/errors.js';
import { FakeClock, settled } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import { MAX_WAITING_BYTES } from './batch.js';
import { MAX_CHUNK_BYTES } from './chunk-builder.js';
import { OPEN_LINE_MS } from './lines.js';
import { LogPipeline, type LogPipelineOptions } from './pipeline.js';

let clock: FakeClock;
let sink: RecordingSink;
beforeEach(() => {
  clock = new FakeClock();
  sink = new RecordingSink();
});
afterEach(() => {
  expect(clock.sleeping).toBe(0);
});

const open = (options: Partial<LogPipelineOptions> = {}) => new LogPipeline({ sink, clock, ...options });

describe('LogPipeline', () => {
  it('brings lines to the sink and seals them', async () => {
    const pipeline = open();
    await pipeline.write(Buffer.from('one\ntw'));
    await pipeline.write(Buffer.from('o\nlast'));
    const seal = await pipeline.end();
    expect(sink.raw.toString()).toBe('one\ntwo\nlast\n');
    expect(sink.texts).toEqual(['one', 'two', 'last']);
    expect(seal).toEqual({ lineCount: 3, byteCount: 13, sha256: createHash('sha256').update(sink.raw).digest('hex') });
    expect(sink.seals).toEqual([seal]);
  });

  it('masks a text for elsewhere, whatever is on its way at that moment', async () => {
    const pipeline = open({ secrets: ['hush-hush'] });
    await pipeline.write(Buffer.from('hush-'));
    expect(pipeline.masked('it is hush-hush, or aHVzaC1odXNo')).toBe('it is ***, or ***');
    await pipeline.write(Buffer.from('hush\n'));
    await pipeline.end();
    expect(sink.texts).toEqual(['***']);
  });

  it('shows an unfinished line after a while, by itself', async () => {
    const pipeline = open();
    await pipeline.write(Buffer.from('Continue? [y/n] '));
    await clock.advance(OPEN_LINE_MS - 1);
    expect(sink.texts).toEqual([]);
    await clock.advance(1);
    expect(sink.lines).toMatchObject([{ text: 'Continue? [y/n] ', continues: true, stream: 'stdout' }]);
    await clock.advance(60_000);
    await pipeline.write(Buffer.from('y\n'));
    await pipeline.end();
    expect(sink.lines).toMatchObject([{ seq: 0 }, { seq: 1, text: 'y', continues: false }]);
  });

  it('sends what was gathered after the flush time, by itself', async () => {
    const pipeline = open({ limits: { flushMs: 50 } });
    await pipeline.say('one');
    await pipeline.say('two');
    await clock.advance(49);
    expect(sink.texts).toHaveLength(1);
    await clock.advance(1);
    expect(sink.texts).toHaveLength(2);
    await pipeline.end();
  });

  it('sends what was gathered while the sink was busy, by itself', async () => {
    const pipeline = open();
    let release = () => {};
    sink.hold = () => new Promise<void>((resolve) => (release = resolve));
    await pipeline.write(Buffer.from('one\n'));
    await pipeline.write(Buffer.from('two\n'));
    await clock.advance(5_000);
    sink.hold = async () => {};
    release();
    await clock.advance(0);
    expect(sink.texts).toEqual(['one', 'two']);
    await pipeline.end();
  });

  it('masks what is written, over reads and lines, and what is said', async () => {
    const pipeline = open({ secrets: ['s3cret\nkey-part'] });
    await pipeline.write(Buffer.from('a s3cr'));
    await pipeline.write(Buffer.from('et\nkey-'));
    await pipeline.write(Buffer.from('part b\n'));
    await pipeline.say('pulling with key-part', 'stdout');
    pipeline.addSecrets(['another']);
    await pipeline.write(Buffer.from('and another\n'));
    await pipeline.end();
    expect(sink.texts).toEqual(['a *** b', 'pulling with ***', 'and ***']);
  });

  it('never shows what may be a secret only because time has passed', async () => {
    const pipeline = open({ secrets: ['s3cret-value'] });
    await pipeline.write(Buffer.from('x s3cret-'));
    await clock.advance(60_000);
    expect(sink.texts).toEqual(['x ']);
    await pipeline.write(Buffer.from('value\n'));
    await pipeline.end();
    expect(sink.texts).toEqual(['x ', '***']);
  });

  it('gives system lines their form, and ends an open line before them', async () => {
    const pipeline = open();
    await pipeline.write(Buffer.from('half'));
    await pipeline.say('Pulling image\nPulled image');
    await pipeline.say('[Container] 2026/01/01 00:00:00.000000 as it is');
    await pipeline.write(Buffer.from(' a line\n'));
    await pipeline.end();
    expect(sink.lines.map((line) => [line.stream, line.text])).toEqual([
      ['stdout', 'half'],
      ['system', '[Container] 2026/01/02 03:04:05.006000 Pulling image'],
      ['system', '[Container] 2026/01/02 03:04:05.006000 Pulled image'],
      ['system', '[Container] 2026/01/01 00:00:00.000000 as it is'],
      ['stdout', ' a line'],
    ]);
  });

  it('serves callers in the order of their calls', async () => {
    const pipeline = open();
    sink.hold = () => settled();
    await Promise.all([
      pipeline.write(Buffer.from('one\n')),
      pipeline.say('two', 'stdout'),
      pipeline.write(Buffer.from('three\nfour')),
      pipeline.say('five', 'stderr'),
      pipeline.end(),
    ]);
    expect(sink.texts).toEqual(['one', 'two', 'three', 'four', 'five']);
  });

  it('passes bytes on as they came', async () => {
    const bytes = Buffer.concat([
      Buffer.from([0, 0xff, 0xc3, 0x28, 0x1b]),
      Buffer.from('[31m\rred\r\n'),
      Buffer.of(0x80, 10),
    ]);
    const pipeline = open();
    await pipeline.write(bytes);
    await pipeline.end();
    expect(sink.raw.equals(bytes)).toBe(true);
    expect(sink.texts).toEqual(['\0\ufffd\ufffd(\u001b[31m\rred\r', '\ufffd']);
  });

  it('takes 200,000 lines', async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, line) => `line ${line}\n`).join(''));
    const pipeline = open({ secrets: ['not in there'] });
    for (let at = 0; at < bytes.length; at += 10_007) await pipeline.write(bytes.subarray(at, at + 10_007));
    const seal = await pipeline.end();
    expect(seal).toMatchObject({ lineCount: 200_000, byteCount: bytes.length });
    expect(seal.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(sink.texts[123_456]).toBe('line 123456');
    expect(sink.chunks.length).toBeLessThan(12);
  });

  it('takes one line of 5 MB', async () => {
    const line = Buffer.from('0123456789é'.repeat(450_000));
    const pipeline = open();
    await pipeline.write(line);
    await pipeline.write(Buffer.from('\nnext\n'));
    await pipeline.end();
    const lines = sink.lines;
    expect(lines.at(-1)).toMatchObject({ text: 'next', continues: false });
    expect(lines.slice(0, -2).every((piece) => piece.continues && Buffer.byteLength(piece.text) <= 262_144)).toBe(true);
    expect(
      lines
        .slice(0, -1)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(line.toString());
  });

  it('keeps a line within a chunk whatever the setting', async () => {
    const pipeline = open({ limits: { maxLineBytes: 2 ** 24 } });
    await pipeline.write(Buffer.alloc(2 * MAX_CHUNK_BYTES, 'x'));
    await pipeline.end();
    expect(Math.max(...sink.chunks.map((chunk) => chunk.bytes.length))).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
    expect(sink.raw.toString()).toBe(`${'x'.repeat(2 * MAX_CHUNK_BYTES)}\n`);
  });

  it('keeps head and tail of a log over its limit', async () => {
    const pipeline = open({ limits: { maxBuildBytes: 4_000, tailBytes: 1_000 } });
    for (let line = 0; line < 2_000; line += 1) await pipeline.write(Buffer.from(`${String(line).padStart(9, '0')}\n`));
    const seal = await pipeline.end();
    expect(sink.texts).toHaveLength(300 + 1 + 1 + 100);
    expect(sink.texts[301]).toContain('1600 lines (16000 bytes) of the log are missing here');
    expect(seal).toMatchObject({ lineCount: 402, byteCount: sink.raw.length });
  });

  it('waits for a slow sink', async () => {
    const releases: (() => void)[] = [];
    sink.hold = () => new Promise<void>((resolve) => releases.push(resolve));
    const pipeline = open();
    let written = 0;
    const bytes = Buffer.alloc(MAX_CHUNK_BYTES, 'line\n');
    const writing = (async () => {
      for (; written < 20; written += 1) await pipeline.write(bytes);
    })();
    await settled();
    const stopped = written;
    // it takes what may wait for the sink, and beside it a chunk that is being gathered and the rest of the write that found no room
    expect(stopped * MAX_CHUNK_BYTES).toBeGreaterThanOrEqual(MAX_WAITING_BYTES);
    expect(stopped * MAX_CHUNK_BYTES).toBeLessThanOrEqual(MAX_WAITING_BYTES + 2 * MAX_CHUNK_BYTES);
    await settled();
    expect(written).toBe(stopped);
    sink.hold = async () => {};
    releases.shift()!();
    await writing;
    const seal = await pipeline.end();
    expect(seal.byteCount).toBeGreaterThanOrEqual(20 * MAX_CHUNK_BYTES);
  });

  it('tells an error of the sink to the next caller and at the end, and does not seal', async () => {
    const fault = new Fault('LEASE_LOST', 'another worker has it');
    sink.hold = async () => {
      throw fault;
    };
    const pipeline = open();
    await pipeline.write(Buffer.from('one\n'));
    await settled();
    await expect(pipeline.write(Buffer.from('two\n'))).rejects.toBe(fault);
    pipeline.sayLater('three');
    await settled();
    await expect(pipeline.end()).rejects.toBe(fault);
    expect(sink.seals).toEqual([]);
  });

  it('lets a log go: nothing more is sent, nothing sealed, no timer left', async () => {
    const pipeline = open();
    let release = () => {};
    sink.hold = () => new Promise<void>((resolve) => (release = resolve));
    await pipeline.write(Buffer.from('one\ntwo\nhalf'));
    const waiting = Promise.all(Array.from({ length: 9 }, () => pipeline.write(Buffer.alloc(MAX_CHUNK_BYTES, 'x\n'))));
    await settled();
    const reason = new Fault('LEASE_LOST', 'another worker has it');
    pipeline.abandon(reason);
    await expect(waiting).rejects.toBe(reason);
    release();
    await clock.advance(10_000);
    expect(sink.texts).toEqual(['one', 'two']);
    await expect(pipeline.say('more')).rejects.toBe(reason);
    await expect(pipeline.end()).rejects.toBe(reason);
    expect(sink.seals).toEqual([]);
  });

  it('refuses calls after the end, but for a second end', async () => {
    const pipeline = open();
    const seal = await pipeline.end();
    await expect(pipeline.write(Buffer.from('late\n'))).rejects.toThrow('the log has ended');
    expect(await pipeline.end()).toBe(seal);
    expect(sink.seals).toHaveLength(1);
  });

  it('refuses more secrets than it can mask', () => {
    expect(() => open({ secrets: ['x'.repeat(100_000)] })).toThrow(PhaseFailure);
  });

  it('lets the writer reuse its buffer', async () => {
    const buffer = Buffer.from('one\npart');
    const pipeline = open({ secrets: ['partial secret'] });
    await pipeline.write(buffer);
    buffer.fill('x');
    await pipeline.end();
    expect(sink.texts).toEqual(['one', 'part']);
  });

  it('goes on behind a stored beginning', async () => {
    sink = new RecordingSink({ seq: 1, byte: 4 });
    const pipeline = open({
      startAt: {
        stored: { seq: 1, byte: 4, open: null, source: null },
        hash: createHash('sha256').update('one\n'),
        lost: null,
      },
    });
    await pipeline.write(Buffer.from('two\n'));
    expect(await pipeline.end()).toEqual({
      lineCount: 2,
      byteCount: 8,
      sha256: createHash('sha256').update('one\ntwo\n').digest('hex'),
    });
  });
});
