import { describe, expect, it } from 'vitest';
import { MIN_BYTES_PER_S, Pace, WINDOW_MS } from '../../src/data/pace.ts';
import { NEVER } from '../../src/data/wheel.ts';

/** When a client that sends `bytes` every `everyMs` is given up; NEVER = not within ten minutes. */
function givenUpMs(pace: Pace, bytes: number, everyMs: number): number {
  for (let nowMs = everyMs; nowMs < 600_000; nowMs += everyMs) {
    while (pace.dueMs < nowMs) {
      const dueMs = pace.dueMs;
      if (pace.isTooSlow(dueMs)) return dueMs;
      expect(pace.dueMs).toBeGreaterThan(dueMs);
    }
    pace.moved(bytes, nowMs);
  }
  return NEVER;
}

function paceOf(patienceMs: number): Pace {
  const pace = new Pace();
  pace.start(0, patienceMs);
  return pace;
}

describe('the pace of a client', () => {
  it('waits for nothing until it is started, and no more when it is stopped', () => {
    const pace = new Pace();
    expect([pace.dueMs, pace.isRunning, pace.isTooSlow(1e9)]).toEqual([NEVER, false, false]);
    pace.start(5, 10);
    expect([pace.dueMs, pace.isRunning]).toEqual([15, true]);
    pace.stop();
    expect([pace.dueMs, pace.isTooSlow(1e9)]).toEqual([NEVER, false]);
  });

  it('gives up on silence after exactly the patience there is, however much came before', () => {
    const pace = paceOf(10_000);
    pace.moved(1_000_000, 9_000);
    expect(pace.isTooSlow(10_000)).toBe(false);
    expect(pace.dueMs).toBe(19_000);
    expect(pace.isTooSlow(18_999)).toBe(false);
    expect(pace.isTooSlow(19_000)).toBe(true);
  });

  it('gives up on a byte every now and then after one window', () => {
    expect(givenUpMs(paceOf(30_000), 1, 29_000)).toBe(WINDOW_MS);
    expect(givenUpMs(paceOf(10_000), 1, 9_000)).toBe(WINDOW_MS);
    expect(givenUpMs(paceOf(500), 1, 150)).toBe(WINDOW_MS);
    expect(givenUpMs(paceOf(60_000), 1, 1_000)).toBe(60_000);
  });

  it('bears whoever keeps to the least rate, evenly or in bursts', () => {
    expect(givenUpMs(paceOf(30_000), MIN_BYTES_PER_S, 1_000)).toBe(NEVER);
    expect(givenUpMs(paceOf(30_000), 15 * MIN_BYTES_PER_S + 50, 15_000 - 1)).toBe(NEVER);
    expect(givenUpMs(paceOf(30_000), MIN_BYTES_PER_S * 0.9, 1_000)).toBe(WINDOW_MS);
  });

  it('does not let a fast beginning make up for a slow rest', () => {
    const pace = paceOf(30_000);
    pace.moved(1_000_000, 1_000);
    expect(givenUpMs(pace, 1, 29_000)).toBe(2 * WINDOW_MS);
  });
});
