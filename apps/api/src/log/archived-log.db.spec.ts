// An archived log over HTTP: every way to read it gives to the byte what it gave before, from a disk and from a real S3 server.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { join } from 'node:path';
import type { Blobs } from '#blobs/blobs.js';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import { S3Blobs } from '#blobs/s3-blobs.js';
import { publicBuildId } from '#core/ids.js';
import { partitionName } from '#store/log-partitions.js';
import { RetentionStore } from '#store/retention/retention.store.js';
import { newLogChain } from '#testing/factories.js';
import { newOldBuild } from '#testing/old-builds.js';
import { testS3Place } from '#testing/s3-place.js';
import type { BuildView } from '../builds/build.dto.js';
import { newApiUnderTest, projectBody, storeId, type ApiUnderTest } from '../testing/api-under-test.js';

jest.setTimeout(120_000);

const POLICY = { buildsDays: 0, buildsCount: 0, logsDays: 0, artifactsDays: 0, artifactsCount: 0 };
const SIGNAL = new AbortController().signal;
const DAYS = 9;
const QUEUED_AT = new Date(Date.now() - DAYS * 86_400_000);

interface Place {
  name: string;
  settings(): Record<string, string>;
  open(api: ApiUnderTest): Blobs;
}
const s3 = (): ReturnType<typeof testS3Place> => (place ??= testS3Place());
let place: ReturnType<typeof testS3Place> | undefined;
const PLACES: Place[] = [
  { name: 'a disk', settings: () => ({}), open: ({ dataDir }) => new DiskBlobs({ root: join(dataDir, 'blobs') }) },
  {
    name: 'an S3 server',
    settings: () => ({
      KILNYARD_BLOBS: 's3',
      KILNYARD_S3_ENDPOINT: s3().endpoint!,
      KILNYARD_S3_REGION: s3().region,
      KILNYARD_S3_BUCKET: s3().bucket,
      KILNYARD_S3_PREFIX: s3().prefix,
      KILNYARD_S3_ACCESS_KEY_ID: s3().credentials!.accessKeyId,
      KILNYARD_S3_SECRET_ACCESS_KEY: s3().credentials!.secretAccessKey,
    }),
    open: () => new S3Blobs({ place: s3() }),
  },
];

describe.each(PLACES)('an archived log on $name', ({ settings, open }) => {
  let api: ApiUnderTest;
  let blobs: Blobs;
  let path: string;
  let before: string[];

  beforeAll(async () => {
    api = await newApiUnderTest(settings());
    blobs = open(api);
    await api.ask('POST', '/v1/projects', projectBody('demo'));
    const id = await newOldBuild(api.database, {
      ...{ project: 'demo', queuedAt: QUEUED_AT, status: 'SUCCEEDED' },
      attempts: [newLogChain('first', [3, 2]), newLogChain('line', [3, 1, 40, 2_500, 900, 7], 120)],
    });
    await api.database.query(`UPDATE build SET current_phase = 'COMPLETED' WHERE id = $1`, [id]);
    path = `/v1/builds/${publicBuildId('demo', id)}`;
    before = await answers();
    expect((await view()).log).toMatchObject({ location: 'DATABASE', complete: true });
  });
  afterAll(async () => {
    blobs.close();
    await api.close();
  });

  const view = async () => (await (await api.ask('GET', path)).json()) as BuildView;

  /** Status, the headers that tell of the content, and the body, of all that can be asked of a log. */
  async function answers(): Promise<string[]> {
    const stream = { accept: 'text/event-stream' };
    const asked: [string, Record<string, string>?][] = [
      ['/log'],
      ['/log?limit=10&cursor=2:1000'],
      ['/log?limit=10000'],
      ['/log?tail=25'],
      ['/log?attempt=1'],
      ['/log?cursor=99999'],
      ['/log/raw'],
      ['/log/raw?attempt=1'],
      ['/log/raw', { range: 'bytes=0-0' }],
      ['/log/raw', { range: 'bytes=5000-150000' }],
      ['/log/raw', { range: 'bytes=-300' }],
      ['/log/raw', { range: 'bytes=99999999-' }],
      ['/log', stream],
      ['/log?tail=40', stream],
      ['/log?attempt=1', stream],
      ['/log', { ...stream, 'last-event-id': '2:1234' }],
      ['/log', { ...stream, 'last-event-id': '3' }],
      ['/log', { ...stream, 'last-event-id': '2:3452' }],
    ];
    const given: string[] = [];
    for (const [query, headers = {}] of asked) {
      const answer = await api.ask('GET', `${path}${query}`, undefined, headers);
      const told = ['content-type', 'content-length', 'content-range', 'etag', 'kilnyard-log-complete'].map((name) =>
        answer.headers.get(name),
      );
      const body = Buffer.from(await answer.arrayBuffer()).toString('latin1');
      given.push(
        [query, JSON.stringify(headers), answer.status, ...told, body.replace(/"requestId":"[^"]*"/, '')].join('\n'),
      );
    }
    return given;
  }

  it('is given as before, by pages, tail, bytes, ranges and events, also from where a reader was cut off', async () => {
    const retention = new RetentionStore(api.database, POLICY, { blobs, afterDays: 7 });
    expect(await retention.archiveLogs(new Date(), SIGNAL)).toMatchObject({ items: 1, failure: null });
    expect((await retention.expireLogs(new Date(), SIGNAL)).partitions).toContain(partitionName(QUEUED_AT));
    expect((await api.database.query('SELECT 1 FROM log_chunk')).rowCount).toBe(0);

    const after = await answers();
    expect(after).toHaveLength(before.length);
    for (const [index, answer] of after.entries()) expect(answer).toBe(before[index]);
    const { log, attempts } = await view();
    expect(log).toMatchObject({ location: 'STORAGE', state: 'complete', complete: true, lineCount: 3_451 });
    expect(attempts.map((one) => one.log.complete)).toEqual([true, true]);
  });

  it('takes its objects along when its build is deleted', async () => {
    const keys: string[] = [];
    for await (const { key } of blobs.list(`logs/${storeId(path.slice('/v1/builds/'.length))}/`)) keys.push(key);
    expect(keys).toHaveLength(2);
    expect((await api.ask('DELETE', path)).status).toBe(204);
    for (const key of keys) expect(await blobs.stat(key)).toBeNull();
    expect((await api.ask('GET', `${path}/log`)).status).toBe(404);
  });
});
