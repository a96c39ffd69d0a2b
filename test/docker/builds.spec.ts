// As a user I build in real containers: what only they can show. Few and whole; the ways through a build are in test/scenarios.
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { containersLeft, testDocker } from '#testing/docker-leaks.js';
import { until } from '#testing/until.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const BASH = process.env['KILNYARD_TEST_IMAGE_BASH'] ?? 'kilnyard-test/bash:1';
const NO_SHELL = 'kilnyard-test/no-shell:1';
/** Two blocks of zeros end a tar; this one holds nothing. */
const EMPTY_TAR = [Buffer.alloc(1024)];

let house: House;
beforeAll(async () => {
  house = await House.start({ backend: 'docker' });
});
afterAll(() => house.stop());

const inline = (phases: Parameters<typeof specOf>[0], rest?: Record<string, unknown>, image = SH) => ({
  buildspec: specOf(phases, rest),
  image,
});

async function artifactText(id: string, path: string): Promise<string> {
  return (await house.client.bytes(`/v1/builds/${id}/artifacts/primary/files/${path}`)).toString();
}

describe('a build in a container', () => {
  it.each([
    ['sh', SH],
    ['bash', BASH],
  ])('on %s builds a repository, with files from inside and outside the workspace', async (shell, image) => {
    const { client } = house;
    const { url } = await house.git.repository(`repo-${shell}`, {
      'buildspec.yml': specOf(
        {
          install: ['GREETING="hello $NAME"'],
          build: ['mkdir -p dist /tmp/out', 'echo $GREETING > dist/in.txt', 'echo outside > /tmp/out/out.txt', 'pwd'],
          post_build: [shell === 'bash' ? 'words=(a b c); echo ${#words[@]} words' : 'echo 3 words'],
        },
        {
          env: { variables: { NAME: 'world' }, ...(shell === 'bash' ? { shell: 'bash' } : {}) },
          artifacts: { files: ['dist/*', '/tmp/out/*'] },
        },
      ),
    });
    await client.project(`on-${shell}`, {
      source: { type: 'GIT', location: url },
      environment: { image },
      artifacts: { type: 'S3', packaging: 'NONE' },
    });
    const build = await client.run(`on-${shell}`);
    expect([
      build.buildStatus,
      build.phases.flatMap(({ contexts }) => contexts).filter(({ message }) => message !== ''),
    ]).toEqual(['SUCCEEDED', []]);
    expect(await client.output(build.id)).toEqual([
      expect.stringMatching(/^\/codebuild\/output\/src\d+\/src$/),
      '3 words',
    ]);
    expect(await artifactText(build.id, 'dist/in.txt')).toBe('hello world\n');
    expect(await artifactText(build.id, 'tmp/out/out.txt')).toBe('outside\n');
  });

  it('shows its reports, from the workspace and from outside it', async () => {
    const { client } = house;
    const junit =
      '<testsuite><testcase name="adds"/><testcase name="divides"><failure message="by 0"/></testcase></testsuite>';
    const build = await client.build(
      'reported',
      inline(
        {
          build: [
            'mkdir -p out /tmp/cov',
            `echo '${junit}' > out/junit.xml`,
            `printf 'SF:a.c\\nDA:1,1\\nDA:2,0\\nend_of_record\\n' > /tmp/cov/lcov.info`,
          ],
        },
        {
          reports: {
            unit: { files: ['out/*.xml'] },
            cover: { files: ['**/*'], 'base-directory': '/tmp/cov', 'file-format': 'LCOV' },
          },
        },
      ),
    );
    expect(build.buildStatus).toBe('SUCCEEDED');
    const { items } = await client.json<{ items: unknown[] }>('GET', `/v1/builds/${build.id}/reports`);
    expect(items).toMatchObject([
      { reportGroup: 'reported-unit', status: 'FAILED', testSummary: { total: 2, statusCounts: { FAILED: 1 } } },
      { reportGroup: 'reported-cover', status: 'SUCCEEDED', codeCoverageSummary: { lineCoveragePercentage: 50 } },
    ]);
  });

  it('finds the cached paths of the build before, in the workspace and outside it', async () => {
    const { client } = house;
    await client.project('cached', {
      ...inline(
        {
          build: [
            'cat /root/.store/deep/file store/file 2>/dev/null || echo nothing cached',
            'mkdir -p /root/.store/deep store',
            'echo "outside by $CODEBUILD_BUILD_NUMBER" > /root/.store/deep/file',
            'echo "inside by $CODEBUILD_BUILD_NUMBER" > store/file',
          ],
        },
        { cache: { paths: ['/root/.store/**/*', 'store/**/*'] } },
      ),
      cache: { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] },
    });
    const outputs = [];
    for (let count = 0; count < 2; count += 1) outputs.push(await client.output((await client.run('cached')).id));
    expect(outputs).toEqual([['nothing cached'], ['outside by 1', 'inside by 1']]);
  });

  it('runs its commands as the user that the buildspec names', async () => {
    const { client } = house;
    const build = await client.build(
      'run-as',
      inline({ build: { 'run-as': 'nobody', commands: ['id -un'] }, post_build: ['id -un'] }, {}),
    );
    expect(await client.output(build.id)).toEqual(['nobody', 'root']);
  });

  it('is not held up by what a command leaves behind, and loses none of its output', async () => {
    const { client } = house;
    const build = await client.build(
      'left-behind',
      inline({ build: ['sleep 3600 &', '(while :; do sleep 3600; done) & echo first', 'echo last'] }),
    );
    expect([build.buildStatus, await client.output(build.id)]).toEqual(['SUCCEEDED', ['first', 'last']]);
  });

  it('may write to /dev/stderr and /dev/stdout without losing what was written before', async () => {
    const { client } = house;
    const build = await client.build(
      'dev-stderr',
      inline({ build: ['echo one', 'echo two > /dev/stderr', 'echo three > /dev/stdout', 'echo four >&2'] }),
    );
    expect([build.buildStatus, await client.output(build.id)]).toEqual(['SUCCEEDED', ['one', 'two', 'three', 'four']]);
  });

  it('keeps 200,000 lines', async () => {
    const { client } = house;
    const build = await client.build(
      'many-lines',
      inline({ build: [`awk 'BEGIN { for (i = 1; i <= 200000; i++) print "line " i }'`] }),
    );
    const lines = (await client.raw(build.id))
      .toString()
      .split('\n')
      .filter((line) => line.startsWith('line '));
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([200_000, 'line 1', 'line 200000']);
  });

  it('that is stopped loses its container at once', async () => {
    const { client } = house;
    await client.project('stopped', inline({ build: ["trap '' TERM", 'echo began; sleep 3600'] }));
    const { id } = await client.start('stopped');
    await client.says(id, 'began');
    expect(await containersLeft(house.dataDir)).toHaveLength(1);
    await client.stop(id);
    expect((await client.ended(id)).buildStatus).toBe('STOPPED');
    await until('its container is gone', async () => (await containersLeft(house.dataDir)).length === 0);
  });

  it('does not show its environment to those who can look at containers', async () => {
    const { client } = house;
    await client.json('PUT', '/v1/secrets/docker/token', { value: 'secret-of-the-build' });
    await client.project('inspected', {
      source: { type: 'NO_SOURCE', buildspec: specOf({ build: ['echo began', 'sleep 3600'] }) },
      environment: {
        image: SH,
        environmentVariables: [
          { name: 'TOKEN', value: 'docker/token', type: 'SECRETS_MANAGER' },
          { name: 'PLAIN', value: 'plain-of-the-build' },
        ],
      },
    });
    const { id } = await client.start('inspected');
    await client.says(id, 'began');
    const [container] = await containersLeft(house.dataDir);
    const inspected = JSON.stringify(await testDocker().getContainer(container!).inspect());
    expect(inspected).not.toMatch(/secret-of-the-build|plain-of-the-build/);
    await client.stop(id);
    await client.ended(id);
  });
});

