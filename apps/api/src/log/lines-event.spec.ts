import { describe, expect, it } from '@jest/globals';
import { linesOf } from '#core/chunk-codec.js';
import type { LogChunk } from '#core/log-line.js';
import { newLogChunk } from '#testing/factories.js';
import { EventCache, type CachedLog } from './event-cache.js';
import { Gate } from './gate.js';
import { EVENT_BYTES, LINES_PER_EVENT, linesEvents, type LinesEvent } from './lines-event.js';
import { toLineView } from './log.dto.js';
import { formatEvent } from './sse.js';
import { StreamPace } from './stream-pace.js';

function chunksOf(...sizes: number[]): LogChunk[] {
  let firstSeq = 0;
  return sizes.map((size) => {
    const texts = Array.from({ length: size }, (_, index) => `"${firstSeq + index}"\t\u001b[1m\\ü\u2028`);
    const chunk = newLogChunk(texts, { firstSeq, firstByte: 0 });
    firstSeq += size;
    return chunk;
  });
}
const places = (events: LinesEvent[]): [number, number][] => events.map(({ first, next }) => [first, next]);

describe('events of lines', () => {
  it('are what formatEvent makes of the lines', () => {
    const [chunk] = chunksOf(3);
    chunk!.openLines.push(2);
    chunk!.openLengths.push(Buffer.byteLength(linesOf(chunk!)[2]!.text));
    chunk!.runs.splice(
      0,
      1,
      { count: 1, time: new Date(0), stream: 'system' },
      { count: 2, time: new Date(1), stream: 'stdout' },
    );
    for (const [attempt, id] of [
      [1, '2'],
      [2, '2:2'],
    ] as const) {
      const [event] = linesEvents(attempt, [chunk!], 1);
      const data = { lines: linesOf(chunk!, 1).map(toLineView) };
      expect(event!.bytes.toString()).toBe(formatEvent({ event: 'lines', id, data }));
    }
  });

  it('are the same for every kind of text', () => {
    const texts = [
      '',
      'plain',
      'tab\tquote" back\\slash',
      'ä ∅ 😀 \u2028',
      '\u0000\u001b[31mred\u007f',
      'x'.repeat(70_000),
      '"'.repeat(5_000),
    ];
    const chunk = newLogChunk(texts, { firstSeq: 7, firstByte: 0 });
    // a byte that is no UTF-8
    chunk.bytes = Buffer.from(chunk.bytes);
    chunk.bytes[1] = 0xff;
    const data = { lines: linesOf(chunk).map(toLineView) };
    const [event] = linesEvents(1, [chunk], 0);
    expect(event!.bytes.equals(Buffer.from(formatEvent({ event: 'lines', id: '13', data })))).toBe(true);
  });

  it.each([
    ['small chunks share an event', [10, 20, 30], 0, [[0, 60]]],
    ['one begins within a chunk', [10, 20, 30], 15, [[15, 60]]],
    [
      'a large chunk begins its own',
      [10, 2500, 7],
      0,
      [
        [0, 10],
        [10, 1010],
        [1010, 2010],
        [2010, 2517],
      ],
    ],
    [
      'from within a large chunk the next one begins at its begin',
      [2500, 990],
      1700,
      [
        [1700, 2500],
        [2500, 3490],
      ],
    ],
    ['nothing is left', [5], 5, []],
    [
      'a chunk that is missing ends an event',
      [10, -1, 10],
      0,
      [
        [0, 10],
        [15, 25],
      ],
    ],
  ])('%s', (_, sizes, fromSeq, expected) => {
    const gap = sizes.includes(-1);
    const chunks = gap ? chunksOf(10, 5, 10).filter((__, index) => index !== 1) : chunksOf(...sizes);
    expect(places(linesEvents(1, chunks, fromSeq))).toEqual(expected);
  });

  it('are bounded in lines and characters', () => {
    const long = newLogChunk(
      Array.from({ length: 10 }, () => 'x'.repeat(100_000)),
      { firstSeq: 0, firstByte: 0 },
    );
    expect(linesEvents(1, [long], 0).map(({ first, next }) => next - first)).toEqual([3, 3, 3, 1]);
    expect(EVENT_BYTES).toBeLessThan(300_000);
    expect(LINES_PER_EVENT).toBe(1000);
  });
});

describe('the cache of events', () => {
  const event = (first: number, size: number): LinesEvent => ({ first, next: first + 1, bytes: Buffer.alloc(size) });

  it('keeps what was used last within its bound, and forgets a log as a whole', () => {
    const cache = new EventCache(4096);
    const [one, other]: CachedLog[] = [new Map(), new Map()];
    cache.put(one!, '0', event(0, 1000));
    cache.put(other!, '0', event(0, 1000));
    cache.get(one!, '0');
    cache.put(one!, '1', event(1, 1000));
    expect([cache.get(one!, '0'), cache.get(other!, '0'), cache.get(one!, '1')].map(Boolean)).toEqual([
      true,
      false,
      true,
    ]);
    expect(cache.usedBytes).toBeLessThanOrEqual(4096);
    cache.put(one!, '1', event(1, 10));
    expect(cache.get(one!, '1')?.bytes.length).toBe(10);
    cache.clear(one!);
    expect([cache.usedBytes, one!.size, other!.size]).toEqual([0, 0, 0]);
  });
});

describe('the gate', () => {
  it('lets so many through, the others in order, also after an error', async () => {
    const gate = new Gate(2);
    const began: number[] = [];
    const go: (() => void)[] = [];
    const works = [0, 1, 2, 3].map((index) =>
      gate.run(async () => {
        began.push(index);
        await new Promise<void>((resolve) => (go[index] = resolve));
        if (index === 1) throw new Error('broken');
      }),
    );
    const ended = Promise.allSettled(works);
    expect(began).toEqual([0, 1]);
    go[1]!();
    await expect(works[1]).rejects.toThrow('broken');
    expect(began).toEqual([0, 1, 2]);
    go[0]!();
    await works[0];
    await Promise.resolve();
    expect(began).toEqual([0, 1, 2, 3]);
    go[2]!();
    go[3]!();
    await ended;
  });
});

describe('the pace of streams', () => {
  it('lets a quiet stream pass, and shares the rate among the others', async () => {
    let now = 0;
    const waits: number[] = [];
    let release = (): void => undefined;
    const pace = new StreamPace(
      1_000_000,
      () => now,
      (ms) => {
        waits.push(Math.round(ms));
        return new Promise<void>((resolve) => (release = resolve));
      },
    );
    const { signal } = new AbortController();
    const [one, other, quiet] = [pace.stream(), pace.stream(), pace.stream()];
    now = 10_000;
    await one(100_000, signal);
    expect(waits).toEqual([]);
    const first = one(250_000, signal); // 350 ms at the whole rate, 250 of them saved
    expect(waits).toEqual([100]);
    const second = other(500_000, signal); // one is held: half the rate
    expect(waits).toEqual([100, 750]);
    await quiet(1_000, signal);
    expect(waits).toHaveLength(2);
    release();
    await second;
    now = 20_000;
    void first;
  });
});
