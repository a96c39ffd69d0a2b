import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Lease } from '#core/build.js';
import type { LogChunk } from '#core/log-line.js';
import { newLogChunk, newLogSeal } from '#testing/factories.js';
import type { BuildView } from '../builds/build.dto.js';
import { ADMIN_TOKEN, newApiUnderTest, projectBody, type ApiUnderTest } from '../testing/api-under-test.js';

jest.setTimeout(60_000);

interface Got {
  event: string;
  id: string | null;
  data: Record<string, unknown> & { lines?: { seq: number; text: string }[] };
}

let api: ApiUnderTest;
beforeAll(async () => {
  api = await newApiUnderTest();
});
afterAll(() => api.close());

/** Chunks of `sizes` lines each, `line <seq>`. */
function chunksOf(sizes: number[]): LogChunk[] {
  let firstSeq = 0;
  let firstByte = 0;
  return sizes.map((size) => {
    const start = firstSeq;
    const chunk = newLogChunk(
      Array.from({ length: size }, (_, index) => `line ${start + index}`),
      { firstSeq, firstByte },
    );
    firstSeq += size;
    firstByte += chunk.bytes.length;
    return chunk;
  });
}

async function runningBuild(): Promise<{ id: string; lease: Lease }> {
  const id = await api.startBuild();
  const { lease } = await api.claim();
  return { id, lease };
}

/** Ends a build as a worker does: the seal first, the status last. */
async function finish(lease: Lease, chunks: LogChunk[]): Promise<void> {
  await api.logs.seal(lease, newLogSeal(chunks));
  for (let phase = 0; phase < 8; phase++) await api.builds.apply(lease, 'SUCCEED', [], new Date());
}

/** Opens the stream; yields events until the connection ends. */
async function* follow(id: string, lastEventId?: string, signal?: AbortSignal, query = ''): AsyncGenerator<Got> {
  const answer = await fetch(`${api.url}/v1/builds/${id}/log${query}`, {
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    ...(signal === undefined ? {} : { signal }),
  });
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  expect(answer.headers.get('x-accel-buffering')).toBe('no');
  expect(answer.headers.get('cache-control')).toContain('no-store');
  if (answer.body === null) throw new Error('a stream has a body');
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(piece, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.split(': ', 1)[0] ?? '', line.slice(line.indexOf(': ') + 2)]),
      );
      text = text.slice(end + 2);
      const event = fields.get('event');
      if (event !== undefined)
        yield { event, id: fields.get('id') ?? null, data: JSON.parse(fields.get('data') ?? 'null') as Got['data'] };
    }
  }
}

