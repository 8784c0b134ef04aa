// The score in a world where nothing happens, of the usual size: as good as a router that knows everything.
// Bounds are wider than what is measured (bench/route/sim.ts, five seeds), and far below what any peer does.

import { describe, expect, it } from 'vitest';
import { compare, simulate } from '../../bench/route/sim/run.ts';

const SEED = 1;

describe('when nothing happens', () => {
  it('sends requests where an omniscient router would', () => {
    const figures = compare({ policy: 'fermat', scenario: 'steady', seed: SEED });
    expect(figures.mean).toBeLessThan(1.05);
    expect(figures.p99).toBeLessThan(1.1);
    expect(figures.errorRatio).toBe(0);
    expect(figures.switches).toBe(0);
  });

  it('gives the same figures for the same seed', () => {
    const once = () => simulate({ policy: 'fermat', scenario: 'steady', seed: SEED, overrides: { untilMs: 20_000 } });
    expect(once()).toEqual(once());
  });

  it('uses two endpoints of one place alike', () => {
    const figures = compare({ policy: 'fermat', scenario: 'same-home', seed: SEED });
    expect(figures.mean).toBeLessThan(1.05);
    expect(figures.homeRatio).toBeGreaterThan(0.3);
    expect(figures.homeRatio).toBeLessThan(0.75);
  });

  // traefik#12306: the average of a server that had met a few heavy jobs kept it from ever being asked again.
  it('starves none of five identical servers when one job in twenty is heavy', () => {
    const figures = compare({ policy: 'fermat', scenario: 'mixed-jobs', seed: SEED });
    expect(figures.leastShare).toBeGreaterThan(0.5);
    expect(figures.mean).toBeLessThan(1.1);
  });
});
