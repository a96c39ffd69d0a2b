// As a user whose command fails I see in which phase, with which command, and that the phases after it ran or not as CodeBuild says.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';

let house: House;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

const PHASES = ['install', 'pre_build', 'build', 'post_build'] as const;
type Named = (typeof PHASES)[number];

/** Every phase says its name, one fails; each has a finally. */
function failingIn(failing: Named, onFailure?: string): string {
  return specOf(
    Object.fromEntries(
      PHASES.map((phase) => [
        phase,
        {
          ...(phase === failing && onFailure !== undefined ? { 'on-failure': onFailure } : {}),
          commands: [`echo ${phase}`, ...(phase === failing ? ['(exit 7)', 'echo never'] : [])],
          finally: [`echo finally ${phase}`],
        },
      ]),
    ),
    { artifacts: { files: ['left'] } },
  );
}

describe('a command that fails', () => {
  it.each<[Named, string[], string[]]>([
    ['install', ['INSTALL FAILED', 'FINALIZING SUCCEEDED', 'COMPLETED -'], ['install', 'finally install']],
    [
      'pre_build',
      ['INSTALL SUCCEEDED', 'PRE_BUILD FAILED', 'FINALIZING SUCCEEDED', 'COMPLETED -'],
      ['install', 'finally install', 'pre_build', 'finally pre_build'],
    ],
    [
      'build',
      [
        'INSTALL SUCCEEDED',
        'PRE_BUILD SUCCEEDED',
        'BUILD FAILED',
        'POST_BUILD SUCCEEDED',
        'UPLOAD_ARTIFACTS FAILED',
        'FINALIZING SUCCEEDED',
        'COMPLETED -',
      ],
      PHASES.flatMap((phase) => [phase, `finally ${phase}`]),
    ],
    [
      'post_build',
      [
        'INSTALL SUCCEEDED',
        'PRE_BUILD SUCCEEDED',
        'BUILD SUCCEEDED',
        'POST_BUILD FAILED',
        'UPLOAD_ARTIFACTS FAILED',
        'FINALIZING SUCCEEDED',
        'COMPLETED -',
      ],
      PHASES.flatMap((phase) => [phase, `finally ${phase}`]),
    ],
  ])('in %s', async (failing, phases, output) => {
    const build = await house.client.build(`fails-in-${failing}`, { buildspec: failingIn(failing) });
    expect(build.buildStatus).toBe('FAILED');
    expect(phasesOf(build).slice(4)).toEqual(phases);
    expect(await house.client.output(build.id)).toEqual(output);
    expect(build.phases.find(({ phaseType }) => phaseType === failing.toUpperCase())?.contexts).toEqual([
      {
        statusCode: 'COMMAND_EXECUTION_ERROR',
        message: 'Error while executing command: (exit 7). Reason: exit status 7',
        exitCode: 7,
      },
    ]);
  });

  it.each<[string, Named, string[]]>([
    ['ABORT', 'build', ['BUILD FAILED', 'FINALIZING SUCCEEDED', 'COMPLETED -']],
    ['CONTINUE', 'pre_build', ['PRE_BUILD FAILED', 'BUILD SUCCEEDED', 'POST_BUILD SUCCEEDED']],
  ])('under on-failure %s', async (action, failing, phases) => {
    const build = await house.client.build(`on-failure-${action}`, { buildspec: failingIn(failing, action) });
    expect(phasesOf(build).join()).toContain(phases.join());
  });

  it('counts where only finally fails, and is told to the later commands', async () => {
    const build = await house.client.build('finally-fails', {
      buildspec: specOf({
        build: { commands: ['echo fine'], finally: ['false'] },
        post_build: ['echo succeeding=$CODEBUILD_BUILD_SUCCEEDING'],
      }),
    });
    expect(build.buildStatus).toBe('FAILED');
    expect(await house.client.output(build.id)).toEqual(['fine', 'succeeding=0']);
  });

  it('does not keep the artifact of a failed BUILD from being stored', async () => {
    const build = await house.client.build('failed-with-artifact', {
      buildspec: specOf({ build: ['echo report > report.txt', 'false'] }, { artifacts: { files: ['report.txt'] } }),
    });
    const { items } = await house.client.json<{ items: unknown[] }>('GET', `/v1/builds/${build.id}/artifacts`);
    expect([build.buildStatus, items.length]).toEqual(['FAILED', 1]);
  });
});
