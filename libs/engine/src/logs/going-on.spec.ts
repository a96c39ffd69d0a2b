import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LogChunk, StoredLog } from '#core/log-line.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import { LogPipeline, type LogLimits, type LostBefore } from './pipeline.js';

const SECRETS = ['s3cret-value', 'abcabcabd', 'two\nlines'];
const WORDS = [
  's3cret-',
  'value',
  's3cret-value',
  'abcabc',
  'abd',
  'two',
  '\n',
  'lines',
  'x',
  '\x1e[Container] own\n',
  '\x1e[Con',
];
const WIDE = { flushMs: 0 };

interface Run {
  output: Buffer;
  /** Lengths of the pieces in which it is read, taken round and round. */
  cuts: number[];
  limits: LogLimits;
}

/** Reads all of the output from where the log stands; `chunks` = how many chunks are stored before the worker is gone. */
async function work(run: Run, sink: RecordingSink, before: LogChunk[], lost: LostBefore | null, chunks: number) {
  const clock = new FakeClock();
  const told: { lost: LostBefore | null; released: number } = { lost, released: 0 };
  sink.hold = async () => {
    if (sink.chunks.length >= chunks) throw new Error('this worker is gone');
  };
  const hash = createHash('sha256');
  for (const chunk of before) hash.update(chunk.bytes);
  const pipeline = new LogPipeline({
    sink,
    clock,
    secrets: SECRETS,
    limits: run.limits,
    ...(before.length === 0 ? {} : { startAt: { stored: endOf(before), hash, lost } }),
    onStored: (position) => (told.released = position),
    onLost: async (state) => void (told.lost = state),
  });
  try {
    for (let at = pipeline.next, turn = 0; at < run.output.length; turn += 1) {
      const length = 1 + run.cuts[turn % run.cuts.length]!;
      await pipeline.write(run.output.subarray(at, at + length), at);
      await new Promise(setImmediate);
      at += length;
    }
    await pipeline.end();
  } catch (error) {
    if ((error as Error).message !== 'this worker is gone') throw error;
  }
  return told;
}

function endOf(chunks: LogChunk[]): StoredLog {
  const last = chunks.at(-1);
  if (last === undefined) return { seq: 0, byte: 0, open: null, source: null };
  const open = last.openLines.at(-1) === last.lineCount - 1;
  return {
    seq: last.firstSeq + last.lineCount,
    byte: last.firstByte + last.bytes.length,
    open: open ? last.runs.at(-1)!.stream : null,
    source: last.source ?? null,
  };
}

async function inOneGo(run: Run): Promise<RecordingSink> {
  const sink = new RecordingSink();
  await work(run, sink, [], null, Infinity);
  return sink;
}

/** One worker after the other, each gone after so many chunks, the last one not. */
async function handedOn(run: Run, deaths: number[]): Promise<{ raw: Buffer; sealed: string | undefined }> {
  const chunks: LogChunk[] = [];
  let lost: LostBefore | null = null;
  for (const death of [...deaths, Infinity]) {
    const stored = chunks.length === 0 ? undefined : endOf(chunks);
    const sink = new RecordingSink(stored);
    const told = await work(run, sink, chunks, lost, death);
    lost = told.lost;
    chunks.push(...sink.chunks);
    expect(told.released).toBeLessThanOrEqual(Math.max(endOf(chunks).source?.at ?? 0, lost?.source.at ?? 0));
    if (sink.seals.length > 0)
      return { raw: Buffer.concat(chunks.map((chunk) => chunk.bytes)), sealed: sink.seals[0]!.sha256 };
  }
  throw new Error('the last worker did not seal');
}

const run = (limits: LogLimits) =>
  fc.record({
    output: fc
      .array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 120 })
      .map((words) => Buffer.from(words.join(''))),
    cuts: fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }),
    limits: fc.constant(limits),
  });

describe('a log that another worker goes on with', () => {
  it('is the same, byte for byte, wherever the first one ended', async () => {
    await fc.assert(
      fc.asyncProperty(run(WIDE), fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }), async (one, deaths) => {
        const whole = await inOneGo(one);
        const parts = await handedOn(one, deaths);
        expect(parts.raw.toString()).toBe(whole.raw.toString());
        expect(parts.sealed).toBe(createHash('sha256').update(whole.raw).digest('hex'));
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('is the same over its limit, whatever was counted before', async () => {
    const limits = { flushMs: 0, maxBuildBytes: 120, tailBytes: 40 };
    await fc.assert(
      fc.asyncProperty(run(limits), fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }), async (one, deaths) => {
        const whole = await inOneGo(one);
        const parts = await handedOn(one, deaths);
        expect(parts.raw.toString()).toBe(whole.raw.toString());
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('counts on what was lost before, and needs no output from before its point', async () => {
    const line = `${'x'.repeat(1023)}\n`;
    const one = {
      output: Buffer.from(line.repeat(70_000)),
      cuts: [1_048_575],
      limits: { maxBuildBytes: 65_536, tailBytes: 4_096 },
    };
    const sink = new RecordingSink();
    const told = await work(one, sink, [], null, 1);
    expect(told.lost!.lost.lines).toBeGreaterThan(60_000);
    expect(told.released).toBe(told.lost!.source.at);
    one.output.fill(0, 0, told.released);
    const next = new RecordingSink(endOf(sink.chunks));
    await work(one, next, sink.chunks, told.lost, Infinity);
    expect([...sink.texts, ...next.texts].filter((text) => text.includes('are missing here'))).toEqual([
      expect.stringContaining('69936 lines (71614464 bytes) of the log are missing here'),
    ]);
    expect(next.raw.toString().endsWith(line.repeat(4))).toBe(true);
  });

  it('tells where the build cut its own output short, and goes on behind', async () => {
    const sink = new RecordingSink();
    const pipeline = new LogPipeline({ sink, clock: new FakeClock(), secrets: SECRETS });
    await pipeline.write(Buffer.from('one\nhalf s3cret'), 0);
    await pipeline.write(Buffer.from('then\n'), 3);
    await pipeline.end();
    expect(sink.texts).toEqual([
      'one',
      'half s3cret',
      expect.stringContaining('cut its own output file short'),
      'then',
    ]);
    expect(sink.chunks.at(-1)!.source).toMatchObject({ at: 8, skip: 0 });
  });
});