function seqsOf(events: Got[]): number[] {
  return events.flatMap(({ data }) => data.lines?.map(({ seq }) => seq) ?? []);
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('the live stream', () => {
  it('follows a build to its end, every line once and in order', async () => {
    const { id, lease } = await runningBuild();
    const chunks = chunksOf([3, 1, 40, 2500, 7]);
    const reading = (async () => {
      const events: Got[] = [];
      for await (const event of follow(id)) events.push(event);
      return events;
    })();
    for (const chunk of chunks) await api.logs.append(lease, chunk);
    await finish(lease, chunks);
    const events = await reading;
    expect(seqsOf(events)).toEqual(upTo(2551));
    for (const { event, id: at, data } of events)
      if (event === 'lines') expect(at).toBe(String(data.lines?.at(-1)?.seq));
    expect(events.at(-1)).toEqual({
      event: 'end',
      id: null,
      data: {
        attempt: 1,
        buildStatus: 'SUCCEEDED',
        lineCount: 2551,
        sha256: newLogSeal(chunks).sha256,
        complete: true,
      },
    });
    expect(events.filter(({ event }) => event === 'end')).toHaveLength(1);
    expect(events.filter(({ event }) => event === 'status').at(-1)?.data).toMatchObject({ currentPhase: 'COMPLETED' });
  });

  it('goes on after a cut connection without gap or repeat', async () => {
    const { id, lease } = await runningBuild();
    const chunks = chunksOf([5, 5, 5, 5, 1200, 5]);
    const seen: number[] = [];
    let last: string | undefined;
    let next = 0;
    for (let round = 0; round < 4; round++) {
      const chunk = chunks[next++];
      if (chunk !== undefined) await api.logs.append(lease, chunk);
      const cut = new AbortController();
      for await (const { event, id: at, data } of follow(id, last, cut.signal)) {
        if (event !== 'lines') continue;
        seen.push(...(data.lines ?? []).map(({ seq }) => seq));
        last = at ?? last;
        break; // the reader is gone in the middle
      }
      cut.abort();
    }
    for (; next < chunks.length; next++) await api.logs.append(lease, chunks[next] as LogChunk);
    await finish(lease, chunks);
    const rest: Got[] = [];
    for await (const event of follow(id, last)) rest.push(event);
    expect([...seen, ...seqsOf(rest)]).toEqual(upTo(1225));
    expect(rest.at(-1)?.event).toBe('end');
  });

  it('survives a restart of the API in the middle', async () => {
    const { id, lease } = await runningBuild();
    const chunks = chunksOf([10, 10]);
    await api.logs.append(lease, chunks[0] as LogChunk);
    const before: Got[] = [];
    const reading = (async () => {
      for await (const event of follow(id)) before.push(event);
    })();
    while (!before.some(({ event }) => event === 'lines')) await new Promise((resolve) => setTimeout(resolve, 10));
    await api.restartApi();
    await reading; // ended by the shutdown, kindly
    expect(before.map(({ event }) => event)).not.toContain('end');
    await api.logs.append(lease, chunks[1] as LogChunk);
    await finish(lease, chunks);
    const after: Got[] = [];
    for await (const event of follow(id, before.findLast(({ id: at }) => at !== null)?.id ?? undefined))
      after.push(event);
    expect([...seqsOf(before), ...seqsOf(after)]).toEqual(upTo(20));
  });

  it('ends at once for a build that was stopped in the queue', async () => {
    const id = await api.startBuild('queued');
    await api.ask('POST', `/v1/builds/${id}/stop`);
    const events: Got[] = [];
    for await (const event of follow(id)) events.push(event);
    expect(events.map(({ event }) => event)).toEqual(['status', 'end']);
    expect(events.at(-1)?.data).toMatchObject({ buildStatus: 'STOPPED', lineCount: 0 });
  });

  it('hears of a stop while its build still waits', async () => {
    const id = await api.startBuild('gone');
    const events: Got[] = [];
    const reading = (async () => {
      for await (const event of follow(id)) events.push(event);
    })();
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await api.ask('POST', `/v1/builds/${id}/stop`);
    await reading;
    expect(events.at(-1)?.event).toBe('end');
    expect((await api.ask('DELETE', `/v1/builds/${id}`)).status).toBe(204);
  });

  it.each([
    ['a Last-Event-ID that is none', '', { accept: 'text/event-stream', 'last-event-id': 'x' }],
    ['a tail of too many', '?tail=10001', {}],
    ['tail and cursor together', '?tail=1&cursor=1', {}],
    ['a cursor that is none', '?cursor=-1', {}],
    ['a cursor of an attempt that cannot be yet', '?cursor=2:0', {}],
    ['an attempt 0', '?attempt=0', {}],
    ['an id of an attempt that cannot be yet', '', { accept: 'text/event-stream', 'last-event-id': '3:1' }],
  ])('refuses %s', async (_, query, headers) => {
    const id = await api.startBuild('refused');
    const answer = await api.ask('GET', `/v1/builds/${id}/log${query}`, undefined, headers as Record<string, string>);
    expect(answer.status).toBe(400);
    await api.ask('POST', `/v1/builds/${id}/stop`);
  });
});

describe('pages and bytes', () => {
  it('give the same log in every way', async () => {
    const { id, lease } = await runningBuild();
    const chunks = chunksOf([100, 900, 1000, 17]);
    const text = Buffer.concat(chunks.map(({ bytes }) => bytes));
    await api.logs.append(lease, chunks[0] as LogChunk);

    const early = await api.ask('GET', `/v1/builds/${id}/log/raw`);
    expect([early.headers.get('kilnyard-log-complete'), early.headers.get('etag')]).toEqual(['false', null]);
    expect(await early.text()).toBe(chunks[0]?.bytes.toString());

    for (const chunk of chunks.slice(1)) await api.logs.append(lease, chunk);
    await finish(lease, chunks);

    const texts: string[] = [];
    let query = '?limit=300';
    for (;;) {
      const page = (await (await api.ask('GET', `/v1/builds/${id}/log${query}`)).json()) as {
        lines: { text: string; time: string; stream: string }[];
        nextCursor: string | null;
        complete: boolean;
      };
      texts.push(...page.lines.map((line) => line.text));
      expect(page.complete).toBe(page.nextCursor === null);
      if (page.nextCursor === null) break;
      query = `?limit=300&cursor=${page.nextCursor}`;
    }
    expect(`${texts.join('\n')}\n`).toBe(text.toString());

    const tail = (await (await api.ask('GET', `/v1/builds/${id}/log?tail=2`)).json()) as { lines: { seq: number }[] };
    expect(tail.lines.map(({ seq }) => seq)).toEqual([2015, 2016]);

    const whole = await api.ask('GET', `/v1/builds/${id}/log/raw`);
    const sha256 = createHash('sha256').update(text).digest('hex');
    expect(whole.headers.get('content-length')).toBe(String(text.length));
    expect(whole.headers.get('content-disposition')).toBe(
      'inline; filename="demo-' + whole.headers.get('content-disposition')?.match(/\d+/)?.[0] + '.log"',
    );
    expect(whole.headers.get('etag')).toBe(`"${sha256}"`);
    expect(
      createHash('sha256')
        .update(Buffer.from(await whole.arrayBuffer()))
        .digest('hex'),
    ).toBe(sha256);
    expect(
      (await api.ask('GET', `/v1/builds/${id}/log/raw`, undefined, { 'if-none-match': `"${sha256}"` })).status,
    ).toBe(304);

    for (const [range, start, end] of [
      ['bytes=0-0', 0, 0],
      ['bytes=5-1500', 5, 1500],
      ['bytes=-7', text.length - 7, text.length - 1],
      [`bytes=${text.length - 1}-`, text.length - 1, text.length - 1],
    ] as const) {
      const part = await api.ask('GET', `/v1/builds/${id}/log/raw`, undefined, { range });
      expect([range, part.status, part.headers.get('content-range')]).toEqual([
        range,
        206,
        `bytes ${start}-${end}/${text.length}`,
      ]);
      expect(await part.text()).toBe(text.subarray(start, end + 1).toString());
    }
    const outside = await api.ask('GET', `/v1/builds/${id}/log/raw`, undefined, { range: `bytes=${text.length}-` });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, `bytes */${text.length}`]);
    const changed = await api.ask('GET', `/v1/builds/${id}/log/raw`, undefined, {
      range: 'bytes=0-1',
      'if-range': '"other"',
    });
    expect(changed.status).toBe(200);
    await changed.arrayBuffer();
  });
});

