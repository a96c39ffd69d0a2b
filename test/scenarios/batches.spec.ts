// As a team I start one batch, and its graph, matrix or fan-out runs as many builds of one commit, with one outcome.
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BatchView } from '../../apps/api/src/batches/batch.dto.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

let house: House;
beforeAll(async () => {
  // a sweep in ten minutes: whatever begins here was woken by the end of what it waited for
  house = await House.start({ workers: 2, slots: 2, settings: { KILNYARD_SWEEP_MS: '600000' } });
});
afterAll(() => house.stop());

const start = (project: string, overrides: Record<string, unknown> = {}): Promise<BatchView> =>
  house.client.json('POST', `/v1/projects/${project}/batches`, overrides);
const get = (id: string): Promise<BatchView> => house.client.json('GET', `/v1/batches/${id}`);
async function ended(id: string): Promise<BatchView> {
  let batch = await get(id);
  await until(`${id} ends, and it is ${JSON.stringify(batch.counts)}`, async () => (batch = await get(id)).complete);
  return batch;
}
const run = async (project: string, overrides: Record<string, unknown> = {}): Promise<BatchView> =>
  ended((await start(project, overrides)).id);
const statuses = ({ buildGroups }: BatchView): Record<string, string> =>
  Object.fromEntries(buildGroups.slice(1).map(({ identifier, status }) => [identifier, status]));
const buildOf = (batch: BatchView, task: string): string =>
  batch.buildGroups.find(({ identifier }) => identifier === task)!.currentBuildSummary!.id;

const TELL = specOf({ build: ['echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER $CODEBUILD_RESOLVED_SOURCE_VERSION $V"'] });

