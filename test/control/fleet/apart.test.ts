// What explain says that a score is made of, in worlds of real traffic.

import { expect, test } from 'vitest';
import type { CandidateView } from '../../../src/control/types.ts';
import { origin, World } from '../../support/world.ts';

const sumOf = ({ terms }: CandidateView) => Object.values(terms!).reduce((sum, ms) => sum + ms, 0);
const candidatesOf = (world: World) => world.fleet.candidates(0).candidates;

// The figures that were shown were those that had been measured, and of two alike endpoints each is ranked by the mean of both: their
// sum was above the score, or far below it.
test('the terms of every candidate add up to its score: alike, loaded, failing, dear or held off', () => {
  const spread = (ms: number) => (random: () => number) => ms + 6 * random();
  const dear = { egressUsdPerGb: 0.09, bytes: 100_000 };
  const broken = origin('broken', spread(10));
  const quick = origin('quick', 45);
  const origins = [broken, origin('alike', spread(10.2)), origin('dear', 20, dear), quick];
  const world = new World(origins, { pool: { millisPerUsdPerMillion: 1, exploreRatio: 0.2 }, lanes: 2 });
  world.run(1000);
  const seen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    broken.failing = i > 10 && i < 25 ? 0.3 : 0;
    // Another is quicker all at once: home does not move at the first sight of that.
    quick.answerMs = i > 30 ? 1 : 45;
    world.run(500, 400);
    for (const candidate of candidatesOf(world)) {
      expect(Math.abs(sumOf(candidate) - candidate.scoreMs!), JSON.stringify(candidate)).toBeLessThan(0.005);
      for (const [term, ms] of Object.entries(candidate.terms!)) {
        expect(ms, term).toBeGreaterThanOrEqual(0);
        if (ms > 0) seen.add(term);
      }
      expect(candidate.terms!.costMs).toBe(candidate.costMs);
    }
  }
  expect([...seen].sort()).toEqual(['costMs', 'errorsMs', 'holdOffMs', 'networkMs', 'queueMs', 'serverMs']);
});
