// As an operator I say how long builds, logs and artifacts are kept; as a user I am told what is no longer there, and why.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBuildId } from '#core/ids.js';
import { ensureLogPartitions } from '#store/log-partitions.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

jest.setTimeout(60_000);

let house: House;
beforeAll(async () => {
  house = await House.start({ settings: { KILNYARD_CLEANUP_MS: '1000' } });
});
afterAll(() => house.stop());

const buildspec = specOf(
  { build: ['echo kept for a while', 'echo x > out.txt'] },
  { artifacts: { files: ['out.txt'] } },
);

/** The build was asked for so many days ago, and its log lies in the partition of that day. */
async function age(id: string, days: number): Promise<void> {
  const { id: uuid } = parseBuildId(id);
  const at = new Date(Date.now() - days * 86_400_000).toISOString();
  const day = at.slice(0, 10);
  await house.database.transaction(async (tx) => {
    // in one with the move: an empty partition of an old day is taken away as soon as the cleanup sees it
    await ensureLogPartitions(tx, [new Date(at)]);
    await tx.query('UPDATE build SET queued_at = $2, log_day = $3 WHERE id = $1', [uuid, at, day]);
    await tx.query('UPDATE log_chunk SET day = $2 WHERE build_id = $1', [uuid, day]);
  });
}

async function problemOf(path: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const answer = await house.client.ask('GET', path, undefined, headers);
  return [answer.status, ((await answer.json()) as { code: string }).code];
}

describe('retention', () => {
  it('takes the log of an old build, and every way to it says so', async () => {
    const old = await house.client.build('loggy', { buildspec, retention: { logsDays: 3 } });
    const young = await house.client.run('loggy');
    expect(old.log).toMatchObject({ state: 'complete', complete: true, expiredAt: null });
    await age(old.id, 5);
    await house.client.until(old.id, 'has lost its log', ({ log }) => log.state === 'expired');
    const { log } = await house.client.get(old.id);
    expect(log).toMatchObject({ complete: false, lineCount: old.log.lineCount, sha256: old.log.sha256 });
    const path = `/v1/builds/${old.id}/log`;
    expect(await problemOf(path)).toEqual([410, 'LOG_EXPIRED']);
    expect(await problemOf(path, { accept: 'text/event-stream' })).toEqual([410, 'LOG_EXPIRED']);
    expect(await problemOf(`${path}/raw`)).toEqual([410, 'LOG_EXPIRED']);
    expect(await house.client.output(young.id)).toEqual(['kept for a while']);
  });

  it('takes artifacts over the count, says so, and gives their bytes up; the newest stay', async () => {
    await house.client.project('arty', {
      buildspec,
      artifacts: { type: 'S3', packaging: 'NONE' },
      retention: { artifactsCount: 1 },
    });
    const first = await house.client.run('arty');
    const second = await house.client.run('arty');
    const list = async (id: string) =>
      (await house.client.json<{ items: { expiredAt: string | null }[] }>('GET', `/v1/builds/${id}/artifacts`)).items;
    await until('the first artifact has expired', async () => (await list(first.id))[0]!.expiredAt !== null);
    expect(await problemOf(`/v1/builds/${first.id}/artifacts/primary/files`)).toEqual([410, 'ARTIFACT_EXPIRED']);
    expect((await list(second.id))[0]!.expiredAt).toBeNull();
    expect(String(await house.client.bytes(`/v1/builds/${second.id}/artifacts/primary/files/out.txt`))).toBe('x\n');
    await house.database.query('UPDATE doomed_blob SET due_at = now()');
    const objects = join(house.dataDir, 'blobs', 'objects', 'artifacts');
    await until('the bytes are gone', async () => !(await readdir(objects)).includes(parseBuildId(first.id).id));
    expect(await readdir(objects)).toContain(parseBuildId(second.id).id);
  });

  it('takes builds over the count with all that is theirs, but not the newest success', async () => {
    await house.client.project('county', { buildspec, retention: { buildsCount: 1 } });
    const success = await house.client.run('county');
    const builds = async () =>
      (await house.client.json<{ items: { id: string }[] }>('GET', '/v1/builds?project=county')).items.map(
        ({ id }) => id,
      );
    const fails = { buildspecOverride: specOf({ build: ['exit 1'] }) };
    const gone = await house.client.run('county', fails);
    const last = await house.client.run('county', fails);
    await until('one build has gone', async () => (await builds()).length === 2);
    expect(await builds()).toEqual([last.id, success.id]);
    expect(await problemOf(`/v1/builds/${gone.id}`)).toEqual([404, 'BUILD_NOT_FOUND']);
  });

  it('is a part of a project that is checked, shown, and may say "for ever"', async () => {
    const body = (retention: unknown) => ({
      name: 'policy',
      source: { type: 'NO_SOURCE', buildspec },
      retention,
    });
    const wrong = await house.client.ask('POST', '/v1/projects', body({ logsDays: -1, forever: true }));
    expect(wrong.status).toBe(400);
    const fields = ((await wrong.json()) as { findings: { field: string }[] }).findings.map(({ field }) => field);
    expect(fields).toEqual(expect.arrayContaining([expect.stringContaining('retention')]));
    expect(await house.client.json('POST', '/v1/projects', body({ logsDays: 0 }))).toMatchObject({
      retention: { logsDays: 0 },
    });
  });

  it('tells what each part of the storage takes', async () => {
    const parts = async () => {
      const { items } = await house.client.json<{ items: { part: string; host: string }[] }>('GET', '/v1/storage');
      return items.map(({ part, host }) => (host === '' ? part : `host ${part}`));
    };
    await until('all parts are measured', async () => (await parts()).length >= 8);
    expect(await parts()).toEqual([
      ...['archive', 'artifacts', 'builds', 'caches', 'logs', 'uploads'],
      ...['host mirrors', 'host temp'],
    ]);
  });
});
