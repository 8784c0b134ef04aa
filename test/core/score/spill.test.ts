import { describe, expect, it } from 'vitest';
import { newSpill, spillAfter } from '../../../src/core/score/spill.ts';

const TICK_MS = 250;

/** Ticks of an endpoint that is drawn `drawsPerS` times a second, takes its share of them and refuses above `limitPerS`. */
function run(drawsPerS: number, capacity: number, limitPerS = Number.POSITIVE_INFINITY, ticks = 80) {
  const spill = newSpill();
  let refusedLate = 0;
  for (let i = 0; i < ticks; i++) {
    const requests = (drawsPerS * spill.share * TICK_MS) / 1000;
    const refused = Math.max(requests - (limitPerS * TICK_MS) / 1000, 0);
    if (i >= ticks / 2) refusedLate += refused / requests;
    spillAfter(spill, requests, refused, capacity, TICK_MS);
  }
  return { spill, takenPerS: drawsPerS * spill.share, refusedRatio: refusedLate / (ticks / 2) };
}

describe('spill', () => {
  it('takes everything below a capacity, and without one', () => {
    expect(run(300, 400).spill.share).toBe(1);
    expect(run(1e6, 0).spill.share).toBe(1);
  });

  it('takes 85 % of its capacity when more would come', () => {
    expect(run(600, 400).takenPerS).toBeCloseTo(340, 0);
  });

  it('learns a rate limit from refusals and stays just below it', () => {
    const { takenPerS, refusedRatio } = run(150, 0, 100, 400);
    expect(takenPerS).toBeGreaterThan(85);
    expect(takenPerS).toBeLessThan(106);
    expect(refusedRatio).toBeLessThan(0.03);
  });

  it('forgets a limit that the demand has fallen below', () => {
    const { spill } = run(150, 0, 100);
    for (let i = 0; i < 200; i++) spillAfter(spill, (40 * TICK_MS) / 1000, 0, 0, TICK_MS);
    expect(spill.share).toBe(1);
    expect(spill.limitPerS).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not starved by one client that asks too much', () => {
    const spill = newSpill();
    for (let i = 0; i < 400; i++) spillAfter(spill, 25, i % 4 === 0 ? 1 : 0, 0, TICK_MS);
    expect(spill.share).toBe(1);
  });

  it('does not take a ban for a limit, and survives ticks without time or requests', () => {
    const spill = newSpill();
    spillAfter(spill, 10, 10, 0, TICK_MS);
    spillAfter(spill, 0, 0, 0, TICK_MS);
    spillAfter(spill, 5, 1, 0, 0);
    expect(spill.share).toBe(1);
  });
});
