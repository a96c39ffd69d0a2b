import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type Docker from 'dockerode';
import { ENGINE_AWAY_MS } from '../backend.js';
import { exitOf } from './container-exit.js';
import { EngineEvents } from './engine-events.js';

const away = Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' });
const state = (Status: string): unknown => ({ State: { Status, ExitCode: 3, OOMKilled: false, Error: '' } });

/** An engine that answers who waits and who looks with the next of `says` each: an error is thrown, `null` never comes. */
function container(says: { wait: (Error | object | null)[]; inspect: unknown[] }): Docker.Container {
  const next = (answers: unknown[]) => async (): Promise<unknown> => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === null) return new Promise(() => undefined);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { id: 'c1', wait: next(says.wait), inspect: next(says.inspect) } as unknown as Docker.Container;
}

describe('the end of a container', () => {
  let events: EngineEvents;
  beforeEach(() => {
    events = new EngineEvents({ getEvents: () => Promise.reject(away) } as unknown as Docker);
  });
  afterEach(() => events.close());

  it('is waited for over an engine that goes away for short, as often as it does, and given up when it stays away', async () => {
    let nowMs = 0;
    const now = (): number => (nowMs += ENGINE_AWAY_MS * 0.6);
    const often = container({
      wait: [away, null, null, {}],
      // there, and away again, twice
      inspect: [state('running'), away, state('running'), away, state('exited')],
    });
    expect(await exitOf(often, events, { now, lookMs: 1 })).toEqual({ exitCode: 3, outOfMemory: false, error: '' });
    const lost = container({ wait: [away], inspect: [away] });
    await expect(exitOf(lost, events, { now, lookMs: 1 })).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE' });
  });

  it('is not waited for any more when nobody listens to the engine', async () => {
    const running = container({ wait: [null], inspect: [state('running')] });
    const exit = exitOf(running, events, { lookMs: 1 });
    await events.close();
    await expect(exit).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE' });
    await expect(exitOf(running, events)).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE' });
  });
});
