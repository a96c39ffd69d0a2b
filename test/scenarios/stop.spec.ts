// As a user I stop a build, whatever it is doing: it ends STOPPED in the phase where it was, and nothing of it runs on.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { phasesOf, specOf } from '#testing/house-client.js';
import { until } from '#testing/until.js';

/** Takes requests and never answers. */
let silent: Server;
let house: House;
beforeAll(async () => {
  house = await House.start();
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  silent.closeAllConnections();
  silent.close();
  await house.stop();
});

const url = (): string => `http://127.0.0.1:${(silent.address() as AddressInfo).port}/slow.git`;
const STOPPED = [{ statusCode: '', message: 'The build was stopped.' }];

describe('a build that is stopped', () => {
  it.each<[string, () => Record<string, unknown>]>([
    ['PROVISIONING', () => ({ image: 'fake:slow-pull' })],
    ['DOWNLOAD_SOURCE', () => ({ source: { type: 'GIT', location: url() } })],
    ['INSTALL', () => ({ buildspec: specOf({ install: ['sleep 600', 'echo never'], build: ['echo never'] }) })],
    ['PRE_BUILD', () => ({ buildspec: specOf({ pre_build: ['sleep 600'], build: ['echo never'] }) })],
    ['BUILD', () => ({ buildspec: specOf({ build: { commands: ['sleep 600'], finally: ['echo never'] } }) })],
    ['POST_BUILD', () => ({ buildspec: specOf({ post_build: ['sleep 600'] }) })],
  ])('in %s', async (phase, project) => {
    const { client } = house;
    await client.project(`stop-in-${phase}`, project());
    const { id } = await client.start(`stop-in-${phase}`);
    await client.inPhase(id, phase as 'BUILD');
    expect(await client.stop(id)).toMatchObject({ stopRequested: true });
    const build = await client.ended(id);
    expect(build.buildStatus).toBe('STOPPED');
    expect(phasesOf(build).slice(-2)).toEqual([`${phase} STOPPED`, 'COMPLETED -']);
    expect(build.phases.at(-2)!.contexts).toEqual(STOPPED);
    expect(await client.output(id)).not.toContain('never');
    expect(build.log.complete).toBe(true);
    await until('its sandbox is gone', async () => (await house.sandboxes()).length === 0);
  });

  it('while it waits ends at once, without a worker', async () => {
    const { client } = house;
    await client.project('stop-queued', { concurrentBuildLimit: 1, buildspec: specOf({ build: ['sleep 600'] }) });
    const first = await client.start('stop-queued');
    await client.inPhase(first.id, 'BUILD');
    const second = await client.start('stop-queued');
    expect(await client.stop(second.id)).toMatchObject({ buildStatus: 'STOPPED', attempt: 0 });
    expect(phasesOf(await client.ended(second.id))).toEqual(['SUBMITTED SUCCEEDED', 'QUEUED STOPPED', 'COMPLETED -']);
    await client.stop(first.id);
    await client.ended(first.id);
  });

  it('twice, and after its end, stays as it is', async () => {
    const { client } = house;
    const build = await client.build('stop-late');
    expect(await client.stop(build.id)).toEqual(build);
    expect((await client.stop(build.id)).buildStatus).toBe('SUCCEEDED');
  });
});
