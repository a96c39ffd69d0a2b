import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Build } from '#core/build.js';
import { asBuildId } from '#core/ids.js';
import type { LogChunk } from '#core/log-line.js';
import type { BuildChange } from '#store/listen.js';
import { newLogChunk } from '#testing/factories.js';
import { followLog } from './follow-log.js';
import { LogFeeds } from './log-feeds.js';

const BUILD = asBuildId('00000000-0000-4000-8000-000000000001');

/** A log in memory: counts what it is asked, and answers when it is let. */
class FakeLog {
  readonly chunks: LogChunk[] = [];
  readonly asked: number[] = [];
  builds = 0;
  status = 'IN_PROGRESS';
  /** Set to hold answers back: what is found is as of the question. */
  hold: Promise<void> | null = null;
  failure: Error | null = null;
  private readonly hearers = new Set<(change: BuildChange) => void>();
  readonly feeds = new LogFeeds(
    {
      builds: { progress: async () => this.build() },
      logs: {
        place: async (buildId, attempt) => ({ buildId, attempt, day: '2026-11-22' }),
        chunks: async (_, fromSeq, limit) => this.read(fromSeq, limit),
        size: async () => ({ lineCount: this.lineCount, byteCount: 0, seal: null, attempt: 1 }),
      },
      listener: {
        onChange: (_, hear) => {
          this.hearers.add(hear);
          return () => this.hearers.delete(hear);
        },
      },
    },
    { connections: 10, pollMs: 60_000 },
  );

  get lineCount(): number {
    return this.chunks.reduce((sum, { lineCount }) => sum + lineCount, 0);
  }
  get hearerCount(): number {
    return this.hearers.size;
  }

  append(lines: number, tell = true): void {
    const firstSeq = this.lineCount;
    const texts = Array.from({ length: lines }, (_, index) => `line ${firstSeq + index}`);
    this.chunks.push(newLogChunk(texts, { firstSeq, firstByte: 0 }));
    if (tell) this.tell('log');
  }
  tell(kind: BuildChange['kind']): void {
    for (const hear of [...this.hearers]) hear({ buildId: BUILD, kind });
  }
  end(): void {
    this.status = 'SUCCEEDED';
    this.tell('status');
  }

  /** Follows to the end. Out: the numbers of the lines, and a mark when it has ended. */
  reader(from = 0, signal = new AbortController().signal): { seqs: number[]; events: string[]; done: Promise<void> } {
    const seqs: number[] = [];
    const events: string[] = [];
    const done = (async () => {
      const position = { attempt: 1, seq: from };
      for await (const event of followLog(this.feeds, { buildId: BUILD, from: position, signal })) {
        if (!Buffer.isBuffer(event)) events.push(event.event);
        else {
          const data = /^data: (.*)$/m.exec(event.toString())?.[1] ?? '';
          seqs.push(...(JSON.parse(data) as { lines: { seq: number }[] }).lines.map(({ seq }) => seq));
        }
      }
    })();
    done.catch(() => undefined); // looked at by those tests that expect it
    return { seqs, events, done };
  }

  private async read(fromSeq: number, limit: number): Promise<LogChunk[]> {
    this.asked.push(fromSeq);
    const found = this.chunks.filter((chunk) => chunk.firstSeq + chunk.lineCount > fromSeq).slice(0, limit);
    await this.hold;
    await tick();
    if (this.failure !== null) throw this.failure;
    return found;
  }
  private async build(): Promise<Build> {
    this.builds += 1;
    const build = { id: BUILD, status: this.status, currentPhase: 'BUILD', attempt: 1, attempts: [] };
    await tick();
    return build as unknown as Build;
  }
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, index) => from + index);
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await tick();
}

