// As a user I set variables in my project, in a request and in the buildspec, and each build sees the one that counts (codebuild-contract C3).
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
  await house.client.json('PUT', '/v1/parameters/env/p', { value: 'from-a-parameter' });
  await house.client.json('PUT', '/v1/secrets/env/s', { value: 'from-a-secret' });
});
afterAll(() => house.stop());

/** Prints the length of each, since values that are masked look alike. */
const show = (...names: string[]): string[] => names.map((name) => `echo "${name} $${name} \${#${name}}"`);

it('the request wins over the project over the buildspec, and the type goes with the winner', async () => {
  const { client } = house;
  await client.project('layers', {
    source: {
      type: 'NO_SOURCE',
      buildspec: specOf(
        { build: show('A', 'B', 'C', 'D', 'E') },
        {
          env: {
            variables: { A: 'buildspec', B: 'buildspec', C: 'buildspec', E: 'buildspec' },
            'parameter-store': { D: 'env/p' },
            'secrets-manager': { E: 'env/s' },
          },
        },
      ),
    },
    environment: {
      image: 'fake:1',
      environmentVariables: [
        { name: 'B', value: 'project' },
        { name: 'C', value: 'env/p', type: 'PARAMETER_STORE' },
        { name: 'D', value: 'project' },
      ],
    },
  });
  const plain = await client.run('layers');
  expect(await client.output(plain.id)).toEqual([
    'A buildspec 9',
    'B project 7',
    'C *** 16',
    'D project 7',
    'E *** 13',
  ]);
  const over = await client.run('layers', {
    environmentVariablesOverride: [
      { name: 'A', value: 'request' },
      { name: 'C', value: 'request' },
      { name: 'E', value: 'env/p', type: 'PARAMETER_STORE' },
    ],
  });
  expect(await client.output(over.id)).toEqual([
    'A request 7',
    'B project 7',
    'C request 7',
    'D project 7',
    'E *** 16',
  ]);
});

it('values are literal, and those of Kilnyard cannot be replaced', async () => {
  const { client } = house;
  const build = await client.build('literal', {
    source: {
      type: 'NO_SOURCE',
      buildspec: [
        'version: 0.2',
        'env:',
        '  variables:',
        '    PLAIN: $PATH:/x and $(echo no)',
        '    NUMBER: 3.10',
        '    SWITCH: yes',
        '    OCTAL: 012',
        '    EMPTY:',
        '    HOME: /nowhere',
        'phases:',
        '  build:',
        '    commands:',
        '      - echo "$PLAIN|$NUMBER|$SWITCH|$OCTAL|$EMPTY|$HOME"',
        '      - echo "$CODEBUILD_BUILD_NUMBER $CODEBUILD_INITIATOR $CODEBUILD_BATCH_BUILD_IDENTIFIER|"',
        '',
      ].join('\n'),
    },
  });
  const [first, second] = await client.output(build.id);
  expect(first).toBe('$PATH:/x and $(echo no)|3.10|yes|012||/root');
  expect(second).toBe(`1 ${build.initiator} |`);
});

it.each([
  ['a project', { environmentVariables: [{ name: 'CODEBUILD_BUILD_ID', value: 'mine' }] }, undefined],
  ['a buildspec', {}, specOf({ build: ['true'] }, { env: { variables: { CODEBUILD_BUILD_ID: 'mine' } } })],
])('%s that sets a reserved name is refused', async (what, environment, buildspec) => {
  const answer = await house.client.ask('POST', '/v1/projects', {
    name: `reserved-${what.replace(' ', '-')}`,
    source: { type: 'NO_SOURCE', buildspec: buildspec ?? specOf({ build: ['true'] }) },
    environment: { image: 'fake:1', ...environment },
  });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('CODEBUILD_')]);
});
