// What a run makes of pauses that its script tells, and of wishes to end them.
import { describe, expect, it } from '@jest/globals';
import type { Build } from '#core/build.js';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import type { Sandbox } from './backend/backend.js';
import type { BuildRun } from './build-run.js';
import { Pauses, ResumeWish } from './pauses.js';

const START = Date.parse('2026-01-05T09:00:00Z');
const at = (seconds: number): Date => new Date(START + seconds * 1000);

function newPauses(over: { enabled?: boolean; tell?: () => Promise<void>; write?: () => Promise<void> } = {}) {
  const { enabled = true, tell, write = async () => undefined } = over;
  const written: unknown[] = [];
  const told: string[] = [];
  const failures: unknown[] = [];
  const bugs: unknown[] = [];
  const wish = new ResumeWish();
  const clock = new FakeClock(at(100).toISOString());
  const sandbox = {
    tell: async (line: string) => {
      await tell?.();
      told.push(line);
    },
  } as unknown as Sandbox;
  const settings = newProjectSettings({ debugSessionEnabled: enabled });
  const run = {
    request: {
      build: { settings, queuedAt: at(0), startedAt: at(10) } as Build,
      deadline: at(1000),
      debug: { pauseLimitMs: 600_000, wish },
    },
    ports: {
      clock,
      observer: { bug: (error: unknown) => bugs.push(error) },
      journal: {
        setPaused: async (pause: unknown) => {
          await write();
          written.push(pause);
        },
        setResumed: async (number: number, by: string) => {
          await write();
          written.push([number, by]);
        },
      },
    },
    fail: (error: unknown) => failures.push(error),
    sandbox: () => sandbox,
  } as unknown as Pick<BuildRun, 'request' | 'ports' | 'fail'> & { sandbox: () => Sandbox };
  return { pauses: new Pauses(run), wish, clock, written, told, failures, bugs };
}
const pause = (number: number, seconds: number) => ({ kind: 'pause', number, at: at(seconds) }) as const;
const resume = (number: number) => ({ kind: 'resume', number, by: 'build' }) as const;

describe('pauses of a run', () => {
  it('are written down in order, each once, with their limit', async () => {
    const { pauses, written } = newPauses();
    for (const event of [pause(1, 50), pause(1, 60), resume(1), resume(1), pause(2, 70), resume(1)])
      pauses.heard(event);
    await pauses.settled();
    expect(written).toEqual([
      { number: 1, since: at(50), until: at(650) },
      [1, 'build'],
      { number: 2, since: at(70), until: at(670) },
    ]);
  });

  it.each([
    ['before the build began', 0, 10],
    ['after now', 5000, 100],
  ])('that say they began %s are taken for the nearest time that can be', async (_, said, since) => {
    const { pauses, written } = newPauses();
    pauses.heard(pause(1, said));
    await pauses.settled();
    expect(written).toEqual([{ number: 1, since: at(since), until: at(since + 600) }]);
  });

  it('end with the build’s own timeout at the latest', async () => {
    const { pauses, clock, written } = newPauses();
    await clock.advance(800_000);
    pauses.heard(pause(1, 900));
    await pauses.settled();
    expect(written).toEqual([{ number: 1, since: at(900), until: at(1000) }]);
  });

  it('are nothing in a build that was not started for debugging', async () => {
    const { pauses, written, wish, told } = newPauses({ enabled: false });
    pauses.heard(pause(1, 50));
    wish.ask(1);
    await pauses.settled();
    expect([pauses.limitMs, written, told]).toEqual([0, [], []]);
  });

  it('end the run when they cannot be written', async () => {
    const lost = new Error('lost');
    const { pauses, failures } = newPauses({ write: () => Promise.reject(lost) });
    pauses.heard(pause(1, 50));
    await pauses.settled();
    expect(failures).toEqual([lost]);
  });
});

describe('a wish to go on', () => {
  it('goes into the sandbox once while that pause holds the build, and not for another', async () => {
    const { pauses, wish, told } = newPauses();
    pauses.heard(pause(1, 50));
    for (const number of [2, 1, 1]) wish.ask(number);
    await pauses.settled();
    wish.ask(1);
    expect(told).toEqual(['resume 1 api']);
    pauses.heard(resume(1));
    wish.ask(1);
    pauses.heard(pause(2, 60));
    await pauses.settled();
    expect(told).toEqual(['resume 1 api']);
  });

  it('that is older than what the run has read goes there when it has', async () => {
    const { pauses, wish, told } = newPauses();
    wish.ask(2);
    pauses.heard(pause(1, 50));
    pauses.heard(resume(1));
    expect(told).toEqual([]);
    pauses.heard(pause(2, 60));
    await pauses.settled();
    expect(told).toEqual(['resume 2 api']);
  });

  it('that could not be handed on is handed on when it is told again', async () => {
    const failures = [new Error('full'), null];
    const tell = async (): Promise<void> => {
      const failure = failures.shift();
      if (failure) throw failure;
    };
    const { pauses, wish, told, bugs } = newPauses({ tell });
    pauses.heard(pause(1, 50));
    wish.ask(1);
    await new Promise(setImmediate);
    expect([told, bugs]).toEqual([[], [new Error('full')]]);
    wish.ask(1);
    await new Promise(setImmediate);
    expect(told).toEqual(['resume 1 api']);
  });
});
