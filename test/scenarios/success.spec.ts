// As a user I start a build of my repository and get its log, its artifact and its exported variables.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

describe('a build that succeeds', () => {
  it('goes through all phases, with the commit, the log, the artifact and what it exports', async () => {
    const { client } = house;
    const repository = await house.git.repository('app', {
      'buildspec.yml': specOf(
        {
          install: ['echo installing'],
          pre_build: ['VERSION=$(cat version)'],
          build: ['mkdir -p dist', 'echo "app $VERSION" > dist/app.txt'],
          post_build: ['echo built $VERSION'],
        },
        { env: { 'exported-variables': ['VERSION', 'NEVER_SET'] }, artifacts: { files: ['dist/*'] } },
      ),
      version: '1.2.3\n',
    });
    await client.project('app', { source: { type: 'GIT', location: repository.url } });
    const build = await client.run('app', { sourceVersion: 'main' });

    expect(phasesOf(build)).toEqual([
      'SUBMITTED SUCCEEDED',
      'QUEUED SUCCEEDED',
      'PROVISIONING SUCCEEDED',
      'DOWNLOAD_SOURCE SUCCEEDED',
      'INSTALL SUCCEEDED',
      'PRE_BUILD SUCCEEDED',
      'BUILD SUCCEEDED',
      'POST_BUILD SUCCEEDED',
      'UPLOAD_ARTIFACTS SUCCEEDED',
      'FINALIZING SUCCEEDED',
      'COMPLETED -',
    ]);
    expect(build).toMatchObject({
      buildStatus: 'SUCCEEDED',
      resolvedSourceVersion: await repository.work.git('rev-parse', 'HEAD'),
      exportedEnvironmentVariables: [{ name: 'VERSION', value: '1.2.3' }],
      attempt: 1,
      waiting: null,
      log: { complete: true },
    });
    expect(await client.output(build.id)).toEqual(['installing', 'built 1.2.3']);

    const { items } = await client.json<{ items: { downloadUrl: string; fileCount: number; sizeBytes: number }[] }>(
      'GET',
      `/v1/builds/${build.id}/artifacts`,
    );
    expect(items).toMatchObject([{ fileCount: 1 }]);
    const zip = await client.bytes(items[0]!.downloadUrl);
    expect([zip.length, zip.subarray(0, 2).toString()]).toEqual([items[0]!.sizeBytes, 'PK']);
  });

  it('builds the branch and the tag that it is told', async () => {
    const { client } = house;
    const { url, work } = await house.git.repository('branches', {
      'buildspec.yml': specOf({ build: ['cat which'] }),
      which: 'first\n',
    });
    await work.git('tag', 'v1');
    await work.git('checkout', '-q', '-b', 'feature/x');
    await work.commit({ which: 'feature\n' });
    await client.project('branches', { source: { type: 'GIT', location: url } });
    for (const [version, says] of [
      ['feature/x', 'feature'],
      ['v1', 'first'],
    ] as const) {
      const build = await client.run('branches', { sourceVersion: version });
      expect([build.buildStatus, await client.output(build.id)]).toEqual(['SUCCEEDED', [says]]);
    }
  });

  it('ends its live log with an end event, and gives the same log in pages', async () => {
    const { client } = house;
    await client.project('live', { buildspec: specOf({ build: ['for i in 1 2 3; do echo line $i; done'] }) });
    const { id } = await client.start('live');
    const events = [];
    for await (const event of client.follow(id)) events.push(event);
    const build = await client.get(id);
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { buildStatus: 'SUCCEEDED', complete: true, sha256: build.log.sha256, lineCount: build.log.lineCount },
    });
    expect(events.filter(({ event }) => event === 'end')).toHaveLength(1);
    expect(events.flatMap(({ data }) => data.lines ?? [])).toEqual(await client.lines(id));
  });
});
