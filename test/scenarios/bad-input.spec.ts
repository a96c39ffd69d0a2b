// As a stranger I send nonsense: each gets a clear 4xx that names the field, and nothing is made and nothing is run.
// The single fields are in apps/api's own tests; here the whole stands, with a worker that would run what comes through.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
  await house.client.project('victim');
});
afterAll(() => house.stop());

const project = (over: Record<string, unknown>): Record<string, unknown> => ({
  name: 'intruder',
  source: { type: 'NO_SOURCE', buildspec: specOf({ build: ['true'] }) },
  ...over,
});
const git = (location: string): Record<string, unknown> => project({ source: { type: 'GIT', location } });
const variable = (over: Record<string, unknown>): Record<string, unknown> => ({
  environmentVariablesOverride: [{ name: 'A', value: 'b', ...over }],
});

describe('what is refused', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a name that climbs', project({ name: '../x' }), 'name'],
    ['a name of one letter', project({ name: 'x' }), 'name'],
    ['a name of 151', project({ name: 'x'.repeat(151) }), 'name'],
    ['a name that is a number', project({ name: 12 }), 'name'],
    ['a field that nobody knows', project({ shell: 'rm -rf /' }), 'shell'],
    [
      'a field that nobody knows, deep inside',
      project({ environment: { volumes: ['/:/host'] } }),
      'environment.volumes',
    ],
    ['a timeout out of range', project({ timeoutInMinutes: 4 }), 'timeoutInMinutes'],
    ['a queue timeout out of range', project({ queuedTimeoutInMinutes: 481 }), 'queuedTimeoutInMinutes'],
    ['half a minute', project({ timeoutInMinutes: 5.5 }), 'timeoutInMinutes'],
    ['a compute type that is none', project({ environment: { computeType: 'HUGE' } }), 'environment.computeType'],
    ['an image with a blank', project({ environment: { image: 'a b' } }), 'environment.image'],
    ['an image that is an option', project({ environment: { image: '--privileged' } }), 'environment.image'],
    ['a Git transport that runs commands', git('ext::sh -c id'), 'source.location'],
    ['a file as a source', git('file:///etc'), 'source.location'],
    ['a location that is an option', git('--upload-pack=id'), 'source.location'],
    ['an ssh host that is an option', git('ssh://-oProxyCommand=id/x'), 'source.location'],
    ['a version that is an option', project({ sourceVersion: '--output=/tmp/x' }), 'sourceVersion'],
    ['an artifact name that climbs', project({ artifacts: { type: 'S3', name: '../../x' } }), 'artifacts.name'],
    ['an artifact path that climbs', project({ artifacts: { type: 'S3', path: 'a/../../x' } }), 'artifacts.path'],
    [
      'a secondary artifact called as the primary one',
      project({ secondaryArtifacts: [{ type: 'S3', artifactIdentifier: 'primary' }] }),
      'secondaryArtifacts[0].artifactIdentifier',
    ],
    ['a list where an object belongs', project({ source: [] }), 'source'],
    [
      'thirteen secondary sources',
      project({ secondarySources: Array.from({ length: 13 }, () => ({})) }),
      'secondarySources',
    ],
  ])('%s', async (_, body, field) => {
    const answer = await house.client.ask('POST', '/v1/projects', body);
    const problem = (await answer.json()) as { findings: { field: string; expected: string; got: string }[] };
    expect(Math.floor(answer.status / 100)).toBe(4);
    const finding = problem.findings.find((one) => one.field.startsWith(field));
    expect([finding?.expected, finding?.got].every((text) => typeof text === 'string' && text !== '')).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a variable of the service', variable({ name: 'CODEBUILD_BUILD_ID' })],
    ['a variable that breaks out of its quotes', variable({ name: "A'; id; '" })],
    ['a value with NUL', variable({ value: 'a\0b' })],
    ['a value of 100 kB', variable({ value: 'x'.repeat(100_000) })],
    ['a type that is none', variable({ type: 'ENV' })],
    ['a priority out of range', { priorityOverride: 101 }],
    ['a buildspec that is none', { buildspecOverride: 'version: 0.2\nphases: nothing\n' }],
    ['a buildspec that climbs', { buildspecOverride: '../../etc/passwd' }],
    ['a buildspec from the root', { buildspecOverride: '/etc/passwd' }],
    ['a bomb of anchors', { buildspecOverride: `version: 0.2\n${bomb()}` }],
    ['privileges', { privilegedModeOverride: true }],
  ])('for a build: %s', async (_, overrides) => {
    const answer = await house.client.ask('POST', '/v1/projects/victim/builds', overrides);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(Math.floor(answer.status / 100)).toBe(4);
  });

  it('a token that is none, on every way in', async () => {
    const { id } = await house.client.run('victim');
    const ways: [string, string][] = [
      ['GET', '/v1/projects'],
      ['POST', '/v1/projects/victim/builds'],
      ['GET', `/v1/builds/${id}`],
      ['POST', `/v1/builds/${id}/stop`],
      ['GET', `/v1/builds/${id}/log`],
      ['GET', `/v1/builds/${id}/log/raw`],
      ['GET', `/v1/builds/${id}/artifacts`],
      ['POST', '/v1/uploads'],
      ['PUT', '/v1/secrets/x'],
      ['GET', '/metrics'],
    ];
    for (const [method, path] of ways) {
      const answer = await fetch(`${house.url}${path}`, { method, headers: { authorization: 'Bearer kiln_wrong' } });
      expect([method, path, answer.status]).toEqual([method, path, 401]);
    }
  });

  it('left nothing made and nothing run', async () => {
    const projects = await house.client.json<{ items: { name: string }[] }>('GET', '/v1/projects');
    expect(projects.items.map(({ name }) => name)).toEqual(['victim']);
    const builds = await house.client.json<{ items: { buildStatus: string }[] }>('GET', '/v1/builds');
    expect(builds.items.map(({ buildStatus }) => buildStatus)).toEqual(['SUCCEEDED']);
    expect(((await (await fetch(`${house.url}/health`)).json()) as { status: string }).status).not.toBe('failing');
  });
});

/** A few lines of YAML that are billions once their anchors are followed. */
function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let at = 1; at < 12; at += 1)
    lines.push(`a${at}: &a${at} [${Array.from({ length: 9 }, () => `*a${at - 1}`).join(', ')}]`);
  return lines.join('\n') + '\nphases: {build: {commands: *a11}}\n';
}
