// As a user I get my build's output whole and in order, however much it is and whatever bytes it holds.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

/** Bytes of the raw log that a command wrote: what lies between Kilnyard's own lines around it. */
function outputOf(raw: Buffer): Buffer {
  const text = raw.toString('latin1');
  const begin = text.indexOf('\n', text.indexOf('Running command')) + 1;
  const end = text.lastIndexOf('[Container] ', text.indexOf('Phase complete: BUILD'));
  return raw.subarray(begin, end);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a log', () => {
  it('of 200,000 lines is whole: live, in pages, raw and sealed', async () => {
    const { client } = house;
    const count = 200_000;
    await client.project('many', {
      buildspec: specOf({ build: [`awk 'BEGIN { for (i = 1; i <= ${count}; i++) print "line " i " of many" }'`] }),
    });
    const { id } = await client.start('many');
    let next = 0;
    let numbered = 0;
    for await (const { event, data } of client.follow(id)) {
      for (const { seq, text } of data.lines ?? []) {
        if (seq !== next) throw new Error(`expected the line ${next}, got ${seq}`);
        next += 1;
        if (text === `line ${numbered + 1} of many`) numbered += 1;
      }
      if (event === 'end') expect(data).toMatchObject({ lineCount: next, complete: true });
    }
    expect(numbered).toBe(count);
    const build = await client.get(id);
    const raw = await client.raw(id);
    expect(build.log).toEqual({
      state: 'complete',
      complete: true,
      location: 'DATABASE',
      expiredAt: null,
      lineCount: next,
      byteCount: raw.length,
      sha256: sha256(raw),
    });
    const lines = outputOf(raw).toString().trimEnd().split('\n');
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([count, 'line 1 of many', `line ${count} of many`]);
    const tail = await client.json<{ lines: { seq: number }[]; complete: boolean }>(
      'GET',
      `/v1/builds/${id}/log?tail=10`,
    );
    expect([tail.lines.length, tail.lines.at(-1)!.seq, tail.complete]).toEqual([10, next - 1, true]);
  });

  it('with one line of 5 MB keeps every byte of it', async () => {
    const { client } = house;
    const bytes = 5_000_000;
    const build = await client.build('long-line', {
      buildspec: specOf({ build: [`awk 'BEGIN { for (i = 0; i < ${bytes / 10}; i++) printf "%010d", i; print "" }'`] }),
    });
    const raw = outputOf(await client.raw(build.id));
    const expected = Buffer.from(
      Array.from({ length: bytes / 10 }, (_, index) => String(index).padStart(10, '0')).join('') + '\n',
    );
    expect(sha256(raw)).toBe(sha256(expected));
    const pieces = (await client.lines(build.id)).filter(({ text }) => /^\d{100}/.test(text));
    expect(pieces.map(({ text }) => text).join('')).toHaveLength(bytes);
    expect(pieces.map(({ continues }) => continues ?? false)).toEqual(pieces.map((_, at) => at < pieces.length - 1));
  });

  it('keeps progress bars, colours and bytes that are no UTF-8 as they were', async () => {
    const { client } = house;
    const build = await client.build('bytes', {
      buildspec: specOf({
        build: [String.raw`printf '10%%\r50%%\r100%%\n\033[31mred\033[0m\n\377\376bad\304\n\303\274\n\000nul\n'`],
      }),
    });
    expect(build.buildStatus).toBe('SUCCEEDED');
    const expected = Buffer.concat([
      Buffer.from('10%\r50%\r100%\n\x1b[31mred\x1b[0m\n'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('bad'),
      Buffer.from([0xc4]),
      Buffer.from('\nü\n\0nul\n'),
    ]);
    expect(outputOf(await client.raw(build.id)).toString('latin1')).toBe(expected.toString('latin1'));
    const output = await client.output(build.id);
    expect(output).toContain('\x1b[31mred\x1b[0m');
    expect(output).toContain('\ufffd\ufffdbad\ufffd');
    expect(output).toContain('ü');
    expect(output.some((text) => text.includes('100%'))).toBe(true);
  });

  it('is given by ranges of bytes', async () => {
    const { client } = house;
    const build = await client.build('ranged');
    const raw = await client.raw(build.id);
    for (const [range, part] of [
      ['bytes=0-9', raw.subarray(0, 10)],
      ['bytes=-5', raw.subarray(-5)],
      [`bytes=7-`, raw.subarray(7)],
    ] as const) {
      const answer = await client.ask('GET', `/v1/builds/${build.id}/log/raw`, undefined, { range });
      expect([answer.status, Buffer.from(await answer.arrayBuffer()).equals(part)]).toEqual([206, true]);
    }
    const past = await client.ask('GET', `/v1/builds/${build.id}/log/raw`, undefined, {
      range: `bytes=${raw.length}-`,
    });
    expect(past.status).toBe(416);
  });
});
