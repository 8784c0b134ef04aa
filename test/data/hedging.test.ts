// When a second attempt is due: what is learned, what is believed, and what the budget makes of it.

import { beforeEach, describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/core/sample.ts';
import { Hedging } from '../../src/data/hedging.ts';
import { NEVER } from '../../src/data/wheel.ts';

const SPEC = { quantile: 0.95, budgetRatio: 0.02 };
let hedging: Hedging;
beforeEach(() => {
  hedging = new Hedging(SPEC, 0);
});

/** 1 … `count` ms, each once. */
function learn(slot: number, count: number, factor = 1): void {
  for (let ms = 1; ms <= count; ms++) hedging.learn(slot, OUTCOME.OK, ms * factor, ms * factor, 0);
}

describe('what is late', () => {
  it('is not known before there were enough answers', () => {
    expect(hedging.delayMs(3)).toBe(NEVER);
    learn(3, 39);
    expect(hedging.delayMs(3)).toBe(NEVER);
    learn(3, 2);
    expect(hedging.delayMs(3)).not.toBe(NEVER);
  });

  it("is the endpoint's own quantile, or the pool's while the endpoint is hardly known", () => {
    learn(0, 100);
    learn(5, 100, 10);
    expect(hedging.delayMs(0)).toBeGreaterThanOrEqual(95);
    expect(hedging.delayMs(0)).toBeLessThan(106);
    expect(hedging.delayMs(5)).toBeGreaterThanOrEqual(950);
    expect(hedging.delayMs(2)).toBeGreaterThan(500);
  });

  it('is not learned from failures, however quick', () => {
    learn(0, 100);
    const before = hedging.delayMs(0);
    for (let i = 0; i < 1000; i++) {
      hedging.learn(0, OUTCOME.STATUS_5XX, 0.5, 0.5, 0);
      hedging.learn(0, OUTCOME.RESET, -1, 0.5, 0);
      hedging.learn(0, OUTCOME.TOO_MANY, 0.5, 0.5, 0);
    }
    expect(hedging.delayMs(0)).toBe(before);
  });

  it('is not made to look shorter by answers that nobody waited for', () => {
    learn(0, 100);
    const before = hedging.delayMs(0);
    // Given up in a moment: that says nothing. Given up late: at least that late.
    for (let i = 0; i < 200; i++) hedging.learn(0, OUTCOME.OUTRUN, -1, 3, 0);
    expect(hedging.delayMs(0)).toBe(before);
    for (const outcome of [OUTCOME.OUTRUN, OUTCOME.TIMEOUT, OUTCOME.CLIENT_GONE])
      for (let i = 0; i < 5; i++) hedging.learn(0, outcome, -1, 300, 0);
    expect(hedging.delayMs(0)).toBeGreaterThan(before);
  });

  it('outlives a reload', () => {
    learn(7, 100);
    const next = new Hedging(SPEC, 0);
    next.inherit(hedging, 7);
    next.inherit(hedging, 9);
    expect(next.delayMs(7)).toBe(hedging.delayMs(7));
    expect(next.delayMs(9)).toBe(NEVER);
  });
});

describe('with a budget of 2 %', () => {
  it('who has just passed the 95th percentile waits for the 98th, unless there is plenty', () => {
    learn(0, 800);
    const delayMs = hedging.delayMs(0);
    expect(hedging.moreMs(0, delayMs)).toBeGreaterThan(0);
    expect(hedging.moreMs(0, 900)).toBe(0);
    hedging.budget.tokens = 20;
    expect(hedging.moreMs(0, delayMs)).toBe(0);
    expect(hedging.moreMs(0, delayMs - 7)).toBeCloseTo(7);
  });

  it('a later quantile of its own is kept to', () => {
    hedging = new Hedging({ quantile: 0.99, budgetRatio: 0.5 }, 0);
    learn(0, 1000);
    expect(hedging.delayMs(0)).toBeGreaterThanOrEqual(990);
    expect(hedging.moreMs(0, hedging.delayMs(0))).toBe(0);
  });
});
