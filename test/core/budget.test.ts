import { describe, expect, it } from 'vitest';
import { deposit, newBudget, take } from '../../src/core/budget.ts';

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
