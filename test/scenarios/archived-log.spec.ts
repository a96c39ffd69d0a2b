// As a user I read the log of an old build as I always did; as an operator I find that it has left the database.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBuildId } from '#core/ids.js';
import { ensureLogPartitions, partitionName } from '#store/log-partitions.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import type { ReceivedEvent } from '#testing/read-events.js';
import { until } from '#testing/until.js';

let house: House;
beforeAll(async () => {
  house = await House.start({ settings: { KILNYARD_CLEANUP_MS: '1000', KILNYARD_LOG_ARCHIVE_AFTER_DAYS: '7' } });
});
afterAll(() => house.stop());

const DAYS = 9;
const AT = new Date(Date.now() - DAYS * 86_400_000);

/** The builds were asked for so many days ago, and their logs lie in the partition of that day. */
async function age(ids: string[]): Promise<void> {
  const uuids = ids.map((id) => parseBuildId(id).id);
  const day = AT.toISOString().slice(0, 10);
  await house.database.transaction(async (tx) => {
    // in one with the move: an empty partition of an old day is taken away as soon as the cleanup sees it
    await ensureLogPartitions(tx, [AT]);
    await tx.query('UPDATE log_chunk SET day = $2 WHERE build_id = ANY($1::uuid[])', [uuids, day]);
    await tx.query('UPDATE build SET queued_at = $2, log_day = $3 WHERE id = ANY($1::uuid[])', [
      uuids,
      AT.toISOString(),
      day,
    ]);
  });
}

async function eventsOf(id: string, lastEventId?: string): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for await (const event of house.client.follow(id, lastEventId)) events.push(event);
  return events;
}

/** What users see of a log, by each way. */
async function seen(id: string): Promise<Record<string, unknown>> {
  const { client } = house;
  const ranged = async (range: string): Promise<string> => {
    const answer = await client.ask('GET', `/v1/builds/${id}/log/raw`, undefined, { range });
    return `${answer.status} ${answer.headers.get('content-range')} ${await answer.text()}`;
  };
  return {
    pages: await client.lines(id),
    page: await client.json('GET', `/v1/builds/${id}/log?limit=20&cursor=100`),
    tail: await client.json('GET', `/v1/builds/${id}/log?tail=10`),
    raw: (await client.raw(id)).toString('latin1'),
    ranges: [await ranged('bytes=100-4000'), await ranged('bytes=-50')],
    events: await eventsOf(id),
    resumed: await eventsOf(id, '150'),
  };
}

describe('a log that has grown old', () => {
  it('is moved out of the database, and read as before', async () => {
    const { client } = house;
    const long = specOf({ build: ['n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo "line $n of a log"; done'] });
    const first = await client.build('archived', { buildspec: long });
    const second = await client.run('archived');
    expect(first.log).toMatchObject({ location: 'DATABASE', complete: true });
    const before = [await seen(first.id), await seen(second.id)];

    await age([first.id, second.id]);
    for (const { id } of [first, second])
      await client.until(id, 'is archived', ({ log }) => log.location === 'STORAGE');
    const partition = partitionName(AT);
    await until('the partition of the day is gone', async () => {
      const { rows } = await house.database.query<{ gone: boolean }>(`SELECT to_regclass($1) IS NULL AS gone`, [
        partition,
      ]);
      return rows[0]!.gone;
    });

    expect([await seen(first.id), await seen(second.id)]).toEqual(before);
    const { log } = await client.get(first.id);
    expect(log).toEqual({ ...first.log, location: 'STORAGE' });
  });

  it('takes its bytes along when its build is deleted', async () => {
    const { client } = house;
    const build = await client.build('deleted');
    await age([build.id]);
    await client.until(build.id, 'is archived', ({ log }) => log.location === 'STORAGE');
    const folder = join(house.dataDir, 'blobs', 'objects', 'logs');
    expect(await readdir(folder)).toContain(parseBuildId(build.id).id);
    expect((await client.ask('DELETE', `/v1/builds/${build.id}`)).status).toBe(204);
    expect(await readdir(folder)).not.toContain(parseBuildId(build.id).id);
  });
});
