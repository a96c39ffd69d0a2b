// As a user I get the files that my build made, as a folder or a zip, whatever they are called.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { fromBuffer } from 'yauzl';
import { buffer } from 'node:stream/consumers';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

interface ArtifactBody {
  identifier: string;
  name: string;
  packaging: string;
  fileCount: number;
  sha256: string | null;
  downloadUrl: string;
  filesUrl: string | null;
}

/** Every name that is no trouble to a file system and much to those who copy it about. */
const NAMES = [
  'plain.txt',
  'pages/[id].js',
  'with space and  two.txt',
  'it\'s "quoted".txt',
  'üñï/日本語.txt',
  'percent%20=3D.txt',
  '-rf',
  'a;b&c|d$e`f`.txt',
  '#hash?query.txt',
  'new\nline.txt',
  '.hidden/...',
  'back\\slash.txt',
  '..\\climb.txt',
  'c:drive.txt',
];

async function artifactsOf(id: string): Promise<ArtifactBody[]> {
  return (await house.client.json<{ items: ArtifactBody[] }>('GET', `/v1/builds/${id}/artifacts`)).items;
}

async function unzipped(zip: Buffer): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const file = await new Promise<import('yauzl').ZipFile>((resolve, reject) =>
    fromBuffer(zip, { lazyEntries: true }, (error, opened) => (error === null ? resolve(opened) : reject(error))),
  );
  await new Promise<void>((resolve, reject) => {
    file.on('entry', (entry: import('yauzl').Entry) => {
      file.openReadStream(entry, (error, stream) => {
        if (error !== null) return reject(error);
        buffer(stream).then((bytes) => {
          files[entry.fileName] = bytes.toString();
          file.readEntry();
        }, reject);
      });
    });
    file.once('end', resolve);
    file.once('error', reject);
    file.readEntry();
  });
  return files;
}

async function hostile(project: string, packaging: 'NONE' | 'ZIP'): Promise<string> {
  const { url } = await house.git.repository(project, {
    'buildspec.yml': specOf({ build: ['true'] }, { artifacts: { 'base-directory': 'out', files: ['**/*'] } }),
    ...Object.fromEntries(NAMES.map((name) => [`out/${name}`, `content of ${name}`])),
  });
  const build = await house.client.build(project, {
    source: { type: 'GIT', location: url },
    artifacts: { type: 'S3', packaging, name: 'out' },
  });
  expect(build.buildStatus).toBe('SUCCEEDED');
  return build.id;
}

/** In a zip a backslash or a drive's colon would mean something else on another system. */
const IN_ZIP: Readonly<Record<string, string>> = {
  'back\\slash.txt': 'back%5Cslash.txt',
  '..\\climb.txt': '..%5Cclimb.txt',
  'c:drive.txt': 'c%3Adrive.txt',
};
const WANTED = Object.fromEntries(NAMES.map((name) => [IN_ZIP[name] ?? name, `content of ${name}`]));

