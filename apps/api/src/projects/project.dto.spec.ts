import { describe, expect, it } from '@jest/globals';
import type { Finding } from '#core/errors.js';
import { findingsOf } from '../http/findings.js';
import { EXAMPLE_PROJECT } from '../docs/examples.js';
import { startBuildBody } from '../builds/build.dto.js';
import { createProjectBody, replaceProjectBody, toProjectSettings } from './project.dto.js';

const SOURCE = { type: 'GIT', location: 'https://example.org/a.git' };

const policy = (retryPolicy: object): Record<string, unknown> => ({ autoRetryLimit: 1, retryPolicy });

function wrong(schema: typeof createProjectBody | typeof startBuildBody, body: unknown): Finding[] {
  const result = schema.safeParse(body);
  return result.success ? [] : findingsOf(schema, result.error.issues, body);
}

describe('the project document', () => {
  it('fills in defaults', () => {
    const settings = toProjectSettings(createProjectBody.parse({ name: 'demo', source: SOURCE }), 'img:1');
    expect(settings).toEqual({
      source: SOURCE,
      secondarySources: [],
      secondarySourceVersions: [],
      artifacts: { type: 'S3', packaging: 'ZIP' },
      secondaryArtifacts: [],
      cache: { type: 'NO_CACHE' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'img:1',
        computeType: 'BUILD_GENERAL1_SMALL',
        environmentVariables: [],
        privilegedMode: false,
      },
      timeoutInMinutes: 60,
      queuedTimeoutInMinutes: 480,
      tags: [],
      priority: 0,
    });
  });

  it('takes the example of its own documentation', () => {
    expect(wrong(createProjectBody, EXAMPLE_PROJECT)).toEqual([]);
    expect(replaceProjectBody.safeParse(EXAMPLE_PROJECT).success).toBe(true);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['an unknown field', { nme: 'x' }, 'nme', /no such field; the fields here are name, /],
    ['an unknown field inside', { source: { ...SOURCE, url: 'x' } }, 'source.url', /no such field/],
    ['a wrong type', { timeoutInMinutes: '60' }, 'timeoutInMinutes', /number/],
    ['too many retries', { autoRetryLimit: 11 }, 'autoRetryLimit', /at most 10/],
    ['a policy without a limit', { retryPolicy: { causes: ['FAULT'] } }, 'autoRetryLimit', /beside a retryPolicy/],
    ['a policy for nothing', policy({ causes: [] }), 'retryPolicy.causes', /at least 1/],
    [
      'a cause that is none',
      policy({ causes: ['FAULT', 'STOPPED'] }),
      'retryPolicy.causes[1]',
      /one of WORKER_LOST, FAULT, FAILED, TIMED_OUT/,
    ],
    ['a cause twice', policy({ causes: ['FAULT', 'FAULT'] }), 'retryPolicy.causes[1]', /not in the list yet/],
    [
      'exit codes without FAILED',
      policy({ causes: ['FAULT'], exitCodes: [1] }),
      'retryPolicy.exitCodes',
      /beside the cause FAILED/,
    ],
    ['exit code 0', policy({ causes: ['FAILED'], exitCodes: [0] }), 'retryPolicy.exitCodes[0]', /at least 1/],
    ['an exit code that is none', policy({ causes: ['FAILED'], exitCodes: [256] }), 'retryPolicy.exitCodes[0]', /255/],
    ['no exit codes', policy({ causes: ['FAILED'], exitCodes: [] }), 'retryPolicy.exitCodes', /at least 1/],
    ['an unknown part of it', policy({ causes: ['FAILED'], delay: 1 }), 'retryPolicy.delay', /no such field/],
    ['too little time', { timeoutInMinutes: 4 }, 'timeoutInMinutes', /at least 5/],
    ['too much time', { timeoutInMinutes: 2161 }, 'timeoutInMinutes', /at most 2160/],
    ['a fraction', { queuedTimeoutInMinutes: 5.5 }, 'queuedTimeoutInMinutes', /whole number/],
    ['too short a name', { name: 'a' }, 'name', /2 to 150/],
    ['too long a name', { name: 'a'.repeat(151) }, 'name', /2 to 150/],
    ['a path as a name', { name: '../x' }, 'name', /2 to 150/],
    ['a type of another house', { source: { type: 'CODEPIPELINE' } }, 'source.type', /one of GIT/],
    ['a location that is a command', { source: { type: 'GIT', location: 'ext::id' } }, 'source.location', /Git URL/],
    [
      'an artifact that is none but has a place',
      { artifacts: { type: 'NO_ARTIFACTS', location: 'x' } },
      'artifacts.location',
      /NO_ARTIFACTS/,
    ],
    [
      'an artifact path that leaves',
      { artifacts: { type: 'S3', path: 'a/../../b' } },
      'artifacts.path',
      /without `\.\.`/,
    ],
    ['a local cache without modes', { cache: { type: 'LOCAL' } }, 'cache.modes', /at least one mode/],
    [
      'a reserved variable',
      { environment: { environmentVariables: [{ name: 'CODEBUILD_X', value: '' }] } },
      'environment.environmentVariables[0].name',
      /reserved/,
    ],
    [
      'a variable that no shell takes',
      { environment: { environmentVariables: [{ name: 'A-B', value: '' }] } },
      'environment.environmentVariables[0].name',
      /letters, digits/,
    ],
    [
      'a variable twice',
      {
        environment: {
          environmentVariables: [
            { name: 'A', value: '' },
            { name: 'A', value: '' },
          ],
        },
      },
      'environment.environmentVariables[1].name',
      /not in the list/,
    ],
    ['an image that is an option', { environment: { image: '--privileged' } }, 'environment.image', /image name/],
    [
      'a credential for nobody',
      { environment: { registryCredential: { credential: 'x', credentialProvider: 'SECRETS_MANAGER' } } },
      'environment.registryCredential',
      /SERVICE_ROLE/,
    ],
    ['a second source without a name', { secondarySources: [SOURCE] }, 'secondarySources[0].sourceIdentifier', /text/],
    [
      'a second source twice',
      {
        secondarySources: [
          { ...SOURCE, sourceIdentifier: 'a' },
          { ...SOURCE, sourceIdentifier: 'a' },
        ],
      },
      'secondarySources[1].sourceIdentifier',
      /not used yet/,
    ],
    [
      'an artifact called as the primary one',
      { secondaryArtifacts: [{ type: 'S3', artifactIdentifier: 'primary' }] },
      'secondaryArtifacts[0].artifactIdentifier',
      /other than/,
    ],
    ['51 tags', { tags: Array.from({ length: 51 }, (_, i) => ({ key: `k${i}`, value: '' })) }, 'tags', /at most 50/],
    ['a limit of none', { concurrentBuildLimit: 0 }, 'concurrentBuildLimit', /at least 1/],
  ])('refuses %s', (_, part, field, expected) => {
    const findings = wrong(createProjectBody, { name: 'demo', source: SOURCE, ...part });
    expect(findings).toEqual([expect.objectContaining({ field, expected: expect.stringMatching(expected) })]);
  });

  it('tells all that is wrong at once, and no value of a variable', () => {
    const findings = wrong(createProjectBody, {
      name: 'x',
      source: { type: 'GIT' },
      surprise: 1,
      environment: { environmentVariables: [{ name: 'A', value: 17 }] },
    });
    expect(findings.map(({ field }) => field).sort()).toEqual([
      'environment.environmentVariables[0].value',
      'name',
      'source.location',
      'surprise',
    ]);
    expect(JSON.stringify(findings)).not.toContain('17');
  });
});

describe('the overrides of a build', () => {
  it('may be left out altogether', () => {
    expect(startBuildBody.parse(undefined)).toEqual({});
  });
  it.each([
    ['a project field', { timeoutInMinutes: 10 }, 'timeoutInMinutes'],
    ['an option as a version', { sourceVersion: '--upload-pack=x' }, 'sourceVersion'],
    ['a priority out of range', { priorityOverride: 101 }, 'priorityOverride'],
    ['a list that is none', [], ''],
    ['null', null, ''],
  ])('refuse %s', (_, body, field) => {
    expect(wrong(startBuildBody, body)).toEqual([expect.objectContaining({ field })]);
  });
});
