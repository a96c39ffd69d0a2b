// As an operator I lose Postgres for longer than a build waits for it: the builds go on when it is back.
import { afterEach, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { newCutOffProxy, type CutOffProxy } from '../../apps/api/src/testing/cut-off-proxy.js';
import { newTestDatabase } from '#testing/database.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

let house: House;
let way: CutOffProxy;
afterEach(() => house?.stop());

it('a build is let go with its container running, and adopted when Postgres is back: nothing of it is missing', async () => {
  const test = await newTestDatabase();
  way = await newCutOffProxy(test.url);
  const drop = async (): Promise<void> => {
    await way.close();
    await test.drop();
  };
  // a second is the least that a build can be told to wait; the lease is the time after which it is found to be let go
  const settings = { KILNYARD_DATABASE_AWAY_MS: '1000', KILNYARD_LEASE_MS: '5000' };
  house = await House.start({ settings, database: { url: way.url, drop } });
  const { client } = house;
  const counts = 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done';
  await client.project('long', {
    buildspec: specOf({ build: [counts, 'echo made >made'] }, { artifacts: { files: ['made'] } }),
    artifacts: { type: 'S3', packaging: 'NONE' },
  });
  const { id } = await client.start('long');
  await until('its output comes', async () => (await client.output(id)).length > 10);
  way.cut();
  const { running } = house.workers[0]!;
  await until('the worker has let it go', () => running.running === 0);
  expect(await house.sandboxes()).toHaveLength(1);
  way.mend();
  const build = await client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1, worker: running.id });
  expect(await client.output(id)).toEqual(Array.from({ length: 200 }, (_, index) => `line ${index + 1}`));
  const sha256 = createHash('sha256')
    .update(await client.raw(id))
    .digest('hex');
  expect(build.log).toMatchObject({ complete: true, sha256 });
  expect((await client.bytes(`/v1/builds/${id}/artifacts/primary/files/made`)).toString()).toBe('made\n');
});