describe('a container that cannot do it', () => {
  beforeAll(async () => {
    const docker = testDocker();
    await docker
      .importImage(Readable.from(EMPTY_TAR), { repo: 'kilnyard-test/no-shell', tag: '1' })
      .then(
        (stream) =>
          new Promise((resolve, reject) =>
            docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve(null))),
          ),
      );
  });
  afterAll(() => testDocker().getImage(NO_SHELL).remove());

  const failure = async (id: string): Promise<unknown> =>
    (await house.client.get(id)).phases.find(({ phaseStatus }) => phaseStatus === 'FAILED');

  it('for want of memory says so', async () => {
    const { client } = house;
    const limit = 64 * 1024 * 1024;
    // the smallest compute type has 4 GiB: what a test may fill is less, so the walls are moved in while the command waits for that
    const moved = `[ "$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)" = ${limit} ]`;
    await client.project(
      'out-of-memory',
      inline(
        { build: ['echo began', `until ${moved}; do sleep 0.1; done`, 'head -c 500000000 /dev/zero | tail -n 1'] },
        {},
        BASH,
      ),
    );
    const { id } = await client.start('out-of-memory');
    await client.says(id, 'began');
    const [container] = await containersLeft(house.dataDir);
    await testDocker().getContainer(container!).update({ Memory: limit, MemorySwap: limit });
    expect((await client.ended(id)).buildStatus).toBe('FAILED');
    expect(await failure(id)).toMatchObject({
      phaseType: 'BUILD',
      contexts: [{ message: expect.stringContaining('exit status 137 (the build container ran out of memory)') }],
    });
  });

  it.each<[string, ReturnType<typeof inline>, string, string, RegExp]>([
    ['a shell', inline({}, {}, NO_SHELL), 'PROVISIONING', 'BUILD_CONTAINER_UNUSABLE', /\/bin\/sh/],
    [
      'the bash that the buildspec asks for',
      inline({ build: ['true'] }, { env: { shell: 'bash' } }),
      'INSTALL',
      'BUILD_CONTAINER_UNUSABLE',
      /bash/,
    ],
    [
      'a registry that has it',
      inline({}, {}, '127.0.0.1:1/nobody/nothing:1'),
      'PROVISIONING',
      'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
      /127\.0\.0\.1:1\/nobody\/nothing:1/,
    ],
  ])('for want of %s says so', async (what, project, phaseType, statusCode, says) => {
    const build = await house.client.build(what.replaceAll(' ', '-'), project);
    expect(build.buildStatus).toBe('FAILED');
    expect(await failure(build.id)).toMatchObject({
      phaseType,
      contexts: [{ statusCode, message: expect.stringMatching(says) }],
    });
  });
});
