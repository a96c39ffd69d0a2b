// As an operator I lose the machine of the database: its synchronous standby takes over, and everything goes on as if nothing had been.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import { migrate } from '#store/migrate.js';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';
import { PostgresPair } from '#testing/postgres-pair.js';
import { until } from '#testing/until.js';
import { Client } from '../faults/client.js';
import { linesOf, printLines, type LineRun } from '../faults/lines.js';
import { LogReader } from '../faults/log-reader.js';

/** How long nobody answers at the database's address; what that must come to is told by what is counted. */
const AWAY_MS = 2_500;
const START_EVERY_MS = 100;

let folder: string;
let pair: PostgresPair;
let house: House;
let client: Client;
/** What the API said that it may never say. */
const wrong: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-failover-'));
  pair = await PostgresPair.start();
  await migrate(pair.url);
  house = await House.start({
    workers: 2,
    slots: 6,
    // a claim whose answer got lost is found by its lease
    settings: { KILNYARD_LEASE_MS: '5000' },
    database: { url: pair.url, drop: () => pair.close() },
  });
  client = new Client(house.url, house.env['KILNYARD_ADMIN_TOKEN']!, (text) => wrong.push(text));
});
afterAll(() => house?.stop());
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts one build under a key, again and again until it is taken. */
const start = (project: string, key: string): Promise<BuildView> =>
  client.json('POST', `/v1/projects/${project}/builds`, {}, { 'idempotency-key': key });

const trickle: LineRun = { tag: 'trickle', seed: 7, count: 600, pauseEvery: 10, pauseMs: 100, fill: 0 };
const flood: LineRun = { tag: 'flood', seed: 11, count: 12_000, pauseEvery: 200, pauseMs: 80, fill: 400 };
const short: LineRun = { tag: 'short', seed: 13, count: 20, pauseEvery: 0, pauseMs: 0, fill: 0 };

/** One line for each time that the commands of a build were run. */
const note = 'echo "$CODEBUILD_BUILD_ID" >>"$NOTES/ran"';

async function makeProjects(): Promise<void> {
  const env = { env: { variables: { NOTES: folder } } };
  const project = (name: string, commands: string[], rest: Record<string, unknown> = {}): Promise<void> =>
    house.client.project(name, { buildspec: specOf({ build: commands }, env), ...rest });
  await project('trickle', [note, printLines(trickle)]);
  await project('flood', [note, printLines(flood)]);
  await project('short', [note, printLines(short)]);
  await project('stopped', [note, 'echo waiting', 'sleep 600']);
  await project('leaving', [], {
    buildspec: specOf(
      { build: [note, 'echo ready', 'while [ ! -e "$NOTES/go" ]; do sleep 0.02; done', 'echo made >made', 'MADE=yes'] },
      { env: { ...env.env, 'exported-variables': ['MADE'] }, artifacts: { files: ['made'] } },
    ),
    artifacts: { type: 'S3', packaging: 'NONE' },
  });
}

/** A user who starts builds all the time. Out: how to end that; it gives the answers by key. */
function startingBuilds(): () => Promise<Map<string, BuildView>> {
  const answers = new Map<string, BuildView>();
  const over = new AbortController();
  const starting: Promise<void>[] = [];
  const loop = (async () => {
    for (let number = 0; !over.signal.aborted; number += 1) {
      const key = `key-${number}`;
      starting.push(start('short', key).then((build) => void answers.set(key, build)));
      await sleep(START_EVERY_MS);
    }
  })();
  return async () => {
    over.abort();
    await loop;
    await Promise.all(starting);
    return answers;
  };
}

async function expectLog(build: BuildView, run: LineRun): Promise<void> {
  expect(await house.client.output(build.id)).toEqual(linesOf(run));
  const sha256 = createHash('sha256')
    .update(await house.client.raw(build.id))
    .digest('hex');
  expect(build.log).toMatchObject({ complete: true, sha256 });
}

it('no build is lost or doubled, no line is missing, and nothing wrong is said meanwhile', async () => {
  await makeProjects();
  const [first, second, flooding, stopped, leaving] = await Promise.all(
    ['trickle', 'trickle', 'flood', 'stopped', 'leaving'].map((project, at) => start(project, `${project}-${at}`)),
  );
  const reader = new LogReader(client, first!.id);
  const read = reader.follow(new AbortController().signal);
  await house.client.says(leaving!.id, 'ready');
  await house.client.says(stopped!.id, 'waiting');
  await until('output has come', () => reader.ownLines > 30);
  const startsEnd = startingBuilds();
  await until('short builds have ended', async () => {
    const { items } = await house.client.json<{ items: BuildView[] }>(
      'GET',
      '/v1/builds?project=short&status=SUCCEEDED',
    );
    return items.length > 3;
  });

  await pair.killPrimary();
  await writeFile(join(folder, 'go'), '');
  const stopping = client.json('POST', `/v1/builds/${stopped!.id}/stop`);
  const seen = reader.ownLines;
  for (const path of ['/v1/builds', `/v1/builds/${first!.id}`, `/v1/builds/${first!.id}/log`, '/v1/projects']) {
    const answer = await house.client.ask('GET', path);
    expect([path, answer.status, answer.headers.get('retry-after')]).toEqual([path, 503, '2']);
  }
  await sleep(AWAY_MS);
  expect(reader.ownLines).toBe(seen);
  await pair.promote();

  await stopping;
  await until('the reader goes on', () => reader.ownLines > seen);
  const answers = await startsEnd();
  await read;
  const views = new Map<string, BuildView>();
  for (const { id } of [first!, second!, flooding!, stopped!, leaving!, ...answers.values()])
    views.set(id, await house.client.ended(id));
  const of = (build: BuildView): BuildView => views.get(build.id)!;

  for (const build of [first!, second!]) await expectLog(of(build), trickle);
  await expectLog(of(flooding!), flood);
  expect(of(stopped!).buildStatus).toBe('STOPPED');
  expect(of(leaving!)).toMatchObject({ exportedEnvironmentVariables: [{ name: 'MADE', value: 'yes' }] });
  expect((await house.client.bytes(`/v1/builds/${leaving!.id}/artifacts/primary/files/made`)).toString()).toBe(
    'made\n',
  );
  for (const build of views.values()) {
    if (build.id === stopped!.id) continue;
    expect([build.id, build.buildStatus]).toEqual([build.id, 'SUCCEEDED']);
    expect(phasesOf(build).filter((phase) => !phase.endsWith(' SUCCEEDED'))).toEqual(['COMPLETED -']);
  }
  // each request made one build, and each build's commands ran once
  const all: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { items: BuildView[]; nextCursor: string | null } = await house.client.json(
      'GET',
      `/v1/builds?project=short${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    all.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  expect(all.sort()).toEqual([...answers.values()].map(({ id }) => id).sort());
  for (const { id } of answers.values()) await expectLog(of({ id } as BuildView), short);
  const ran = (await readFile(join(folder, 'ran'), 'utf8')).trim().split('\n');
  expect(ran.sort()).toEqual([...views.keys()].sort());
  // the reader was given every line once
  expect(reader.linesOf(1).map(({ seq }) => Number(seq))).toEqual(
    (await house.client.lines(first!.id)).map(({ seq }) => Number(seq)),
  );
  expect(wrong).toEqual([]);
});
