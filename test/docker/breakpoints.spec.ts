// As a user I pause a build in a real container, look into it there, and let it go on.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { buffer } from 'node:stream/consumers';
import { containersLeft, testDocker } from '#testing/docker-leaks.js';
import { House } from '#testing/house.js';
import { specOf, type BuildView } from '#testing/house-client.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';

let house: House;
beforeAll(async () => {
  house = await House.start({ backend: 'docker' });
});
afterAll(() => house.stop());

async function paused(name: string, over: Record<string, unknown> = {}): Promise<BuildView> {
  const { client } = house;
  const build = { ...over, commands: ['echo made > here', 'codebuild-breakpoint', 'cat here', 'id -un'] };
  await client.project(name, { image: SH, buildspec: specOf({ build }) });
  const { id } = await client.start(name, { debugSessionEnabled: true });
  return client.until(id, 'is paused', ({ debugSession }) => debugSession.paused !== null);
}

/** Runs a command in the container of the one build that there is, as an operator of its host would. */
async function inside(...command: string[]): Promise<void> {
  const [id] = await containersLeft(house.dataDir);
  const exec = await testDocker().getContainer(id!).exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const said = (await buffer(await exec.start({}))).toString();
  expect([(await exec.inspect()).ExitCode, said]).toEqual([0, '']);
}

it('from inside: with the program that the breakpoint names', async () => {
  const { id } = await paused('inside');
  const line = (await house.client.output(id)).find((text) => text.startsWith('codebuild-breakpoint: '))!;
  const program = /(\/\S+\/codebuild-resume) /.exec(line)![1]!;
  await inside('/bin/sh', '-c', `echo changed > "$(ls -d /codebuild/output/src*/src)/here" && ${program}`);
  expect((await house.client.ended(id)).buildStatus).toBe('SUCCEEDED');
  expect((await house.client.output(id)).slice(-3)).toEqual([
    'codebuild-breakpoint: the build goes on',
    'changed',
    'root',
  ]);
});

it('over the API, also where its commands are those of another user', async () => {
  const { id } = await paused('api', { 'run-as': 'nobody' });
  await house.client.json('POST', `/v1/builds/${id}/resume`);
  expect((await house.client.ended(id)).buildStatus).toBe('SUCCEEDED');
  expect((await house.client.output(id)).slice(-2)).toEqual(['made', 'nobody']);
});
