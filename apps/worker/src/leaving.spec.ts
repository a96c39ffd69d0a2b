import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '#testing/fake-clock.js';
import { LEAVE_MS, Leaving } from './leaving.js';

const GRACE_MS = 30_000;

function newLeaving(windDown: Promise<void>) {
  const clock = new FakeClock();
  const did: string[] = [];
  const leaving = new Leaving(clock, {
    windDown: () => windDown,
    letGo: () => void did.push('let go'),
    abandon: async () => void did.push('abandoned'),
  });
  const leave = (): Promise<unknown> => leaving.within(GRACE_MS).then(() => did.push('left'));
  return { clock, did, leave };
}
const never = new Promise<void>(() => undefined);

describe('a worker that leaves', () => {
  it('has left when it has wound down, and nothing of it waits on', async () => {
    const { clock, did, leave } = newLeaving(Promise.resolve());
    await leave();
    expect(did).toEqual(['left']);
    expect(clock.sleeping).toBe(0);
  });

  it('leaves without that when it takes too long after the grace', async () => {
    const { clock, did, leave } = newLeaving(never);
    void leave();
    await clock.advance(GRACE_MS + LEAVE_MS - 1);
    expect(did).toEqual([]);
    await clock.advance(1);
    expect(did).toEqual(['let go', 'abandoned', 'left']);
  });

  it('lets go at a second signal, and leaves soon after it', async () => {
    const { clock, did, leave } = newLeaving(never);
    void leave();
    await clock.advance(1_000);
    void leave();
    expect(did).toEqual(['let go']);
    await clock.advance(LEAVE_MS);
    expect(did).toEqual(['let go', 'let go', 'abandoned', 'left', 'left']);
  });

  it('tells what kept it from winding down', async () => {
    const { clock, leave } = newLeaving(Promise.reject(new Error('a bug')));
    await expect(leave()).rejects.toThrow('a bug');
    expect(clock.sleeping).toBe(0);
  });
});
