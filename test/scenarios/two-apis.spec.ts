// As a user behind a load balancer I do not notice which of several APIs answers me.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { API_SECTIONS } from '../../apps/api/src/connections.js';
import { startApi, type RunningApi } from '../../apps/api/src/start-api.js';
import { readSettings } from '#config/settings.js';
import { SILENT } from '#observe/logger.js';
import { House } from '#testing/house.js';
import { HouseClient, specOf } from '#testing/house-client.js';

let house: House;
let second: RunningApi;
let other: HouseClient;
beforeAll(async () => {
  house = await House.start();
  second = await startApi(readSettings(house.env, ...API_SECTIONS), SILENT);
  other = new HouseClient(() => second.url, house.env['KILNYARD_ADMIN_TOKEN']!);
});
afterAll(async () => {
  await second.close();
  await house.stop();
});

it('a build that was started at one is followed live and stopped at the other', async () => {
  const { client } = house;
  await client.project('across', { buildspec: specOf({ build: ['echo begun', 'sleep 600'] }) });
  const { id } = await client.start('across');
  await other.says(id, 'begun');
  await other.stop(id);
  expect((await client.ended(id)).buildStatus).toBe('STOPPED');
  expect(await other.raw(id)).toEqual(await client.raw(id));
});

it('a reader whose API goes away goes on at the other, missing nothing', async () => {
  const third = await startApi(readSettings(house.env, ...API_SECTIONS), SILENT);
  const leaving = new HouseClient(() => third.url, house.env['KILNYARD_ADMIN_TOKEN']!);
  await leaving.project('moved', {
    buildspec: specOf({ build: ['for n in 1 2 3 4 5 6 7 8 9 10; do echo line $n; sleep 0.2; done'] }),
  });
  const { id } = await leaving.start('moved');
  const seqs: number[] = [];
  let last: string | undefined;
  for (const reader of [leaving, other]) {
    for await (const event of reader.follow(id, last)) {
      for (const line of event.data.lines ?? []) seqs.push(Number(line.seq));
      last = event.id ?? last;
      if (event.event === 'end') break;
      if (reader === leaving && seqs.length > 3) break;
    }
    if (reader === leaving) await third.close();
  }
  const all = (await other.lines(id)).map(({ seq }) => Number(seq));
  expect(seqs).toEqual(all);
  await other.ended(id);
});

it('one Idempotency-Key at both at once starts one build', async () => {
  const { client } = house;
  await client.project('once');
  const key = { 'idempotency-key': 'the-same' };
  const start = async (one: HouseClient): Promise<string | null> => {
    const answer = await one.ask('POST', '/v1/projects/once/builds', {}, key);
    return answer.status === 201 ? ((await answer.json()) as { id: string }).id : null;
  };
  const ids = await Promise.all([start(client), start(other), start(client), start(other)]);
  const id = ids.find((one) => one !== null);
  expect(id).toBeDefined();
  expect(new Set(ids.filter((one) => one !== null)).size).toBe(1);
  expect(await start(other)).toBe(id);
  await other.ended(id!);
  const { items } = await other.json<{ items: unknown[] }>('GET', '/v1/builds?project=once');
  expect(items).toHaveLength(1);
});
