import { afterEach, expect, it, jest } from '@jest/globals';
import { Rounds } from './rounds.js';

afterEach(() => void jest.useRealTimers());

it('rounds follow each other, never two at once, until they are stopped', async () => {
  let [atWork, most, count] = [0, 0, 0];
  let third = (): void => undefined;
  const seenThree = new Promise<void>((resolve) => (third = resolve));
  const rounds = new Rounds(async () => {
    most = Math.max(most, ++atWork);
    await new Promise((resolve) => setTimeout(resolve, 5));
    atWork -= 1;
    if (++count === 3) third();
  });
  rounds.start(1);
  await seenThree;
  await rounds.stop();
  const after = count;
  expect([most, atWork]).toEqual([1, 0]);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(count).toBe(after);
});

it('a round is told by how much it comes too late', async () => {
  jest.useFakeTimers({ now: 0 });
  const late: number[] = [];
  const rounds = new Rounds(async (lateMs) => void late.push(lateMs));
  rounds.start(1_000);
  await jest.advanceTimersByTimeAsync(1_500);
  jest.setSystemTime(90_000); // the machine slept
  await jest.advanceTimersByTimeAsync(500);
  expect(late).toEqual([0, 0, 88_500]);
  await rounds.stop();
});
