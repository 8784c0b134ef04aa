// How hard a worker sheds, from loop delays and memory that are made up.

import { describe, expect, it } from 'vitest';
import {
  type LoopPressure,
  type MemoryLevel,
  memoryLevelOf,
  memoryPressure,
  newLoopPressure,
  noteDelay,
} from '../../src/core/pressure.ts';

const TARGET_MS = 100;
const TICK_MS = 25;

/** Ticks that are late as `lateMs` says, for `ms`; gives the clock. */
function run(p: LoopPressure, fromMs: number, ms: number, lateMs: (tick: number) => number): number {
  let nowMs = fromMs;
  for (let tick = 0; nowMs < fromMs + ms; tick++) {
    const late = lateMs(tick);
    nowMs += TICK_MS + late;
    noteDelay(p, late, nowMs, TARGET_MS);
  }
  return nowMs;
}

describe('the delay of the event loop', () => {
  it('sheds nobody while it is within its target, nor for one pause however long', () => {
    const p = newLoopPressure(0);
    const nowMs = run(p, 0, 10_000, (tick) => (tick % 50 === 7 ? 2000 : 20));
    expect(p.value).toBe(0);
    run(p, nowMs, 5000, () => 99);
    expect(p.value).toBe(0);
  });

  it('sheds more of low the longer it stands above the target, all of it within a few seconds, and nothing of normal', () => {
    const p = newLoopPressure(0);
    let nowMs = run(p, 0, 700, () => 150);
    expect(p.value).toBeGreaterThan(0);
    expect(p.value).toBeLessThan(0.5);
    nowMs = run(p, nowMs, 6000, () => 150);
    expect(p.value).toBe(1);
    run(p, nowMs, 60_000, () => 900);
    expect(p.value).toBe(1);
  });

  it('sheds normal at ten times the target, and never more than that', () => {
    const p = newLoopPressure(0);
    run(p, 0, 120_000, () => 3000);
    expect(p.value).toBe(2);
  });

  it('keeps what it sheds while the delay is between half of the target and the target, and lets go of it below', () => {
    const p = newLoopPressure(0);
    let nowMs = run(p, 0, 1500, () => 150);
    const { value } = p;
    expect(value).toBeGreaterThan(0);
    nowMs = run(p, nowMs, 5000, () => 75);
    expect(p.value).toBe(value);
    run(p, nowMs, 5000, () => 10);
    expect(p.value).toBe(0);
  });

  it('lets normal in again before low', () => {
    const p = newLoopPressure(0);
    const nowMs = run(p, 0, 120_000, () => 3000);
    run(p, nowMs, 30_000, () => 300);
    expect(p.value).toBe(1);
  });

  it('finds the part to be shed under which a queue of its own making does not grow', () => {
    // Half more requests than can be served; all are low. What is not shed lengthens the loop.
    const p = newLoopPressure(0);
    let nowMs = 0;
    let queueMs = 0;
    const seen: number[] = [];
    for (let tick = 0; tick < 4000; tick++) {
      const tickMs = TICK_MS + queueMs;
      nowMs += tickMs;
      noteDelay(p, queueMs, nowMs, TARGET_MS);
      queueMs = Math.max(0, queueMs + TICK_MS * (1.5 * (1 - Math.min(1, p.value)) - 1));
      if (tick > 1000) seen.push(queueMs);
    }
    expect(Math.max(...seen)).toBeLessThan(4 * TARGET_MS);
    const mean = seen.reduce((sum, ms) => sum + ms, 0) / seen.length;
    expect(mean).toBeGreaterThan(0); // what can be served is served
    expect(mean).toBeLessThan(2 * TARGET_MS);
  });
});

describe('memory', () => {
  const levelAfter = (ratios: readonly number[]): MemoryLevel =>
    ratios.reduce<MemoryLevel>((level, ratio) => memoryLevelOf(ratio, level), 0);

  it('ends keep-alive at 90 % of its limit, then sheds low, normal and all', () => {
    expect([0.5, 0.89, 0.9, 0.95, 0.975, 0.99, 1.2].map((ratio) => levelAfter([ratio]))).toEqual([0, 0, 1, 2, 3, 4, 4]);
    expect(([0, 1, 2, 3, 4] as const).map(memoryPressure)).toEqual([0, 0, 1, 2, 3]);
  });

  it('leaves a step two points below where it was entered', () => {
    expect(levelAfter([0.95, 0.94])).toBe(2);
    expect(levelAfter([0.95, 0.929])).toBe(1);
    expect(levelAfter([0.9, 0.881])).toBe(1);
    expect(levelAfter([0.9, 0.879])).toBe(0);
    expect(levelAfter([1, 0.5])).toBe(0);
  });
});