describe('across attempts', () => {
  /** A build whose attempts fail until its limit is used up. */
  async function retried(): Promise<string> {
    const name = `retried-${Math.random().toString(36).slice(2)}`;
    await api.ask('POST', '/v1/projects', { ...projectBody(name), autoRetryLimit: 1 });
    const answer = await api.ask('POST', `/v1/projects/${name}/builds`, {});
    return ((await answer.json()) as { id: string }).id;
  }
  /** The attempt ends, failed with this exit status, its log sealed. */
  async function fail(lease: Lease, chunks: LogChunk[], exitCode: number): Promise<void> {
    await api.logs.seal(lease, newLogSeal(chunks));
    const context = { statusCode: 'COMMAND_EXECUTION_ERROR', message: `exit status ${exitCode}`, exitCode };
    for (const event of ['SUCCEED', 'SUCCEED'] as const) await api.builds.apply(lease, event, [], new Date());
    await api.builds.apply(lease, 'FAIL', [context], new Date());
    await api.builds.apply(lease, 'SUCCEED', [], new Date());
  }
  async function write(lease: Lease, chunks: LogChunk[]): Promise<void> {
    for (const chunk of chunks) await api.logs.append(lease, chunk);
  }
  interface Page {
    lines: { seq: number }[];
    attempt: number;
    nextCursor: string | null;
    complete: boolean;
  }
  const page = async (id: string, query: string): Promise<Page> =>
    (await (await api.ask('GET', `/v1/builds/${id}/log${query}`)).json()) as Page;

  it('the live stream gives each to its end, says when the next begins, and can be taken up in any', async () => {
    const id = await retried();
    const [one, two] = [chunksOf([3, 2]), chunksOf([4])];
    const events: Got[] = [];
    const reading = (async () => {
      for await (const event of follow(id)) events.push(event);
    })();
    const first = (await api.claim()).lease;
    await write(first, one);
    await fail(first, one, 7);
    const second = (await api.claim()).lease;
    await write(second, two);
    await fail(second, two, 8);
    await reading;

    const at = events.findIndex(({ event }) => event === 'attempt');
    expect(seqsOf(events.slice(0, at))).toEqual(upTo(5));
    expect(seqsOf(events.slice(at))).toEqual(upTo(4));
    expect(events[at]!.data).toEqual({
      attempt: 2,
      previous: {
        attempt: 1,
        buildStatus: 'FAILED',
        cause: 'FAILED',
        message: 'exit status 7',
        lineCount: 5,
        sha256: newLogSeal(one).sha256,
        complete: true,
      },
    });
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { attempt: 2, buildStatus: 'FAILED', lineCount: 4, sha256: newLogSeal(two).sha256, complete: true },
    });
    expect(events.filter(({ id: place }) => place !== null).map(({ id: place }) => place!.includes(':'))).toEqual(
      events.filter(({ event }) => event === 'lines').map((event) => events.indexOf(event) > at),
    );

    for (const [seen, rest] of [
      ['1', [2, 3, 4, 0, 1, 2, 3]],
      ['4', [0, 1, 2, 3]],
      ['2:1', [2, 3]],
      ['2:3', []],
    ] as const) {
      const again: Got[] = [];
      for await (const event of follow(id, seen)) again.push(event);
      expect([seen, seqsOf(again), again.at(-1)?.event]).toEqual([seen, rest, 'end']);
    }
    const late: Got[] = [];
    for await (const event of follow(id)) late.push(event);
    expect(seqsOf(late)).toEqual(upTo(4)); // a new reader sees the latest
  });

  it('one that is asked for is read alone, live and when it is over', async () => {
    const id = await retried();
    const one = chunksOf([3]);
    const { lease } = await api.claim();
    const live: Got[] = [];
    const reading = (async () => {
      for await (const event of follow(id, undefined, undefined, '?attempt=1')) live.push(event);
    })();
    await write(lease, one);
    await fail(lease, one, 1);
    await reading; // it ends with the attempt, while the build waits for the next
    expect(live.at(-1)).toMatchObject({ event: 'end', data: { attempt: 1, buildStatus: 'FAILED', lineCount: 3 } });
    const second = (await api.claim()).lease;
    const over: Got[] = [];
    for await (const event of follow(id, undefined, undefined, '?attempt=1')) over.push(event);
    expect(seqsOf(over)).toEqual(upTo(3));
    expect(await page(id, '?attempt=1')).toMatchObject({ attempt: 1, nextCursor: null, complete: true });
    expect((await page(id, '?attempt=1&tail=1')).lines.map(({ seq }) => seq)).toEqual([2]);
    const raw = await api.ask('GET', `/v1/builds/${id}/log/raw?attempt=1`);
    expect(raw.headers.get('kilnyard-log-complete')).toBe('true');
    expect(raw.headers.get('content-disposition')).toContain('-attempt-1.log');
    expect(await raw.text()).toBe(Buffer.concat(one.map(({ bytes }) => bytes)).toString());
    for (const path of ['log?attempt=3', 'log/raw?attempt=3']) {
      const answer = await api.ask('GET', `/v1/builds/${id}/${path}`);
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([404, 'ATTEMPT_NOT_FOUND']);
    }
    const crossed = await api.ask('GET', `/v1/builds/${id}/log?attempt=1&cursor=2:0`);
    expect(crossed.status).toBe(400);
    await api.builds.apply(second, 'STOP', [], new Date());
  });

  it('pages go on with the next one, and are complete only when the build is', async () => {
    const id = await retried();
    const [one, two] = [chunksOf([3]), chunksOf([2])];
    expect(await page(id, '')).toMatchObject({ lines: [], attempt: 0, nextCursor: '1:0', complete: false });
    const first = (await api.claim()).lease;
    await write(first, one);
    expect(await page(id, '?limit=2')).toMatchObject({ attempt: 1, nextCursor: '1:2', complete: false });
    await fail(first, one, 1);
    expect(await page(id, '?cursor=1:2')).toMatchObject({ attempt: 1, nextCursor: '2:0', complete: false });
    expect(await page(id, '?cursor=2:0')).toMatchObject({ lines: [], nextCursor: '2:0', complete: false });
    const second = (await api.claim()).lease;
    await write(second, two);
    expect(await page(id, '?cursor=2:0')).toMatchObject({ attempt: 2, nextCursor: '2:2', complete: false });
    await api.logs.seal(second, newLogSeal(two));
    expect(await page(id, '?cursor=2:2')).toMatchObject({ nextCursor: '2:2', complete: false });
    await api.builds.apply(second, 'STOP', [], new Date());
    expect(await page(id, '?cursor=2:2')).toMatchObject({ nextCursor: null, complete: true });
  });

  it('a build that is stopped while it waits for one ends its readers', async () => {
    const id = await retried();
    const one = chunksOf([3]);
    const { lease } = await api.claim();
    await write(lease, one);
    const events: Got[] = [];
    const reading = (async () => {
      for await (const event of follow(id)) events.push(event);
    })();
    await fail(lease, one, 1);
    while (!events.some(({ data }) => data['currentPhase'] === 'QUEUED' && data['attempt'] === 1))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await api.ask('POST', `/v1/builds/${id}/stop`)).status).toBe(200);
    await reading;
    expect(seqsOf(events)).toEqual(upTo(3));
    expect(events.map(({ event }) => event)).not.toContain('attempt');
    expect(events.at(-1)?.data).toMatchObject({ attempt: 1, buildStatus: 'STOPPED', lineCount: 3, complete: true });
    expect(await page(id, '?cursor=2:0')).toMatchObject({ lines: [], nextCursor: null, complete: true });
    expect(await page(id, '')).toMatchObject({ attempt: 1, nextCursor: null, complete: true });
  });

  it('the build tells of each: how it ended, where its log is, its phases', async () => {
    const id = await retried();
    const one = chunksOf([3]);
    const { lease } = await api.claim();
    await write(lease, one);
    await fail(lease, one, 7);
    const view = (await (await api.ask('GET', `/v1/builds/${id}`)).json()) as BuildView;
    expect(view).toMatchObject({
      buildStatus: 'IN_PROGRESS',
      currentPhase: 'QUEUED',
      attempt: 1,
      worker: null,
      autoRetry: { limit: 1, number: 1 },
      log: { complete: true, lineCount: 3 },
    });
    expect(view.waiting).not.toBeNull();
    expect(view.attempts).toHaveLength(1);
    expect(view.attempts[0]).toMatchObject({
      attempt: 1,
      status: 'FAILED',
      cause: 'FAILED',
      message: 'exit status 7',
      exitCode: 7,
      retriedAs: 'AUTO_RETRY',
      workerId: 'test-00000001',
      logs: { location: `/v1/builds/${id}/log?attempt=1` },
      log: { complete: true, lineCount: 3, sha256: newLogSeal(one).sha256 },
    });
    expect(view.attempts[0]!.phases!.find(({ phaseType }) => phaseType === 'INSTALL')).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ exitCode: 7 }],
    });
    expect((await api.ask('GET', view.attempts[0]!.logs.rawLocation)).status).toBe(200);
    await api.ask('POST', `/v1/builds/${id}/stop`);
  });
});