describe('a graph', () => {
  it('builds one commit, though the branch moves on in its middle, each task by its own file and variables', async () => {
    const { client, git } = house;
    const batch = {
      'build-graph': [
        { identifier: 'first' },
        { identifier: 'second', buildspec: 'second.yml', 'depend-on': ['first'], env: { variables: { V: 'two' } } },
      ],
    };
    const { url, work } = await git.repository('graph', {});
    const commits: string[] = [];
    const move = async (): Promise<void> =>
      void commits.push(
        await work.commit({
          'buildspec.yml': specOf(
            { build: ['echo started', 'while [ ! -e "$GATE" ]; do sleep 0.05; done'] },
            { batch },
          ),
          'second.yml': TELL,
          'round.txt': String(commits.length),
        }),
      );
    await move();
    const gate = `${house.dataDir}/gate`;
    await client.project('graph', {
      source: { type: 'GIT', location: url },
      environment: {
        image: 'fake:1',
        environmentVariables: [
          { name: 'GATE', value: gate },
          { name: 'V', value: 'project' },
        ],
      },
    });
    const { id } = await start('graph');
    let seen = await get(id);
    await until('the first task runs', async () => statuses((seen = await get(id)))['first'] === 'IN_PROGRESS');
    await client.says(buildOf(seen, 'first'), 'started');
    expect(statuses(seen)).toEqual({ first: 'IN_PROGRESS', second: 'PENDING' });
    await move();
    await writeFile(gate, '');
    const done = await ended(id);
    expect(done).toMatchObject({
      buildBatchStatus: 'SUCCEEDED',
      resolvedSourceVersion: commits[0],
      buildBatchNumber: 1,
    });
    expect(await client.output(buildOf(done, 'second'))).toEqual([`second ${commits[0]} two`]);
    expect(await client.get(buildOf(done, 'second'))).toMatchObject({ batch: { id, identifier: 'second' } });
    const spec = done.buildGroups[0]!.currentBuildSummary!;
    const said = (await client.lines(spec.id)).map(({ text }) => text);
    expect(said).toContainEqual(expect.stringMatching(/Batch found in YAML: build-graph with 2 task\(s\)$/));
  });

  it('tells in its first build what is wrong with the buildspec, and begins nothing', async () => {
    const { client } = house;
    await client.project('broken', {
      source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases: {build: {commands: [ls]}}\n' },
    });
    const inline = await client.ask('POST', '/v1/projects/broken/batches', {
      buildspecOverride: 'version: 0.2\nbatch:\n  build-graph:\n  - {identifier: a, depend-on: [b]}\n',
    });
    expect([inline.status, await inline.json()]).toEqual([
      400,
      expect.objectContaining({
        code: 'BUILDSPEC_INVALID',
        findings: [expect.objectContaining({ field: 'batch.build-graph[0].depend-on', line: 4, column: 32 })],
      }),
    ]);
    const { git } = house;
    const { url } = await git.repository('broken', {
      'buildspec.yml': 'version: 0.2\nbatch: {build-list: [{identifier: a, env: {compute-type: HUGE}}]}\n',
    });
    await client.project('broken-file', { source: { type: 'GIT', location: url } });
    const batch = await run('broken-file');
    expect([batch.buildBatchStatus, batch.phases.map(({ phaseType }) => phaseType), batch.buildGroups.length]).toEqual([
      'FAILED',
      ['SUBMITTED', 'DOWNLOAD_BATCHSPEC', 'FAILED'],
      1,
    ]);
    expect(batch.phases[1]!.contexts[0]).toMatchObject({
      statusCode: 'YAML_FILE_ERROR',
      message: expect.stringMatching(/batch\.a\.env\.compute-type: expected one of .* got HUGE/),
    });
  });

  it('runs what the failed ones do not hold up; a retry of the failed makes it whole', async () => {
    const { client } = house;
    const gate = `${house.dataDir}/mended`;
    const batch = {
      'build-graph': [
        { identifier: 'a' },
        { identifier: 'b', env: { variables: { FAILS: '1' } } },
        { identifier: 'c', 'depend-on': ['a', 'b'] },
        { identifier: 'd', 'depend-on': ['a'] },
      ],
    };
    await client.project('mended', {
      buildspec: specOf({ build: [`[ -z "$FAILS" ] || [ -e "${gate}" ]`] }, { batch }),
    });
    const failed = await run('mended');
    expect([failed.buildBatchStatus, statuses(failed)]).toEqual([
      'FAILED',
      { a: 'SUCCEEDED', b: 'FAILED', c: 'SKIPPED', d: 'SUCCEEDED' },
    ]);
    await writeFile(gate, '');
    await client.json('POST', `/v1/batches/${failed.id}/retry`, { retryType: 'RETRY_FAILED_BUILDS' });
    const whole = await ended(failed.id);
    expect([whole.buildBatchStatus, buildOf(whole, 'a')]).toEqual(['SUCCEEDED', buildOf(failed, 'a')]);
    expect(whole.buildGroups[2]!.priorBuildSummaryList).toEqual([failed.buildGroups[2]!.currentBuildSummary]);
    const again = await client.ask('POST', `/v1/batches/${failed.id}/retry`, {});
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([409, 'ILLEGAL_TRANSITION']);
  });

  it('of many tasks fills every slot and never begins one before what it depends on has ended', async () => {
    const { client } = house;
    const tasks = Array.from({ length: 40 }, (_, index) => ({
      identifier: `t${index}`,
      'depend-on': index < 4 ? [] : [`t${index - 4}`, `t${Math.floor(index / 2)}`].filter((on) => on !== `t${index}`),
    }));
    await client.project('wide', { buildspec: specOf({ build: ['true'] }, { batch: { 'build-graph': tasks } }) });
    const done = await run('wide');
    expect([done.buildBatchStatus, done.counts]).toEqual(['SUCCEEDED', { SUCCEEDED: 40 }]);
    const builds = await Promise.all(
      done.buildGroups.map(({ currentBuildSummary }) => client.get(currentBuildSummary!.id)),
    );
    const times = new Map(done.buildGroups.map(({ identifier }, index) => [identifier, builds[index]!]));
    for (const { identifier, dependsOn } of done.buildGroups)
      for (const on of dependsOn)
        expect([identifier, on, times.get(on)!.endTime! <= times.get(identifier)!.startTime]).toEqual([
          identifier,
          on,
          true,
        ]);
  });
});

