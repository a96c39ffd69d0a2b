// As an operator I add a second host: workers on two engines share Postgres, Redis and a bucket, and nothing else.
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import yauzl from 'yauzl';
import { testDocker } from '#testing/docker-leaks.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { OwnEngine } from '#testing/own-engine.js';
import { testS3Place } from '#testing/s3-place.js';
import { until } from '#testing/until.js';

jest.setTimeout(180_000);

const IMAGE = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';

interface Host {
  name: string;
  engine: OwnEngine;
  dataDir: string;
  worker: ChildProcess;
}

let house: House;
const hosts: Host[] = [];

beforeAll(async () => {
  const s3 = testS3Place();
  house = await House.start({
    workers: 0,
    slots: 1,
    settings: {
      KILNYARD_BLOBS: 's3',
      KILNYARD_S3_ENDPOINT: s3.endpoint!,
      KILNYARD_S3_REGION: s3.region,
      KILNYARD_S3_BUCKET: s3.bucket,
      KILNYARD_S3_PREFIX: s3.prefix,
      KILNYARD_S3_ACCESS_KEY_ID: s3.credentials!.accessKeyId,
      KILNYARD_S3_SECRET_ACCESS_KEY: s3.credentials!.secretAccessKey,
      KILNYARD_DEFAULT_IMAGE: IMAGE,
      KILNYARD_LOG_LEVEL: 'info',
    },
  });
  for (const name of ['one', 'two']) hosts.push(await openHost(name));
  await until('both workers take builds', async () => {
    const { items } = await house.client.json<{ items: { state: string; message: string }[] }>('GET', '/v1/workers');
    return items.filter(({ state }) => state === 'ACTIVE').length === 2;
  }).catch(async (error: unknown) => {
    const logs = await Promise.all(hosts.map(({ engine }) => readFile(join(engine.folder, 'worker.log'), 'utf8')));
    throw new Error(`${String(error)}\n${logs.map((log) => log.slice(-2_000)).join('\n')}`);
  });
});
// each by itself: what is left running keeps this process, whatever the others say
afterAll(() => Promise.all(hosts.map(({ worker }) => ended(worker))));
afterAll(() => house?.stop());
afterAll(() => Promise.all(hosts.map(({ engine }) => engine.close())));

/** An engine and a worker's process that knows no other. */
async function openHost(name: string): Promise<Host> {
  const engine = await OwnEngine.start({ liveRestore: false, apart: false });
  await engine.take(IMAGE, testDocker());
  const dataDir = join(engine.folder, 'kilnyard');
  await mkdir(dataDir);
  const worker = spawn(process.execPath, ['--no-warnings', 'dist/apps/worker/src/main.js'], {
    env: {
      PATH: process.env['PATH'],
      ...house.env,
      KILNYARD_DATA_DIR: dataDir,
      KILNYARD_DOCKER_SOCKET: engine.socket,
      KILNYARD_WORKER_LABELS: `host=${name}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(join(engine.folder, 'worker.log'));
  worker.stdout.pipe(log, { end: false });
  worker.stderr.pipe(log, { end: false });
  return { name, engine, dataDir, worker };
}

async function ended(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const over = new Promise((resolve) => worker.once('exit', resolve));
  worker.kill('SIGTERM');
  const late = setTimeout(() => worker.kill('SIGKILL'), 20_000);
  await over;
  clearTimeout(late);
}

const on = (name: string): { labelsOverride: string[] } => ({ labelsOverride: [`host=${name}`] });

describe('two hosts', () => {
  it('share the builds that ask for neither', async () => {
    const { client } = house;
    await client.project('shared', { image: IMAGE, buildspec: specOf({ build: ['sleep 2', 'echo built'] }) });
    const started = await Promise.all(Array.from({ length: 4 }, () => client.start('shared')));
    const builds = await Promise.all(started.map(({ id }) => client.ended(id)));
    for (const build of builds) {
      expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1, log: { complete: true } });
      expect(await client.output(build.id)).toEqual(['built']);
    }
    expect(new Set(builds.map(({ worker }) => worker)).size).toBe(2);
  });

  it.each(['one', 'two'])('hand out what was made on host %s, whichever API is asked', async (name) => {
    const { client } = house;
    await client.project(`makes-${name}`, {
      image: IMAGE,
      buildspec: specOf(
        { build: [`echo from ${name} > made.txt`] },
        { artifacts: { files: ['made.txt'], 'secondary-artifacts': { folder: { files: ['made.txt'] } } } },
      ),
      artifacts: { type: 'S3', packaging: 'ZIP' },
      secondaryArtifacts: [{ type: 'S3', packaging: 'NONE', artifactIdentifier: 'folder' }],
    });
    const build = await client.run(`makes-${name}`, on(name));
    expect(build.buildStatus).toBe('SUCCEEDED');
    const zip = await client.bytes(`/v1/builds/${build.id}/artifacts/primary`);
    expect(await namesInZip(zip)).toEqual(['made.txt']);
    const file = await client.bytes(`/v1/builds/${build.id}/artifacts/folder/files/made.txt`);
    expect(file.toString()).toBe(`from ${name}\n`);
    for (const { dataDir } of hosts) expect(await readdir(dataDir)).not.toContain('blobs');
  });

  it('restore on one what the other has cached', async () => {
    const { client } = house;
    await client.project('cached', {
      image: IMAGE,
      cache: { type: 'S3' },
      buildspec: specOf(
        { build: ['cat kept/by 2>/dev/null || echo nothing', 'mkdir -p kept', 'echo the first > kept/by'] },
        { cache: { paths: ['kept/**/*'] } },
      ),
    });
    const first = await client.run('cached', on('one'));
    const second = await client.run('cached', on('two'));
    expect([first.worker === second.worker, second.cacheUse?.result]).toEqual([false, 'hit']);
    expect([await client.output(first.id), await client.output(second.id)]).toEqual([['nothing'], ['the first']]);
  });

  it('keep running when one of them goes, and say what waits for it', async () => {
    const { client } = house;
    await client.project('pinned', { image: IMAGE });
    await ended(hosts[0]!.worker);
    const stuck = await client.start('pinned', on('one'));
    expect((await client.get(stuck.id)).waiting?.reason).toBe('NO_MATCHING_WORKER');
    expect((await client.run('pinned')).buildStatus).toBe('SUCCEEDED');
    await client.stop(stuck.id);
  });
});

function namesInZip(zip: Buffer): Promise<string[]> {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(zip, (error, archive) => {
      if (error) return reject(error);
      const names: string[] = [];
      archive.on('entry', ({ fileName }: yauzl.Entry) => names.push(fileName));
      archive.on('end', () => resolve(names));
      archive.on('error', reject);
    });
  });
}