describe('readers of one log', () => {
  it('share what is read: one question for each notification, however many follow', async () => {
    const log = new FakeLog();
    log.append(10);
    const readers = Array.from({ length: 300 }, () => log.reader());
    await settled();
    const before = log.asked.length;
    expect(before).toBeLessThanOrEqual(2);
    expect(log.builds).toBe(1);
    log.append(5);
    await settled();
    expect(log.asked.length).toBe(before + 1);
    log.end();
    await Promise.all(readers.map(({ done }) => done));
    for (const { seqs, events } of readers) {
      expect(seqs).toEqual(upTo(15));
      expect(events).toEqual(['status', 'status', 'end']);
    }
    expect(log.builds).toBe(2);
    expect([log.feeds.count, log.hearerCount]).toEqual([0, 0]);
  });

  it('ask once more after a burst of notifications, not once for each', async () => {
    const log = new FakeLog();
    const reader = log.reader();
    await settled();
    const before = log.asked.length;
    let go = (): void => undefined;
    log.hold = new Promise((resolve) => (go = resolve));
    for (let burst = 0; burst < 50; burst += 1) {
      log.append(1);
      await tick();
    }
    go();
    log.hold = null;
    await settled();
    expect(reader.seqs).toEqual(upTo(50));
    // the first found one chunk; then batches that grow, and the end
    expect(log.asked.length - before).toBeLessThanOrEqual(8);
    log.end();
    await reader.done;
  });

  it('miss nothing that is stored while a question is under way, and end only after it', async () => {
    const log = new FakeLog();
    const first = log.reader();
    await settled();
    let go = (): void => undefined;
    log.hold = new Promise((resolve) => (go = resolve));
    log.tell('log'); // finds nothing, and is slow to say so
    await settled();
    const second = log.reader();
    log.append(3, false); // its notification comes late
    log.end();
    await settled();
    go();
    log.hold = null;
    await Promise.all([first.done, second.done]);
    expect(first.seqs).toEqual(upTo(3));
    expect(second.seqs).toEqual(upTo(3));
  });

  it('begin where each of them asked to, also within a chunk', async () => {
    const log = new FakeLog();
    for (const lines of [40, 2500, 7]) log.append(lines);
    const starts = [0, 1, 39, 40, 41, 1040, 1041, 2539, 2546, 2547];
    const readers = starts.map((start) => log.reader(start));
    await settled();
    log.append(30);
    log.end();
    await Promise.all(readers.map(({ done }) => done));
    readers.forEach(({ seqs }, index) => expect(seqs).toEqual(upTo(2577, starts[index])));
  });

  it('do not wait for one that is slow', async () => {
    const log = new FakeLog();
    log.append(10);
    const position = { attempt: 1, seq: 0 };
    const request = { buildId: BUILD, from: position, signal: new AbortController().signal };
    const slow = followLog(log.feeds, request);
    await slow.next(); // takes one event and no more
    const quick = log.reader();
    await settled();
    for (let chunk = 0; chunk < 30; chunk += 1) log.append(10);
    log.end();
    await quick.done;
    expect(quick.seqs).toEqual(upTo(310));
    const rest: unknown[] = [];
    for await (const event of slow) rest.push(event);
    expect(rest.at(-1)).toMatchObject({ event: 'end' });
  });

  it('hear of an error, and the next question is asked anew', async () => {
    const log = new FakeLog();
    log.failure = new Error('no database');
    const readers = [log.reader(), log.reader()];
    for (const { done } of readers) await expect(done).rejects.toThrow('no database');
    expect(log.feeds.count).toBe(0);
    log.failure = null;
    log.append(2);
    const reader = log.reader();
    await settled();
    log.end();
    await reader.done;
    expect(reader.seqs).toEqual(upTo(2));
  });

  it('leave when they are gone, without the others noticing', async () => {
    const log = new FakeLog();
    const stop = new AbortController();
    const [gone, stays] = [log.reader(0, stop.signal), log.reader()];
    await settled();
    stop.abort(new Error('the reader has gone'));
    await expect(gone.done).rejects.toThrow('the reader has gone');
    expect(log.feeds.count).toBe(1);
    log.append(3);
    log.end();
    await stays.done;
    expect(stays.seqs).toEqual(upTo(3));
    expect(log.feeds.count).toBe(0);
  });
});

describe('readers of archived logs', () => {
  it('wait for the blob store by themselves: live logs are read meanwhile', async () => {
    const idOf = (n: number) => asBuildId(`00000000-0000-4000-8000-0000000000${n}`);
    const live = idOf(99);
    const asked: string[] = [];
    const stop = new AbortController();
    const over = new Promise<never>((_, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error));
    });
    const chunk = newLogChunk(['a line']);
    const feeds = new LogFeeds(
      {
        builds: {
          progress: async (id) => {
            const archived = id !== live;
            const status = archived ? 'SUCCEEDED' : 'IN_PROGRESS';
            return { id, status, attempt: 1, attempts: [], logArchived: archived } as unknown as Build;
          },
        },
        logs: {
          place: async (buildId, attempt) => ({ buildId, attempt, day: '2026-11-22' }),
          chunks: async ({ buildId }) => {
            asked.push(buildId);
            if (buildId !== live) await over; // the blob store does not answer
            return [chunk];
          },
          size: async () => ({ lineCount: 1, byteCount: 7, seal: null, attempt: 1 }),
        },
        listener: { onChange: () => () => undefined },
      },
      { connections: 10, pollMs: 60_000 },
    );
    const from = { attempt: 1, seq: 0 };
    const follow = (buildId: typeof live) => followLog(feeds, { buildId, from, signal: stop.signal });
    const archived = Array.from({ length: 20 }, (_, n) => follow(idOf(10 + n)));
    const waiting: Promise<unknown>[] = [];
    for (const reader of archived) {
      await reader.next(); // its status
      waiting.push(reader.next());
    }
    await settled();
    expect(new Set(asked).size).toBe(8);
    const reader = follow(live);
    await reader.next();
    expect(String((await reader.next()).value)).toContain('a line');
    const ended = Promise.allSettled(waiting);
    stop.abort(new Error('the blob store is away'));
    for (const { status } of await ended) expect(status).toBe('rejected');
    await reader.return(undefined);
    expect(feeds.count).toBe(0);
  });
});