describe('a matrix and a fan-out', () => {
  it('a matrix is a build for each combination', async () => {
    const { client } = house;
    const batch = { 'build-matrix': { dynamic: { env: { variables: { V: ['1', '2'], W: ['x', 'y'] } } } } };
    await client.project('matrix', { buildspec: specOf({ build: ['echo "$V$W"'] }, { batch }) });
    const done = await run('matrix');
    const said = await Promise.all(
      ['build0', 'build1', 'build2', 'build3'].map((task) => client.output(buildOf(done, task))),
    );
    expect(said.flat()).toEqual(['1x', '1y', '2x', '2y']);
  });

  it('a fan-out splits the tests over its builds: each file in one of them, the same ones again in a retry', async () => {
    const { client, git } = house;
    const files = ['t/a.test', 't/b.test', 't/c d.test', 't/deep/e.test', 't/f.test'];
    const spec = specOf(
      {
        build: [
          `codebuild-tests-run --test-command 'printf "<%s>\\n"' --files-search "codebuild-glob-search '**/*.test'"`,
          `[ "$CODEBUILD_SHARD_INDEX" != 1 ] || [ -e "${house.dataDir}/fanned" ]`,
        ],
      },
      { batch: { 'build-fanout': { parallelism: 2 } } },
    );
    const { url } = await git.repository('fanned', {
      'buildspec.yml': spec,
      ...Object.fromEntries(files.map((file) => [file, 'x'])),
    });
    await client.project('fanned', { source: { type: 'GIT', location: url } });
    const failed = await run('fanned');
    const shown = async (batch: BatchView, task: string): Promise<string[]> => client.output(buildOf(batch, task));
    const both = [await shown(failed, 'build0'), await shown(failed, 'build1')];
    expect(both).toEqual([
      [
        'codebuild-tests-run: shard 1 of 2 runs 3 of 5 test files (equal-distribution)',
        '<t/a.test>',
        '<t/b.test>',
        '<t/c d.test>',
      ],
      [
        'codebuild-tests-run: shard 2 of 2 runs 2 of 5 test files (equal-distribution)',
        '<t/deep/e.test>',
        '<t/f.test>',
      ],
    ]);
    expect(statuses(failed)).toEqual({ build0: 'SUCCEEDED', build1: 'FAILED' });
    await writeFile(`${house.dataDir}/fanned`, '');
    await client.json('POST', `/v1/batches/${failed.id}/retry`, { retryType: 'RETRY_FAILED_BUILDS' });
    expect(await shown(await ended(failed.id), 'build1')).toEqual(both[1]);
  });
});

describe('what ends a batch early', () => {
  const HOLD = specOf(
    { build: ['echo at work', 'sleep 600'] },
    { batch: { 'build-list': ['a', 'b', 'c', 'd', 'e', 'f'].map((identifier) => ({ identifier })) } },
  );

  it('a stop ends what runs and what waits, and nothing begins after it', async () => {
    const { client } = house;
    await client.project('held', { buildspec: HOLD });
    const { id } = await start('held');
    await until('all slots are taken', async () => {
      const { buildGroups } = await get(id);
      const builds = await Promise.all(buildGroups.slice(1).map((group) => client.get(group.currentBuildSummary!.id)));
      return builds.filter(({ currentPhase }) => currentPhase === 'BUILD').length === 4;
    });
    await client.json('POST', `/v1/batches/${id}/stop`);
    const done = await ended(id);
    expect([done.buildBatchStatus, done.counts, done.stopRequested]).toEqual(['STOPPED', { STOPPED: 6 }, true]);
  });

  it('fast-fail stops the others with the first failure', async () => {
    const { client } = house;
    const batch = {
      'fast-fail': true,
      'build-graph': [
        { identifier: 'long' },
        { identifier: 'bad', env: { variables: { BAD: '1' } } },
        { identifier: 'after', 'depend-on': ['long'] },
      ],
    };
    const wait = `[ -z "$BAD" ] || { while [ ! -e "${house.dataDir}/long" ]; do sleep 0.05; done; exit 3; }`;
    await client.project('fast', {
      buildspec: specOf({ build: [wait, `touch "${house.dataDir}/long"`, 'sleep 600'] }, { batch }),
    });
    const done = await run('fast');
    expect([done.buildBatchStatus, done.ending, statuses(done)]).toEqual([
      'FAILED',
      'FAST_FAIL',
      { long: 'STOPPED', bad: 'FAILED', after: 'SKIPPED' },
    ]);
  });

  it('restrictions of the project are told before a task begins', async () => {
    const { client } = house;
    await client.project('bounded', {
      buildspec: HOLD,
      buildBatchConfig: { restrictions: { maximumBuildsAllowed: 5, computeTypesAllowed: ['BUILD_GENERAL1_LARGE'] } },
    });
    const done = await run('bounded');
    expect(done.buildBatchStatus).toBe('FAILED');
    expect(done.phases[1]!.contexts[0]!.message).toMatch(/at most 5 builds .* got 6/);
    expect(done.phases[1]!.contexts[0]!.message).toMatch(
      /batch\.a\.env\.compute-type: expected one of BUILD_GENERAL1_LARGE \(restrictions\), got BUILD_GENERAL1_SMALL/,
    );
  });
});

