// How much a client may ask for in vain: a flood is over soon, an honest client never is.

import { describe, expect, it } from 'vitest';
import { COST, EARNED, Patience } from '../../../src/data/h2/patience.ts';

/** How often `cost` can be spent at once. */
function times(patience: Patience, cost: number, nowMs: number): number {
  let count = 0;
  while (count < 100_000 && patience.spend(cost, nowMs)) count++;
  return count;
}

describe('patience', () => {
  it('is over within a few hundred control frames, a hundred resets, fifty malformed requests', () => {
    expect(times(new Patience(0), COST.CONTROL, 0)).toBe(400);
    expect(times(new Patience(0), COST.RESET, 0)).toBe(100);
    expect(times(new Patience(0), COST.FAULT, 0)).toBe(50);
  });

  it('comes back with time, but never to more than it was', () => {
    const patience = new Patience(0);
    times(patience, COST.CONTROL, 0);
    expect(patience.spend(COST.CONTROL, 1000)).toBe(true);
    expect(times(new Patience(0), COST.CONTROL, 1e9)).toBe(400);
  });

  it('is not used up by a client that gives up each second request, nor by two windows for each frame it gets', () => {
    const patience = new Patience(0);
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      patience.earn(EARNED.ANSWER);
      if (!patience.spend(COST.RESET, 0)) refused++;
      patience.sentData();
      for (let k = 0; k < 2; k++) if (!patience.spend(COST.CONTROL, 0)) refused++;
    }
    expect(refused).toBe(0);
  });

  it('lasts for the windows of thousands of frames that went out before the first was opened, but not for resets', () => {
    const patience = new Patience(0);
    for (let i = 0; i < 5000; i++) patience.sentData();
    expect(times(patience, COST.RESET, 0)).toBe(100);
    expect(times(patience, COST.CONTROL, 0)).toBe(15_000);
  });

  it('is used up by resets whatever is asked between them, unless it is answered', () => {
    const patience = new Patience(0);
    let nowMs = 0;
    let count = 0;
    while (patience.spend(COST.RESET, nowMs) && count < 10_000) {
      nowMs += 10; // a hundred a second, for as long as it lasts
      count++;
    }
    expect(count).toBeLessThan(150);
  });
});
