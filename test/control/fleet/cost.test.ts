// Money against time in a world of real traffic: the cheaper endpoint is taken as far as the operator's price of a millisecond
// says, and no farther; without a price, time alone decides.

import { expect, test } from 'vitest';
import { origin, sharesOf, World } from '../../support/world.ts';

/** 100 kB at 0.08 USD/GB more: 8 USD per million requests. */
const DEAR = { egressUsdPerGb: 0.09, bytes: 100_000, region: 'aws:sa-east-1' };
const CHEAP = { egressUsdPerGb: 0.01, bytes: 100_000, region: 'gcp:us-east4' };

/** The share of the cheap endpoint, `laterMs` slower than the dear one, once sizes are known. */
function shareOfCheap(laterMs: number, rho: number): number {
  const origins = [origin('dear', 20, DEAR), origin('cheap', 20 + laterMs, CHEAP)];
  const pool = { millisPerUsdPerMillion: rho, exploreRatio: 0 };
  const world = new World(origins, { pool, seed: 3 });
  world.run(30_000, 50);
  return sharesOf(world.run(20_000, 50)).cheap ?? 0;
}

test('without a price of money the quicker one is taken, whatever it costs', () => {
  expect(shareOfCheap(30, 0)).toBeLessThan(0.02);
});

test('the cheaper one wins while it is not slower by more than the difference is worth', () => {
  // 8 USD per million at 5 ms each: 40 ms.
  expect(shareOfCheap(20, 5)).toBeGreaterThan(0.9);
  expect(shareOfCheap(70, 5)).toBeLessThan(0.1);
});

test('explain shows what the answer costs at each endpoint, and it is part of the score', () => {
  const origins = [origin('dear', 20, DEAR), origin('cheap', 20, CHEAP)];
  const world = new World(origins, { pool: { millisPerUsdPerMillion: 5, exploreRatio: 0.1 }, seed: 3 });
  world.run(20_000, 50);
  const { candidates } = world.fleet.candidates(0);
  const [cheap, dear] = ['cheap', 'dear'].map((id) => candidates.find((c) => c.id === id)!);
  expect(cheap!.costMs).toBeCloseTo(5, 6);
  expect(dear!.costMs).toBeCloseTo(45, 6);
  expect(dear!.scoreMs! - cheap!.scoreMs!).toBeGreaterThan(25);
});

test('before anything was answered nothing is known of sizes, and so nothing costs', () => {
  const world = new World([origin('dear', 20, DEAR)], { pool: { millisPerUsdPerMillion: 5 } });
  world.run(5000);
  expect(world.fleet.candidates(0).candidates[0]!.costMs).toBe(0);
});
