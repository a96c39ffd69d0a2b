// As a user who watches a build while the API is restarted I miss nothing and see nothing twice.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

it('a reader that comes back with its last id goes on where it was', async () => {
  const { client } = house;
  const go = join(house.dataDir, 'go');
  await client.project('tailed', {
    buildspec: specOf({
      build: [
        'for i in 1 2 3 4 5; do echo before $i; done',
        `while [ ! -e ${go} ]; do echo meanwhile; sleep 0.05; done`,
        'for i in 1 2 3 4 5; do echo after $i; done',
      ],
    }),
  });
  const { id } = await client.start('tailed');
  const seen: number[] = [];
  const texts: string[] = [];
  let lastId: string | undefined;
  let ended = false;
  let restarts = 0;
  while (!ended) {
    let restarting: Promise<void> | null = null;
    for await (const event of client.follow(id, lastId)) {
      lastId = event.id ?? lastId;
      seen.push(...(event.data.lines ?? []).map(({ seq }) => seq));
      texts.push(...(event.data.lines ?? []).map(({ text }) => text));
      ended = event.event === 'end';
      if (restarting !== null || !texts.includes('meanwhile')) continue;
      if (restarts === 2) {
        restarting = writeFile(go, '');
      } else {
        restarts += 1;
        restarting = house.restartApi();
      }
    }
    await restarting;
  }
  const all = await client.lines(id);
  expect(restarts).toBe(2);
  expect(seen).toEqual(all.map(({ seq }) => seq));
  expect(texts).toEqual(all.map(({ text }) => text));
  expect(texts.filter((text) => /^(before|after) /.test(text))).toHaveLength(10);
});
