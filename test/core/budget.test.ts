import { describe, expect, it } from 'vitest';
import { deposit, giveBack, judge, newBudget, take } from '../../src/core/budget.ts';

function taken(budget: ReturnType<typeof newBudget>, nowMs: number): number {
  let n = 0;
  while (take(budget, nowMs)) n++;
  return n;
}

describe('the retry budget', () => {
  it('lets a quiet pool retry: ten seconds of its minimum at rest', () => {
    expect(taken(newBudget(0.2, 3, 0), 0)).toBe(30);
  });

  it('gives one retry for every five requests at 20 %', () => {
    const budget = newBudget(0.2, 0, 0);
    expect(take(budget, 0)).toBe(false);
    for (let i = 0; i < 50; i++) deposit(budget, 0);
    expect(taken(budget, 0)).toBe(10);
  });

  it('refills with the minimum per second once it is spent', () => {
    const budget = newBudget(0, 3, 0);
    taken(budget, 0);
    expect(taken(budget, 1000)).toBe(2); // 2.85 tokens
    expect(taken(budget, 60_000)).toBe(29);
  });

  it('forgets what busy times put in, so that a flood today pays no storm tomorrow', () => {
    const budget = newBudget(0.2, 0, 0);
    for (let i = 0; i < 5000; i++) deposit(budget, 0);
    expect(taken(budget, 60_000)).toBe(2); // 1000 · e^-6
  });
});

describe('where most attempts fail', () => {
  /** Every request fails, and so does every retry that is granted. Gives how many were. */
  function outage(budget: ReturnType<typeof newBudget>, requests: number, perSecond: number): number {
    let retries = 0;
    for (let i = 0; i < requests; i++) {
      const nowMs = (i * 1000) / perSecond;
      deposit(budget, nowMs);
      judge(budget, false);
      if (!take(budget, nowMs)) continue;
      retries++;
      judge(budget, false);
    }
    return retries;
  }

  it('extra attempts come to less than a fifth, also of the first two seconds, though the bucket was full', () => {
    for (const perSecond of [200, 1000, 10_000]) {
      const budget = newBudget(0.2, 3, -30_000);
      for (let i = 0; i < perSecond * 30; i++) deposit(budget, -30_000 + (i * 1000) / perSecond);
      const seconds = 2;
      const retries = outage(budget, perSecond * seconds, perSecond);
      expect(retries).toBeLessThan(0.2 * perSecond * seconds);
      expect(retries).toBeGreaterThan(5);
    }
  });

  it('some are still made, so that it shows when they help again', () => {
    const budget = newBudget(0.2, 3, 0);
    outage(budget, 2000, 200);
    expect(outage(budget, 20_000, 200)).toBeGreaterThan(20);
  });

  it('a third of them failing changes nothing, and a crowd that fails at once is let off', () => {
    const partial = newBudget(0.2, 0, 0);
    for (let i = 0; i < 300; i++) {
      deposit(partial, 0);
      judge(partial, i % 3 !== 0);
    }
    expect(taken(partial, 0)).toBe(60);
    const crowd = newBudget(0.2, 3, 0);
    for (let i = 0; i < 100; i++) deposit(crowd, 0);
    let granted = 0;
    for (let i = 0; i < 16; i++) {
      judge(crowd, false);
      if (take(crowd, 0)) granted++;
    }
    expect(granted).toBe(16);
  });
});

describe('a budget without a trickle', () => {
  it('keeps what it was told to keep for as long as it takes', () => {
    const budget = newBudget(0.02, 0, 0, 1);
    for (let i = 0; i < 49; i++) deposit(budget, i * 10_000);
    expect(take(budget, 490_000)).toBe(false);
    deposit(budget, 490_000);
    expect(take(budget, 1e9)).toBe(true);
    expect(take(budget, 1e9)).toBe(false);
  });

  it('takes back what was not needed', () => {
    const budget = newBudget(1, 0, 0);
    deposit(budget, 0);
    expect(take(budget, 0)).toBe(true);
    giveBack(budget);
    expect(taken(budget, 0)).toBe(1);
  });
});
