// As a user I build from an uploaded archive, from several repositories, or from no source at all.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import tar from 'tar-stream';
import yazl from 'yazl';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

const BUILDSPEC = specOf({ build: ['cat said/hello.txt', 'ls -l run.sh | cut -c1-4'] });

function zipOf(files: Record<string, string>): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  for (const [name, text] of Object.entries(files))
    zip.addBuffer(Buffer.from(text), name, { mode: name.endsWith('.sh') ? 0o100755 : 0o100644 });
  zip.end();
  return buffer(zip.outputStream);
}

function tarOf(files: Record<string, string>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files))
    pack.entry({ name, mode: name.endsWith('.sh') ? 0o755 : 0o644 }, text);
  pack.finalize();
  return buffer(pack.pipe(createGzip()));
}

async function upload(archive: Buffer, type: string): Promise<string> {
  const { location } = await house.client.json<{ location: string }>('POST', '/v1/uploads', archive, {
    'content-type': type,
  });
  return location;
}

const FILES = { 'buildspec.yml': BUILDSPEC, 'said/hello.txt': 'hello from the archive\n', 'run.sh': '#!/bin/sh\n' };

describe('an uploaded archive', () => {
  it.each([
    ['zip', 'application/zip', zipOf],
    ['gzipped tar', 'application/gzip', tarOf],
  ])('as %s is built', async (kind, type, make) => {
    const location = await upload(await make(FILES), type);
    const build = await house.client.build(`from-${kind.replace(' ', '-')}`, { source: { type: 'ARCHIVE', location } });
    expect(build.buildStatus).toBe('SUCCEEDED');
    expect(await house.client.output(build.id)).toEqual(['hello from the archive', '-rwx']);
  });

  it.each<[string, string, () => Promise<Buffer>]>([
    [
      'a zip whose name climbs',
      'application/zip',
      async () => {
        const zip = await zipOf({ 'buildspec.yml': BUILDSPEC, 'xx/xx/evil.txt': 'x' });
        return Buffer.from(zip.toString('latin1').replaceAll('xx/xx/', '../../'), 'latin1');
      },
    ],
    [
      'a zip with an absolute name',
      'application/zip',
      async () => {
        const zip = await zipOf({ 'buildspec.yml': BUILDSPEC, 'xtmp/evil.txt': 'x' });
        return Buffer.from(zip.toString('latin1').replaceAll('xtmp/evil.txt', '/tmp/evil.txt'), 'latin1');
      },
    ],
    ['a tar whose name climbs', 'application/gzip', () => tarOf({ 'buildspec.yml': BUILDSPEC, '../../evil.txt': 'x' })],
  ])('is refused as %s, with nothing written outside and nothing run', async (what, type, make) => {
    const location = await upload(await make(), type);
    const build = await house.client.build(what.replaceAll(' ', '-'), { source: { type: 'ARCHIVE', location } });
    expect(build).toMatchObject({ buildStatus: 'FAILED', currentPhase: 'COMPLETED' });
    expect(build.phases[3]).toMatchObject({ phaseType: 'DOWNLOAD_SOURCE', phaseStatus: 'FAILED' });
    expect(build.phases[3]!.contexts[0]!.message).toContain('evil.txt');
    await until('its sandbox is gone', async () => (await house.sandboxes()).length === 0);
    const everything = await readdir(house.dataDir, { recursive: true });
    expect(everything.filter((path) => path.endsWith('evil.txt'))).toEqual([]);
    await expect(stat('/tmp/evil.txt')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await house.client.output(build.id)).not.toContain('hello from the archive');
  });

  it('that nobody uploaded is told', async () => {
    const location = 'upload:0f8fad5b-d9cb-469f-a165-70867728950e';
    const build = await house.client.build('no-upload', { source: { type: 'ARCHIVE', location } });
    expect(build.phases[3]).toMatchObject({ phaseStatus: 'FAILED', contexts: [{ statusCode: 'CLIENT_ERROR' }] });
  });

  it('leaves nothing in the temporary folder', async () => {
    expect(await readdir(join(house.dataDir, 'temp'))).toEqual([]);
  });
});

describe('secondary sources', () => {
  it('lie beside the primary one, each at its version', async () => {
    const { client } = house;
    const main = await house.git.repository('main', {
      'buildspec.yml': specOf({
        build: ['cat own', 'cat $CODEBUILD_SRC_DIR_tools/tool', 'cat $CODEBUILD_SRC_DIR_data/d'],
      }),
      own: 'own\n',
    });
    const tools = await house.git.repository('tools', { tool: 'old\n' });
    await tools.work.git('checkout', '-q', '-b', 'next');
    await tools.work.commit({ tool: 'new\n' });
    const build = await client.build('with-secondary', {
      source: { type: 'GIT', location: main.url },
      secondarySources: [
        { type: 'GIT', location: tools.url, sourceIdentifier: 'tools' },
        {
          type: 'ARCHIVE',
          location: await upload(await zipOf({ d: 'data\n' }), 'application/zip'),
          sourceIdentifier: 'data',
        },
      ],
      secondarySourceVersions: [{ sourceIdentifier: 'tools', sourceVersion: 'next' }],
    });
    expect(await client.output(build.id)).toEqual(['own', 'new', 'data']);
    expect(build.buildStatus).toBe('SUCCEEDED');
  });
});

describe('no source', () => {
  it('runs its inline buildspec in an empty folder', async () => {
    const build = await house.client.build('no-source', { buildspec: specOf({ build: ['ls -A', 'echo done'] }) });
    expect([build.buildStatus, await house.client.output(build.id)]).toEqual(['SUCCEEDED', ['done']]);
    expect(build.resolvedSourceVersion).toBeUndefined();
  });

  it('is refused without one, when it is made', async () => {
    const answer = await house.client.ask('POST', '/v1/projects', { name: 'nothing', source: { type: 'NO_SOURCE' } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ findings: [{ field: 'source.buildspec' }] });
  });
});
