// Batches in real containers: a graph, a matrix and a fan-out, with the programs that split tests.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { BatchView } from '../../apps/api/src/batches/batch.dto.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

const IMAGE = process.env['KILNYARD_TEST_IMAGE_SH'] ?? '';

let house: House;
beforeAll(async () => {
  house = await House.start({ backend: 'docker', workers: 1, slots: 2 });
});
afterAll(() => house.stop());

async function run(project: string): Promise<BatchView> {
  let batch = await house.client.json<BatchView>('POST', `/v1/projects/${project}/batches`, {});
  await until(`${project} ends, and it is ${JSON.stringify(batch.counts)}`, async () => {
    batch = await house.client.json('GET', `/v1/batches/${batch.id}`);
    return batch.complete;
  });
  return batch;
}
const outputs = (batch: BatchView): Promise<string[][]> =>
  Promise.all(batch.buildGroups.slice(1).map((group) => house.client.output(group.currentBuildSummary!.id)));

it('a graph hands nothing on but its order, and what it built', async () => {
  const batch = { 'build-graph': [{ identifier: 'one' }, { identifier: 'two', 'depend-on': ['one'] }] };
  await house.client.project('graph', {
    image: IMAGE,
    buildspec: specOf(
      { build: ['echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER"', 'echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER" > made.txt'] },
      { batch, artifacts: { files: ['made.txt'] } },
    ),
    artifacts: { type: 'S3', packaging: 'ZIP' },
    buildBatchConfig: { combineArtifacts: true },
  });
  const done = await run('graph');
  expect([done.buildBatchStatus, await outputs(done)]).toEqual(['SUCCEEDED', [['one'], ['two']]]);
  const zip = (await house.client.bytes(`/v1/batches/${done.id}/artifacts/combined`)).toString('latin1');
  expect([zip.includes('one/graph.zip'), zip.includes('two/graph.zip')]).toEqual([true, true]);
});

it('a matrix runs each combination', async () => {
  const batch = { 'build-matrix': { dynamic: { env: { variables: { A: ['1', '2'], B: ['x'] } } } } };
  await house.client.project('matrix', { image: IMAGE, buildspec: specOf({ build: ['echo "$A$B"'] }, { batch }) });
  const done = await run('matrix');
  expect([done.buildBatchStatus, await outputs(done)]).toEqual(['SUCCEEDED', [['1x'], ['2x']]]);
});

it('a fan-out finds the programs that split tests on its PATH, with busybox alone', async () => {
  const search = `codebuild-glob-search 't/**/*.test'`;
  const spec = specOf(
    {
      build: [
        'mkdir -p t/deep && touch t/a.test t/b.test t/deep/c.test',
        `codebuild-tests-run --test-command 'echo ran' --files-search "${search}"`,
        'PATH=$PATH:/nowhere; command -v codebuild-tests-run',
      ],
    },
    { batch: { 'build-fanout': { parallelism: 2 } } },
  );
  await house.client.project('fanned', { image: IMAGE, buildspec: spec });
  const done = await run('fanned');
  const where = '/codebuild/output/.kilnyard/bin/codebuild-tests-run';
  expect([done.buildBatchStatus, await outputs(done)]).toEqual([
    'SUCCEEDED',
    [
      ['codebuild-tests-run: shard 1 of 2 runs 2 of 3 test files (equal-distribution)', 'ran t/a.test t/b.test', where],
      ['codebuild-tests-run: shard 2 of 2 runs 1 of 3 test files (equal-distribution)', 'ran t/deep/c.test', where],
    ],
  ]);
});
