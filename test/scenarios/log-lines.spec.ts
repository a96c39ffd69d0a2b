// As someone whose tools read CodeBuild's logs I find its lines here, word for word (codebuild-contract C8).
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf, type BuildView } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

const STAMP = /^\[Container\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} /;

/** The log with `[Container]` for prefix and time, and SRC for the source's folder. */
async function logOf(build: BuildView): Promise<string[]> {
  const lines = (await house.client.lines(build.id)).map(({ text }) => text);
  const stamped = lines.filter((line) => line.startsWith('[Container]'));
  expect(stamped.filter((line) => !STAMP.test(line))).toEqual([]);
  const dir = /CODEBUILD_SRC_DIR=(.*)$/.exec(lines.find((line) => line.includes('CODEBUILD_SRC_DIR=')) ?? '')?.[1];
  return lines.map((line) => line.replace(STAMP, '[Container] ').replaceAll(dir ?? 'no folder', 'SRC'));
}
const worker = expect.stringMatching(/^\[Container\] Running on Kilnyard worker /) as unknown as string;
const container = (...lines: string[]): string[] => lines.map((line) => `[Container] ${line}`);
const ended = (phase: string): string[] =>
  container(`Phase complete: ${phase} State: SUCCEEDED`, 'Phase context status code:  Message: ');
const BEFORE = [
  worker,
  ...container(
    'Waiting for agent ping',
    'Waiting for DOWNLOAD_SOURCE',
    'Phase is DOWNLOAD_SOURCE',
    'CODEBUILD_SRC_DIR=SRC',
    'YAML location is /codebuild/readonly/buildspec.yml',
    'Processing environment variables',
    'No runtime version selected in buildspec.',
    'Moving to directory SRC',
    'Cache is not defined in the buildspec',
  ),
];

it('a build that goes well', async () => {
  const build = await house.client.build('well', {
    buildspec: specOf({ pre_build: ['echo hi', 'printf "no newline"'], build: ['true'] }),
    artifacts: { type: 'NO_ARTIFACTS' },
  });
  const log = await logOf(build);
  expect(log.filter((line) => !/Skip cache/.test(line)).slice(0, -3)).toEqual([
    ...BEFORE,
    ...container('Registering with agent', 'Phases found in YAML: 2', ' PRE_BUILD: 2 commands', ' BUILD: 1 commands'),
    ...ended('DOWNLOAD_SOURCE'),
    '[Container] Entering phase INSTALL',
    ...ended('INSTALL'),
    '[Container] Entering phase PRE_BUILD',
    '[Container] Running command echo hi',
    'hi',
    '[Container] Running command printf "no newline"',
    'no newline',
    ...ended('PRE_BUILD'),
    '[Container] Entering phase BUILD',
    '[Container] Running command true',
    ...ended('BUILD'),
    '[Container] Entering phase POST_BUILD',
    ...ended('POST_BUILD'),
    ...container(
      'Phase is UPLOAD_ARTIFACTS',
      'Set report auto-discover timeout to 5 seconds',
      'No matching auto-discover report paths found',
    ),
  ]);
  expect(log.slice(-3)).toEqual([
    expect.stringMatching(/^\[Container\] Report auto-discover file discovery took \d+\.\d{6} seconds$/),
    ...ended('UPLOAD_ARTIFACTS'),
  ]);
});

it('a command that fails', async () => {
  const build = await house.client.build('badly', {
    buildspec: specOf({ build: { commands: ['echo one; exit 3', 'echo never'], finally: ['echo last'] } }),
    artifacts: { type: 'NO_ARTIFACTS' },
  });
  const log = await logOf(build);
  const why = 'Error while executing command: echo one; exit 3. Reason: exit status 3';
  const from = log.indexOf('[Container] Entering phase BUILD');
  expect(log.slice(from, from + 9)).toEqual([
    '[Container] Entering phase BUILD',
    '[Container] Running command echo one; exit 3',
    'one',
    '[Container] Command did not exit successfully echo one; exit 3 exit status 3',
    '[Container] Running command echo last',
    'last',
    '[Container] Phase complete: BUILD State: FAILED',
    `[Container] Phase context status code: COMMAND_EXECUTION_ERROR Message: ${why}`,
    '[Container] Entering phase POST_BUILD',
  ]);
  expect(build.phases.find(({ phaseType }) => phaseType === 'BUILD')!.contexts).toEqual([
    { statusCode: 'COMMAND_EXECUTION_ERROR', message: why, exitCode: 3 },
  ]);
});

it.each<[string, string, Record<string, unknown>, string, string, RegExp]>([
  [
    'a parameter that is not there',
    specOf({}, { env: { 'parameter-store': { A: '/none' } } }),
    {},
    'DOWNLOAD_SOURCE',
    'CLIENT_ERROR',
    /^Parameter does not exist: \/none$/,
  ],
  [
    'a buildspec that is none',
    'version: 0.2\nphases: [build]\n',
    {},
    'DOWNLOAD_SOURCE',
    'YAML_FILE_ERROR',
    /phases: expected a map, got /,
  ],
  [
    'a command that YAML reads as a map',
    'version: 0.2\nphases:\n  build:\n    commands:\n      - echo a\n      - echo a: b\n',
    {},
    'DOWNLOAD_SOURCE',
    'YAML_FILE_ERROR',
    /Expected Commands\[1\] to be of string type: found subkeys instead at line 6/,
  ],
  [
    'an image that is not there',
    specOf({}),
    { image: 'fake:missing' },
    'PROVISIONING',
    'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
    /^Unable to pull customer's container image\. /,
  ],
])('%s', async (what, buildspec, over, phase, statusCode, message) => {
  // the API would refuse such a buildspec at once: it comes with the source
  const { url } = await house.git.repository(what.replaceAll(' ', '-'), { 'buildspec.yml': buildspec });
  const source = { type: 'GIT', location: url };
  const build = await house.client.build(what.replaceAll(' ', '-'), { source, ...over });
  expect(build.phases.find(({ phaseType }) => phaseType === phase)).toMatchObject({
    phaseStatus: 'FAILED',
    contexts: [{ statusCode, message: expect.stringMatching(message) }],
  });
  const log = await logOf(build);
  const failed = log.findIndex((line) => line === `[Container] Phase complete: ${phase} State: FAILED`);
  expect(log[failed + 1]).toMatch(new RegExp(`^\\[Container\\] Phase context status code: ${statusCode} Message: `));
});

it('a build that runs out of its time', async () => {
  const { client } = house;
  await client.project('late', { buildspec: specOf({ build: ['echo began', 'sleep 600'] }), timeoutInMinutes: 5 });
  const { id } = await client.start('late');
  await client.says(id, 'began');
  house.clock.advance(6 * 60_000);
  const build = await client.ended(id);
  expect(build.phases.find(({ phaseType }) => phaseType === 'BUILD')).toMatchObject({
    phaseStatus: 'TIMED_OUT',
    contexts: [{ statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' }],
  });
  expect((await logOf(build)).slice(-2)).toEqual(
    container(
      'Phase complete: BUILD State: TIMED_OUT',
      'Phase context status code: BUILD_TIMED_OUT Message: Build has timed out.',
    ),
  );
});
