import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Lease } from '#core/build.js';
import type { LogChunk } from '#core/log-line.js';
import { newLogChunk, newLogSeal } from '#testing/factories.js';
import { ADMIN_TOKEN, newApiUnderTest, type ApiUnderTest } from '../testing/api-under-test.js';

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
async function* follow(id: string, lastEventId?: string, signal?: AbortSignal): AsyncGenerator<Got> {
  const answer = await fetch(`${api.url}/v1/builds/${id}/log`, {
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
      data: { buildStatus: 'SUCCEEDED', lineCount: 2551, sha256: newLogSeal(chunks).sha256, complete: true },
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
