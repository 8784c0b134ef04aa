// How often what was found becomes what runs.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '../../../src/control/discovery/pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function paceOf(act: () => Promise<void> = async () => {}) {
  const atMs: number[] = [];
  const startMs = Date.now();
  const clock = () => Date.now() - startMs;
  const pace = new Pace(clock, async () => {
    atMs.push(clock());
    await act();
  });
  return { pace, atMs };
}

test('news that come together go together, the first within a tenth of a second', async () => {
  const { pace, atMs } = paceOf();
  for (let i = 0; i < 5; i++) {
    pace.poke();
    await vi.advanceTimersByTimeAsync(10);
  }
  await vi.advanceTimersByTimeAsync(5000);
  expect(atMs).toEqual([100]);
});

test('news without end make one change a second', async () => {
  const { pace, atMs } = paceOf();
  for (let i = 0; i < 500; i++) {
    pace.poke();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(atMs).toEqual([100, 1100, 2100, 3100, 4100]);
});

test('news that come while a change is made are for the next one', async () => {
  let end: () => void = () => {};
  const { pace, atMs } = paceOf(
    () =>
      new Promise((resolve) => {
        end = resolve;
      }),
  );
  pace.poke();
  await vi.advanceTimersByTimeAsync(100);
  pace.poke();
  await vi.advanceTimersByTimeAsync(3000);
  expect(atMs).toEqual([100]);
  end();
  await vi.advanceTimersByTimeAsync(200);
  expect(atMs).toEqual([100, 3200]);
});

test('nothing happens after its end', async () => {
  const { pace, atMs } = paceOf();
  pace.poke();
  pace.stop();
  pace.poke();
  await vi.advanceTimersByTimeAsync(5000);
  expect(atMs).toEqual([]);
});
