// As a user I pause a build at a breakpoint of its buildspec, look at it, and let it go on; as an operator I may restart workers meanwhile.
import { afterEach, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { phasesOf, specOf, type BuildView } from '#testing/house-client.js';

let house: House;
afterEach(() => house.stop());

const PAUSED = specOf({ build: ['echo before', 'A=kept', 'codebuild-breakpoint', 'echo "after $A"'] });
const DEBUG = { debugSessionEnabled: true };

async function paused(settings: Record<string, string> = {}, buildspec = PAUSED): Promise<BuildView> {
  house = await House.start({ settings });
  const { client } = house;
  await client.project('paused', { buildspec });
  const { id } = await client.start('paused', DEBUG);
  return client.until(id, 'is paused', ({ debugSession }) => debugSession.paused !== null);
}
const resume = (id: string): Promise<BuildView> => house.client.json('POST', `/v1/builds/${id}/resume`);
async function events(): Promise<string[]> {
  const { rows } = await house.database.query<{ type: string; by: string | null }>(
    `SELECT type, data->>'by' AS by FROM build_event WHERE type LIKE ANY ('{PAUSED,RESUME%}') ORDER BY id`,
  );
  return rows.map(({ type, by }) => (by === null ? type : `${type} ${by}`));
}

it('over the API: the phase stays while it is paused, and the command after the breakpoint runs when it is asked for', async () => {
  const build = await paused({ KILNYARD_PAUSE_LIMIT_MS: '60000' });
  const { id } = build;
  expect(build).toMatchObject({ currentPhase: 'BUILD', buildStatus: 'IN_PROGRESS', buildComplete: false });
  const { since, until } = build.debugSession.paused!;
  expect(Date.parse(until) - Date.parse(since)).toBe(60_000);
  expect((await house.client.output(id)).at(-1)).toContain(`/v1/builds/${id}/resume`);
  expect((await resume(id)).debugSession).toMatchObject({ paused: { resumeRequested: true } });
  const ended = await house.client.ended(id);
  expect(ended).toMatchObject({ buildStatus: 'SUCCEEDED', debugSession: { sessionEnabled: true, paused: null } });
  const output = await house.client.output(id);
  expect([output[0], ...output.slice(2)]).toEqual(['before', 'codebuild-breakpoint: the build goes on', 'after kept']);
  expect(await events()).toEqual(['PAUSED', 'RESUME_REQUESTED admin', 'RESUMED api']);
});

it('from inside, by codebuild-resume', async () => {
  const { id } = await paused({}, specOf({ build: ['(sleep 2; codebuild-resume) & codebuild-breakpoint', 'echo on'] }));
  expect((await house.client.ended(id)).buildStatus).toBe('SUCCEEDED');
  expect((await house.client.output(id)).at(-1)).toBe('on');
  expect(await events()).toEqual(['PAUSED', 'RESUMED build']);
});

it('by its limit', async () => {
  const { id } = await paused({ KILNYARD_PAUSE_LIMIT_MS: '2000' });
  expect((await house.client.ended(id)).buildStatus).toBe('SUCCEEDED');
  expect((await house.client.output(id)).slice(2)).toEqual([
    'codebuild-breakpoint: the time is up, the build goes on',
    'after kept',
  ]);
  expect(await events()).toEqual(['PAUSED', 'RESUMED limit']);
});

it('a stop ends a paused build', async () => {
  const { id } = await paused();
  await house.client.stop(id);
  const build = await house.client.ended(id);
  expect(build).toMatchObject({ buildStatus: 'STOPPED', debugSession: { paused: null } });
  expect(phasesOf(build).slice(-2)).toEqual(['BUILD STOPPED', 'COMPLETED -']);
});

it('a worker that goes on with the build finds it paused, and a wish that was made while there was none', async () => {
  const { id, debugSession } = await paused();
  await house.workers[0]!.running.close(0);
  await resume(id);
  expect((await house.client.get(id)).debugSession.paused).toMatchObject({ since: debugSession.paused!.since });
  await house.addWorker();
  expect(await house.client.ended(id)).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
  expect((await house.client.output(id)).at(-1)).toBe('after kept');
  expect(await events()).toEqual(['PAUSED', 'RESUME_REQUESTED admin', 'RESUMED api']);
});

it('without debugSessionEnabled a breakpoint is passed over', async () => {
  house = await House.start();
  const { client } = house;
  const build = await client.build('passed', { buildspec: PAUSED });
  expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', debugSession: { sessionEnabled: false, paused: null } });
  expect(await client.output(build.id)).toEqual([
    'before',
    'codebuild-breakpoint: passed over, since the build was not started with debugSessionEnabled',
    'after kept',
  ]);
  const answer = await client.ask('POST', `/v1/builds/${build.id}/resume`);
  expect([answer.status, await answer.json()]).toEqual([409, expect.objectContaining({ code: 'BUILD_NOT_PAUSED' })]);
  expect(await events()).toEqual([]);
});
