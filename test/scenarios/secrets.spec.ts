// As a user I give a build a password, and nobody who may read the build ever sees it.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

const PASSWORD = 'p4ss/w0rd+"quoted" & <more>';
const TOKEN = 'tok-7f3a9c5e1b2d';

let house: House;
beforeAll(async () => {
  house = await House.start();
  await house.client.json('PUT', '/v1/parameters/app/password', { value: PASSWORD });
  await house.client.json('PUT', '/v1/secrets/app/token', { value: JSON.stringify({ token: TOKEN }) });
});
afterAll(() => house.stop());

/** How a password may look in an output, written with the tools that builds have. */
const WAYS = [
  'printf "%s\\n" "$PASSWORD"',
  'printf "%s" "$PASSWORD" | base64',
  'printf "user:%s" "$PASSWORD" | base64 -w0; echo',
  'printf "%s" "$PASSWORD" | od -An -v -tx1 | tr -d " \\n"; echo',
  'echo "token=$TOKEN."',
  'echo "$TOKEN$TOKEN"',
  'printf "%s" "$TOKEN" | cut -c1-8; printf "%s" "$TOKEN" | tr a-f A-F',
  'set -x; : "$TOKEN"; : "$PASSWORD"; set +x',
  'printf "%s" "${TOKEN%??????}"; sleep 0.3; printf "%s\\n" "${TOKEN#??????????}"',
  'echo "$TOKEN" >&2',
  'env',
];

it('secrets show up nowhere, in none of their usual forms', async () => {
  const { client } = house;
  await client.project('secretive', {
    source: {
      type: 'NO_SOURCE',
      buildspec: specOf(
        { build: [...WAYS, 'EXPORTED="with $TOKEN inside"', 'sh -c "echo bye; exit 3" # $TOKEN'] },
        {
          env: {
            'parameter-store': { PASSWORD: 'app/password' },
            'secrets-manager': { TOKEN: 'app/token:token' },
            'exported-variables': ['EXPORTED', 'TOKEN', 'PASSWORD'],
          },
        },
      ),
    },
    environment: { image: 'fake:1' },
  });
  const build = await client.run('secretive');
  expect(build.buildStatus).toBe('FAILED');
  const shown = [
    JSON.stringify(build),
    (await client.raw(build.id)).toString(),
    (await client.lines(build.id)).map(({ text }) => text).join('\n'),
    JSON.stringify(await client.json('GET', `/v1/builds?project=secretive`)),
  ];
  const forms = [
    PASSWORD,
    JSON.stringify(PASSWORD).slice(1, -1),
    Buffer.from(PASSWORD).toString('base64').slice(0, -4),
    Buffer.from(`user:${PASSWORD}`).toString('base64').slice(8, -4),
    Buffer.from(PASSWORD).toString('hex'),
    TOKEN,
    Buffer.from(TOKEN).toString('base64').slice(0, -4),
  ];
  for (const text of shown) for (const form of forms) expect(text).not.toContain(form);
  expect(shown[1]).toContain('token=***.');
  expect(build.exportedEnvironmentVariables).toEqual([{ name: 'EXPORTED', value: 'with *** inside' }]);
});

it('a build reads the version of a secret that it names, and all of them are masked', async () => {
  const { client } = house;
  const values = ['first-5a1e', 'second-77c0', 'third-91bd'];
  const ids: string[] = [];
  for (const value of values) {
    const body = { value: JSON.stringify({ key: value }) };
    ids.push((await client.json<{ versionId: string }>('PUT', '/v1/secrets/app/versioned', body)).versionId);
  }
  const length = (name: string): string => `echo "${name} $(printf %s "$${name}" | wc -c) $${name}"`;
  const build = await client.build('versioned', {
    buildspec: specOf(
      { build: [length('NOW'), length('BEFORE'), length('FIRST')] },
      {
        env: {
          'secrets-manager': {
            NOW: 'app/versioned:key',
            BEFORE: 'app/versioned:key:AWSPREVIOUS',
            FIRST: `app/versioned:key::${ids[0]}`,
          },
        },
      },
    ),
  });
  expect(await client.output(build.id)).toEqual(['NOW 10 ***', 'BEFORE 11 ***', 'FIRST 10 ***']);
  const missing = await client.build('unversioned', {
    buildspec: specOf({ build: ['true'] }, { env: { 'secrets-manager': { A: 'app/token:token:AWSPREVIOUS' } } }),
  });
  expect(missing.phases.find(({ phaseType }) => phaseType === 'DOWNLOAD_SOURCE')!.contexts).toEqual([
    { statusCode: 'CLIENT_ERROR', message: 'Secret does not exist: app/token (version AWSPREVIOUS)' },
  ]);
});

it('a secret in an error is masked where the error is shown', async () => {
  const { client } = house;
  await client.project('leaky', {
    source: { type: 'NO_SOURCE', buildspec: specOf({ build: [`echo ${TOKEN} && false`] }) },
    environment: {
      image: 'fake:1',
      environmentVariables: [{ name: 'TOKEN', value: 'app/token:token', type: 'SECRETS_MANAGER' }],
    },
  });
  const build = await client.run('leaky');
  const phase = build.phases.find(({ phaseType }) => phaseType === 'BUILD')!;
  expect(phase.contexts[0]!.message).toBe('Error while executing command: echo *** && false. Reason: exit status 1');
  expect((await client.raw(build.id)).toString()).not.toContain(TOKEN);
});

it("a Git host's credential is the worker's alone", async () => {
  const { client } = house;
  const { newGitHost } = await import('#testing/git-host.js');
  const host = await newGitHost({ username: 'ci', password: TOKEN });
  try {
    const { url } = await host.repository('private', {
      'buildspec.yml': specOf({ build: ['cat .git/config', 'env', 'git remote -v || true'] }),
    });
    await client.json('PUT', '/v1/secrets/git/ci', { value: JSON.stringify({ username: 'ci', password: TOKEN }) });
    await client.project('private', {
      source: { type: 'GIT', location: url, auth: { type: 'SECRETS_MANAGER', resource: 'git/ci' } },
    });
    const build = await client.run('private');
    const log = (await client.raw(build.id)).toString();
    expect(build.buildStatus).toBe('SUCCEEDED');
    expect(log).toContain('[remote "origin"]');
    expect(log).not.toContain(TOKEN);
    await client.json('PUT', '/v1/secrets/git/ci', { value: JSON.stringify({ username: 'ci', password: 'wrong' }) });
    const refused = await client.run('private');
    expect(refused).toMatchObject({ buildStatus: 'FAILED' });
    expect(JSON.stringify(refused.phases)).not.toContain('wrong"');
  } finally {
    await host.close();
  }
});
