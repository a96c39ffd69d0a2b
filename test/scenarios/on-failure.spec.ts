// As a user I have a phase that fails followed by what CodeBuild's table says, and `finally` run whatever happened (codebuild-contract C4).
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf, type BuildView } from '#testing/house-client.js';

let house: House;
let count = 0;
beforeAll(async () => {
  house = await House.start();
});
afterAll(() => house.stop());

async function built(buildspec: string): Promise<{ build: BuildView; output: string[] }> {
  count += 1;
  const build = await house.client.build(`on-failure-${count}`, { buildspec });
  return { build, output: await house.client.output(build.id) };
}
/** Status and message of a phase. */
const endOf = (build: BuildView, phase: string): (string | undefined)[] => {
  const found = build.phases.find(({ phaseType }) => phaseType === phase);
  return [found?.phaseStatus, found?.contexts[0]?.message];
};

describe('finally', () => {
  it.each<[string, Record<string, unknown>, string[], string, string | undefined]>([
    ['runs after commands that went well', { commands: ['echo c'], finally: ['echo f'] }, ['c', 'f'], 'SUCCEEDED', ''],
    [
      'runs after one that failed, whose failure counts',
      { commands: ['exit 3', 'echo never'], finally: ['echo f', 'exit 4'] },
      ['f'],
      'FAILED',
      'Error while executing command: exit 3. Reason: exit status 3',
    ],
    [
      'ends at its first failing command, which fails the phase',
      { commands: ['echo c'], finally: ['exit 4', 'echo never'] },
      ['c'],
      'FAILED',
      'Error while executing command: exit 4. Reason: exit status 4',
    ],
    ['stands alone', { finally: ['echo f'] }, ['f'], 'SUCCEEDED', ''],
  ])('%s', async (_, phase, output, status, message) => {
    const ran = await built(specOf({ pre_build: phase }));
    expect([ran.output, ran.build.buildStatus, ...endOf(ran.build, 'PRE_BUILD')]).toEqual([
      output,
      status,
      status,
      message,
    ]);
  });
});

describe('on-failure', () => {
  const phases = ['install', 'pre_build', 'build', 'post_build'] as const;
  const STATUS = { S: 'SUCCEEDED', F: 'FAILED' };
  /** Failing phase, on-failure; the phases that then run; whether artifacts are tried; the build's status. */
  it.each<[(typeof phases)[number], string | undefined, string[], boolean, keyof typeof STATUS]>([
    ['install', undefined, ['install'], false, 'F'],
    ['pre_build', undefined, ['install', 'pre_build'], false, 'F'],
    ['build', undefined, ['install', 'pre_build', 'build', 'post_build'], true, 'F'],
    ['post_build', undefined, ['install', 'pre_build', 'build', 'post_build'], true, 'F'],
    ['install', 'ABORT', ['install'], false, 'F'],
    ['pre_build', 'ABORT', ['install', 'pre_build'], false, 'F'],
    ['build', 'ABORT', ['install', 'pre_build', 'build'], false, 'F'],
    ['post_build', 'ABORT', ['install', 'pre_build', 'build', 'post_build'], false, 'F'],
    ['install', 'CONTINUE', ['install', 'pre_build', 'build', 'post_build'], true, 'S'],
    ['pre_build', 'CONTINUE', ['install', 'pre_build', 'build', 'post_build'], true, 'S'],
    ['build', 'CONTINUE', ['install', 'pre_build', 'build', 'post_build'], true, 'S'],
    ['post_build', 'CONTINUE', ['install', 'pre_build', 'build', 'post_build'], true, 'S'],
    ['build', 'RETRY-0', ['install', 'pre_build', 'build', 'post_build'], true, 'F'],
  ])('a failing %s with %s is followed by what the table says', async (failing, onFailure, ran, artifacts, status) => {
    const each = phases.map((name) => [
      name,
      {
        commands: [`echo ${name} $CODEBUILD_BUILD_SUCCEEDING${name === failing ? '; exit 1' : ''}`],
        ...(name === failing && onFailure !== undefined ? { 'on-failure': onFailure } : {}),
      },
    ]);
    const { build, output } = await built(specOf(Object.fromEntries(each) as Record<string, string[]>));
    const after = ran.indexOf(failing);
    expect(output).toEqual(ran.map((name, index) => `${name} ${index > after ? 0 : 1}`));
    const types = build.phases.map(({ phaseType }) => phaseType);
    expect(types.includes('UPLOAD_ARTIFACTS')).toBe(artifacts);
    expect(types.slice(-2)).toEqual(['FINALIZING', 'COMPLETED']);
    expect([build.buildStatus, endOf(build, failing.toUpperCase())[0]]).toEqual([STATUS[status], 'FAILED']);
  });
});
