// As a user whose settings do not fit I am told what is wrong, in the phase that found it and in the log.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

describe('a build ends FAILED', () => {
  it('in PROVISIONING, for an image that is not there', async () => {
    const build = await house.client.build('no-image', { image: 'fake:missing' });
    expect(build.buildStatus).toBe('FAILED');
    expect(phasesOf(build).slice(2)).toEqual(['PROVISIONING FAILED', 'COMPLETED -']);
    expect(build.phases[2]!.contexts).toEqual([
      {
        statusCode: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
        message: "Unable to pull customer's container image. fake:missing: not found",
      },
    ]);
    expect((await house.client.raw(build.id)).toString()).toContain('fake:missing: not found');
  });

  it('in PROVISIONING, for an image that runs nothing', async () => {
    const build = await house.client.build('no-shell', { image: 'fake:unusable' });
    expect(build.phases[2]).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ statusCode: 'BUILD_CONTAINER_UNUSABLE' }],
    });
  });

  it.each<[string, Record<string, string>, Record<string, unknown>, string, RegExp]>([
    ['a branch that is not there', { 'buildspec.yml': specOf({}) }, { sourceVersion: 'nope' }, 'CLIENT_ERROR', /nope/],
    ['no buildspec', { README: 'x' }, {}, 'YAML_FILE_ERROR', /buildspec\.yml: no such file or directory/],
    [
      'another buildspec that is not there',
      { 'buildspec.yml': specOf({}) },
      { buildspecOverride: 'ci/other.yml' },
      'YAML_FILE_ERROR',
      /ci\/other\.yml/,
    ],
  ])('in DOWNLOAD_SOURCE, for %s', async (what, files, overrides, code, says) => {
    const { client } = house;
    const name = what.replaceAll(' ', '-');
    const { url } = await house.git.repository(name, files);
    await client.project(name, { source: { type: 'GIT', location: url } });
    const build = await client.run(name, overrides);
    expect(build.buildStatus).toBe('FAILED');
    expect(phasesOf(build).slice(3)).toEqual(['DOWNLOAD_SOURCE FAILED', 'FINALIZING SUCCEEDED', 'COMPLETED -']);
    expect(build.phases[3]!.contexts[0]!.statusCode).toBe(code);
    expect(build.phases[3]!.contexts[0]!.message).toMatch(says);
    expect((await client.raw(build.id)).toString()).toMatch(says);
  });

  it('in DOWNLOAD_SOURCE, for a host that refuses', async () => {
    const build = await house.client.build('no-host', {
      source: { type: 'GIT', location: 'http://127.0.0.1:1/x.git' },
    });
    expect(build.phases[3]).toMatchObject({ phaseStatus: 'FAILED', contexts: [{ statusCode: 'SOURCE_FETCH_FAILED' }] });
  });

  it('for a broken buildspec, with every finding and its line in the context and in the log', async () => {
    const { client } = house;
    const { url } = await house.git.repository('broken', {
      'buildspec.yml':
        'version: 0.2\nphases:\n  build:\n    commands: {a: b}\n  instal:\n    commands:\n      - x\nenv:\n  variables: [a]\n',
    });
    const build = await client.build('broken', { source: { type: 'GIT', location: url } });
    const { statusCode, message } = build.phases[3]!.contexts[0]!;
    expect(statusCode).toBe('YAML_FILE_ERROR');
    const log = (await client.raw(build.id)).toString();
    for (const text of [message, log]) {
      expect(text).toMatch(/line 4:\d+: phases\.build\.commands/);
      expect(text).toMatch(/line 9:\d+: env\.variables/);
    }
  });

  it('for YAML that is none', async () => {
    const { client } = house;
    const { url } = await house.git.repository('no-yaml', { 'buildspec.yml': 'version: 0.2\nphases: {build: [\n' });
    const build = await client.build('no-yaml', { source: { type: 'GIT', location: url } });
    expect(build.phases[3]!.contexts[0]).toMatchObject({
      statusCode: 'YAML_FILE_ERROR',
      message: expect.stringMatching(/line \d+:\d+/),
    });
  });

  it('for a parameter or a secret that is not there', async () => {
    const { client } = house;
    await client.project('no-parameter', {
      environment: {
        image: 'fake:1',
        environmentVariables: [{ name: 'P', value: 'not/there', type: 'PARAMETER_STORE' }],
      },
    });
    const build = await client.run('no-parameter');
    expect(build.phases[3]).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ statusCode: 'CLIENT_ERROR', message: expect.stringContaining('not/there') }],
    });
  });
});
