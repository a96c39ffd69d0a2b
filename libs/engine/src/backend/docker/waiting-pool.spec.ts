import { afterEach, describe, expect, it } from '@jest/globals';
import { WaitingPool, type WaitingKind, type WaitingPoolOptions } from './waiting-pool.js';

const KIND: WaitingKind = { image: 'sha256:a', cpus: 1, memoryBytes: 1, pids: 1 };
const OTHER: WaitingKind = { ...KIND, image: 'sha256:b' };
const IDLE_MS = 1_000;

interface Fake {
  id: number;
  image: string;
}

/** A pool of numbers, with a clock of its own; making and discarding are told and steered by the test. */
function newPool(over: Partial<WaitingPoolOptions<Fake>> = {}) {
  const state = { now: 0, made: 0, short: false, discarded: [] as number[], errors: [] as unknown[] };
  const pool = new WaitingPool<Fake>({
    max: 4,
    idleMs: IDLE_MS,
    make: async ({ image }) => {
      state.made += 1;
      return { id: state.made, image };
    },
    discard: async ({ id }) => void state.discarded.push(id),
    memoryShort: async () => state.short,
    onError: (error) => state.errors.push(error),
    now: () => state.now,
    refillDelayMs: 10,
    tendMs: 1,
    ...over,
  });
  pools.push(pool);
  return { pool, state };
}

const pools: WaitingPool<Fake>[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('a pool of waiting containers', () => {
  it('makes one after the first use and its first moments, and hands it out once', async () => {
    const { pool, state } = newPool();
    expect((await pool.use(KIND)).waiting).toBeNull();
    pool.tend();
    expect(state.made).toBe(0);
    state.now = 11;
    await until(() => pool.ready === 1);
    const [first, second] = await Promise.all([pool.use(KIND), pool.use(KIND)]);
    expect([first.waiting?.id, second.waiting]).toEqual([1, null]);
  });

  it('gives one that is being made to the one build that comes meanwhile', async () => {
    let finish: (fake: Fake) => void = () => undefined;
    const { pool, state } = newPool({ make: () => new Promise((resolve) => (finish = resolve)) });
    await pool.use(KIND);
    state.now = 11;
    pool.tend();
    const [first, second] = [pool.use(KIND), pool.use(KIND)];
    expect((await second).waiting).toBeNull();
    finish({ id: 7, image: KIND.image });
    expect((await first).waiting?.id).toBe(7);
    expect(pool.ready).toBe(0);
  });

  it('keeps as many as ran at once, and no more than it may', async () => {
    const { pool, state } = newPool({ max: 3 });
    const uses = await Promise.all([pool.use(KIND), pool.use(KIND)]);
    state.now = 11;
    await until(() => pool.ready === 2);
    await Promise.all([pool.use(OTHER), pool.use(OTHER), pool.use(OTHER)]);
    state.now = 30;
    await until(() => state.made === 4 && pool.ready === 3);
    // the kind that was used last has its two, the other gave one up
    expect(state.discarded).toHaveLength(1);
    for (const { end } of uses) end();
  });

  it('lets go what was not used for a while', async () => {
    const { pool, state } = newPool();
    (await pool.use(KIND)).end();
    state.now = 11;
    await until(() => pool.ready === 1);
    state.now = IDLE_MS + 1;
    await until(() => state.discarded.length === 1);
    expect(pool.ready).toBe(0);
  });

  it('gives everything up while memory is short, and comes back', async () => {
    const { pool, state } = newPool();
    await pool.use(KIND);
    state.now = 11;
    await until(() => pool.ready === 1);
    state.short = true;
    await until(() => state.discarded.length === 1);
    expect((await pool.use(KIND)).waiting).toBeNull();
    state.short = false;
    state.now = 40;
    await until(() => pool.ready === 2);
  });

  it('replaces what waits when the image moves, and remembers the demand', async () => {
    const { pool, state } = newPool();
    await Promise.all([pool.use(KIND), pool.use(KIND)]);
    state.now = 11;
    await until(() => pool.ready === 2);
    pool.moved(KIND.image, OTHER.image);
    await until(() => state.discarded.length === 2 && pool.ready === 2);
    expect((await pool.use(OTHER)).waiting?.image).toBe(OTHER.image);
    expect((await pool.use(KIND)).waiting).toBeNull();
  });

  it('never hands out one that was dropped', async () => {
    const { pool, state } = newPool();
    await pool.use(KIND);
    state.now = 11;
    await until(() => pool.ready === 1);
    state.now = 0; // nothing new is made in between
    pool.drop(({ id }) => id === 1);
    expect((await pool.use(KIND)).waiting).toBeNull();
    expect(state.discarded).toEqual([1]);
  });

  it('pauses for a kind that cannot be made, and tells why', async () => {
    const { pool, state } = newPool({ make: () => Promise.reject(new Error('no space left')) });
    await pool.use(KIND);
    state.now = 11;
    await until(() => state.errors.length === 1);
    state.now = 1_000;
    pool.tend();
    expect(state.errors).toHaveLength(1);
    expect((await pool.use(KIND)).waiting).toBeNull();
  });

  it('leaves nothing behind when it is closed, not even what is being made', async () => {
    let finish: (fake: Fake) => void = () => undefined;
    const { pool, state } = newPool({ make: () => new Promise((resolve) => (finish = resolve)) });
    await pool.use(KIND);
    state.now = 11;
    pool.tend();
    const closed = pool.close();
    finish({ id: 9, image: KIND.image });
    await closed;
    expect(state.discarded).toEqual([9]);
    expect((await pool.use(KIND)).waiting).toBeNull();
  });
});