describe('what a batch leaves', () => {
  it('artifacts are listed by task and, combined, come as one zip', async () => {
    const { client } = house;
    const spec = specOf(
      { build: ['echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER" > out.txt'] },
      { batch: { 'build-list': [{ identifier: 'a' }, { identifier: 'b' }] }, artifacts: { files: ['out.txt'] } },
    );
    await client.project('left', {
      buildspec: spec,
      artifacts: { type: 'S3', packaging: 'NONE' },
      buildBatchConfig: { combineArtifacts: true },
    });
    const { id } = await run('left');
    const list = await client.json<{ items: { task: string; filesUrl: string }[]; combinedUrl: string }>(
      'GET',
      `/v1/batches/${id}/artifacts`,
    );
    expect(list.items.map(({ task }) => task)).toEqual(['a', 'b']);
    expect((await client.bytes(`${list.items[1]!.filesUrl}/out.txt`)).toString()).toBe('b\n');
    const zip = (await client.bytes(list.combinedUrl)).toString('latin1');
    expect([zip.includes('a/out.txt'), zip.includes('b/out.txt')]).toEqual([true, true]);
    expect((await client.ask('DELETE', `/v1/batches/${id}`)).status).toBe(204);
    expect((await client.ask('GET', `/v1/batches/${id}`)).status).toBe(404);
    expect((await client.ask('GET', list.items[0]!.filesUrl)).status).toBe(404);
  });

  it('are listed by page, and a request that comes twice is one batch', async () => {
    const { client } = house;
    await client.project('listed', {
      buildspec: specOf({ build: ['true'] }, { batch: { 'build-list': [{ identifier: 'a' }] } }),
    });
    const twice = await Promise.all(
      [1, 2].map(() =>
        client.json<BatchView>('POST', '/v1/projects/listed/batches', {}, { 'idempotency-key': 'once' }),
      ),
    );
    expect(twice[0]!.id).toBe(twice[1]!.id);
    const other = await start('listed');
    const page = await client.json<{ items: BatchView[]; nextCursor: string }>(
      'GET',
      '/v1/batches?project=listed&limit=1',
    );
    expect([page.items[0]!.id, page.items[0]!.buildBatchNumber]).toEqual([other.id, 2]);
    const rest = await client.json<{ items: BatchView[]; nextCursor: null }>(
      'GET',
      `/v1/batches?project=listed&limit=1&cursor=${page.nextCursor}`,
    );
    expect([rest.items.map(({ id }) => id), rest.nextCursor]).toEqual([[twice[0]!.id], null]);
    await Promise.all([ended(other.id), ended(twice[0]!.id)]);
  });
});

describe('when parts are away', () => {
  it('without any Redis, over a restart of the API and with another worker in its middle, a batch goes on to its end', async () => {
    // nothing answers on port 1
    const lone = await House.start({ workers: 1, slots: 1, settings: { KILNYARD_REDIS_URL: 'redis://127.0.0.1:1' } });
    try {
      const { client } = lone;
      const gate = `${lone.dataDir}/gate`;
      const chain = ['a', 'b', 'c', 'd'].map((identifier, index, all) => ({
        identifier,
        'depend-on': index === 0 ? [] : [all[index - 1]],
      }));
      await client.project('chain', {
        buildspec: specOf(
          {
            build: [
              'echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER"',
              `[ "$CODEBUILD_BATCH_BUILD_IDENTIFIER" != b ] || while [ ! -e "${gate}" ]; do sleep 0.05; done`,
            ],
          },
          { batch: { 'build-graph': chain } },
        ),
      });
      const { id } = await client.json<BatchView>('POST', '/v1/projects/chain/batches', {});
      const look = (): Promise<BatchView> => client.json('GET', `/v1/batches/${id}`);
      let batch = await look();
      await until('b is at work', async () => statuses((batch = await look()))['b'] === 'IN_PROGRESS');
      await client.says(buildOf(batch, 'b'), 'b');
      await lone.restartApi();
      const [first] = lone.workers;
      await lone.addWorker();
      await first!.running.close(0); // its build is handed over, in its container
      await writeFile(gate, '');
      await until('the batch ends', async () => (batch = await look()).complete);
      expect([batch.buildBatchStatus, statuses(batch)]).toEqual([
        'SUCCEEDED',
        { a: 'SUCCEEDED', b: 'SUCCEEDED', c: 'SUCCEEDED', d: 'SUCCEEDED' },
      ]);
      expect(await client.output(buildOf(batch, 'b'))).toEqual(['b']);
      expect((await client.get(buildOf(batch, 'd'))).worker).toBe(String(lone.workers[1]!.running.id));
    } finally {
      await lone.stop();
    }
  });
});