describe('an artifact', () => {
  it('as a folder is listed and downloaded by the names of its files, and as a zip made on the fly', async () => {
    const { client } = house;
    const id = await hostile('folder', 'NONE');
    const [artifact] = await artifactsOf(id);
    expect(artifact).toMatchObject({ packaging: 'NONE', fileCount: NAMES.length });
    const { items } = await client.json<{ items: { path: string; downloadUrl: string; sizeBytes: number }[] }>(
      'GET',
      artifact!.filesUrl!,
    );
    expect(new Set(items.map(({ path }) => path))).toEqual(new Set(NAMES));
    for (const { path, downloadUrl, sizeBytes } of items) {
      const bytes = await client.bytes(downloadUrl);
      expect([bytes.toString(), bytes.length]).toEqual([`content of ${path}`, sizeBytes]);
    }
    expect(await unzipped(await client.bytes(artifact!.downloadUrl))).toEqual(WANTED);
  });

  it('as a zip is downloaded as it was stored', async () => {
    const [artifact] = await artifactsOf(await hostile('zipped', 'ZIP'));
    const zip = await house.client.bytes(artifact!.downloadUrl);
    expect(createHash('sha256').update(zip).digest('hex')).toBe(artifact!.sha256);
    expect(await unzipped(zip)).toEqual(WANTED);
  });

  it('of other names comes beside it, where the project asks for it', async () => {
    const build = await house.client.build('two', {
      buildspec: specOf(
        { build: ['mkdir a b', 'echo 1 > a/one', 'echo 2 > b/two'] },
        {
          artifacts: { files: ['a/one'], 'secondary-artifacts': { docs: { 'base-directory': 'b', files: ['*'] } } },
        },
      ),
      artifacts: { type: 'S3', packaging: 'NONE' },
      secondaryArtifacts: [{ type: 'S3', artifactIdentifier: 'docs', packaging: 'NONE' }],
    });
    // with secondary artifacts, CodeBuild makes no primary one of the buildspec
    const artifacts = await artifactsOf(build.id);
    expect(artifacts.map(({ identifier }) => identifier)).toContain('docs');
    const docs = artifacts.find(({ identifier }) => identifier === 'docs')!;
    expect((await house.client.bytes(`${docs.filesUrl!}/two`)).toString()).toBe('2\n');
  });

  it('that matches nothing fails the build', async () => {
    const build = await house.client.build('no-match', {
      buildspec: specOf({ build: ['true'] }, { artifacts: { files: ['nothing/*'] } }),
    });
    expect(build.buildStatus).toBe('FAILED');
    expect(build.phases.find(({ phaseType }) => phaseType === 'UPLOAD_ARTIFACTS')).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ statusCode: 'CLIENT_ERROR', message: 'no matching artifact paths found' }],
    });
  });

  it.each([
    ['a climb', '../../../../etc/passwd'],
    ['an escaped climb', '..%2f..%2f..%2fetc%2fpasswd'],
    ['a climb escaped twice', '%252e%252e%252fetc%252fpasswd'],
    ['an absolute path', '/etc/passwd'],
    ['NUL', 'plain.txt%00'],
    ['what is not there', 'other.txt'],
  ])('gives nothing for %s', async (_, path) => {
    const { items } = await house.client.json<{ items: { id: string }[] }>('GET', '/v1/builds?project=folder');
    const answer = await house.client.ask('GET', `/v1/builds/${items[0]!.id}/artifacts/primary/files/${path}`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('goes with its build', async () => {
    const { client } = house;
    const id = await hostile('deleted', 'NONE');
    const [artifact] = await artifactsOf(id);
    expect((await client.ask('DELETE', `/v1/builds/${id}`)).status).toBe(204);
    expect((await client.ask('GET', artifact!.downloadUrl)).status).toBe(404);
  });
});

it('tells where CodeBuild would have put each, under the names that the commands made of them', async () => {
  const { client } = house;
  const at = { type: 'S3', location: 'bucket', path: 'team/app', encryptionDisabled: true };
  await client.project('placed', {
    buildspec: specOf(
      { build: ['echo x > file', 'VERSION=3'], post_build: ['VERSION=$((VERSION + 1))', 'WHAT=file'] },
      {
        artifacts: {
          files: ['$WHAT'],
          name: 'app-$VERSION-$(echo made).zip',
          'secondary-artifacts': { docs: { files: ['file'], name: 'ignored', 's3-prefix': 'docs/$VERSION' } },
        },
      },
    ),
    artifacts: { ...at, packaging: 'ZIP', namespaceType: 'BUILD_ID', overrideArtifactName: true },
    secondaryArtifacts: [{ ...at, artifactIdentifier: 'docs', name: 'manual' }],
  });
  const before = await client.start('placed');
  expect(before.artifacts).toMatchObject({
    location: expect.stringMatching(/^arn:aws:s3:::bucket\/team\/app\/.*\/placed$/),
  });
  const build = await client.ended(before.id);
  const uuid = build.id.split(':')[1]!;
  const [primary, docs] = await artifactsOf(build.id);
  expect(build.artifacts).toMatchObject({
    location: `arn:aws:s3:::bucket/team/app/${uuid}/app-4-made.zip`,
    sha256sum: expect.stringMatching(/^[0-9a-f]{64}$/),
    md5sum: expect.stringMatching(/^[0-9a-f]{32}$/),
    encryptionDisabled: true,
    link: `/v1/builds/${build.id}/artifacts/primary`,
  });
  const [secondary] = build.secondaryArtifacts as Record<string, unknown>[];
  expect(secondary).toMatchObject({ artifactIdentifier: 'docs', location: 'arn:aws:s3:::bucket/docs/4/manual' });
  expect([secondary!.sha256sum, primary!.name, docs!.name]).toEqual([undefined, 'app-4-made.zip', 'manual']);
  const page = await client.json<{ items: { artifacts: unknown }[] }>('GET', '/v1/builds?project=placed');
  expect(page.items[0]!.artifacts).toEqual(build.artifacts);
});

it('holds what a link in the build stands for, and nothing that one out of the build does', async () => {
  const { client } = house;
  const build = await client.build('links', {
    buildspec: specOf(
      {
        build: [
          'mkdir out lib',
          'echo lib > lib/a.so.1',
          'cd out',
          'ln -s ../lib/a.so.1 a.so',
          'ln -s /etc/passwd shadow',
          'ln -s .. up',
        ],
      },
      { artifacts: { 'base-directory': 'out', files: ['**/*'] } },
    ),
    artifacts: { type: 'S3', packaging: 'NONE' },
  });
  const [artifact] = await artifactsOf(build.id);
  expect([build.buildStatus, artifact!.fileCount]).toEqual(['SUCCEEDED', 1]);
  expect((await client.bytes(`/v1/builds/${build.id}/artifacts/primary/files/a.so`)).toString()).toBe('lib\n');
  expect((await client.raw(build.id)).toString()).toContain('Left out 2 symbolic link(s)');
});

it.each<[string, Record<string, unknown>, string[]]>([
  [
    'from a folder named by a variable',
    { 'base-directory': '$OUT-1', files: ['**/*'] },
    ['.hidden/e', 'a.txt', 'sub/a.txt'],
  ],
  [
    'from folders that a pattern means',
    { 'base-directory': 'out-*', files: ['**/*.txt'] },
    ['a.txt', 'b.txt', 'sub/a.txt'],
  ],
  [
    'without what is excluded',
    { 'base-directory': 'out-1', files: ['**/*'], 'exclude-paths': ['sub/**/*', '**/.*/**/*'] },
    ['a.txt'],
  ],
  ['without their folders', { files: ['out-1/sub/*', 'out-2/*'], 'discard-paths': 'yes' }, ['a.txt', 'b.txt']],
  ['no pattern leaves the base', { 'base-directory': 'out-2', files: ['../out-1/*', 'b.txt'] }, ['b.txt']],
  ['by absolute paths', { files: ['$CODEBUILD_SRC_DIR/out-2/*'] }, ['out-2/b.txt']],
])('takes its files: %s', async (what, artifacts, expected) => {
  const { client } = house;
  const build = await client.build(`files-${what.replaceAll(' ', '-')}`, {
    buildspec: specOf(
      {
        build: ['OUT=out', 'mkdir -p out-1/sub out-1/.hidden out-2', 'touch out-1/.hidden/e out-2/b.txt', 'cd out-1'],
        post_build: ['touch a.txt sub/a.txt'],
      },
      { artifacts },
    ),
    artifacts: { type: 'S3', packaging: 'NONE' },
  });
  expect(build.buildStatus).toBe('SUCCEEDED');
  const files = await client.json<{ items: { path: string }[] }>(
    'GET',
    `/v1/builds/${build.id}/artifacts/primary/files`,
  );
  expect(files.items.map(({ path }) => path).sort()).toEqual(expected);
});
