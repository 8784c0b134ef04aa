// The score when what it is told is wrong or missing: places, probes, clocks, limits, endpoints that nobody has met.
// Bounds are wider than what is measured (bench/route/sim.ts, five seeds), and far below what any peer does.

import { describe, expect, it } from 'vitest';
import { type Compared, compare } from '../../bench/route/sim/run.ts';

function fermat(scenario: string): Compared {
  return compare({ policy: 'fermat', scenario, seed: 1 });
}

describe('when what is known is wrong', () => {
  it('believes what it measures when locations are wrong by a continent', () => {
    const figures = fermat('wrong-location');
    expect(figures.mean).toBeLessThan(1.05);
    expect(figures.homeRatio).toBeGreaterThan(0.9);
  });

  it('gets along when 30 % of the probes are lost', () => {
    const figures = fermat('probe-loss');
    expect(figures.mean).toBeLessThan(1.25);
    expect(figures.errorRatio).toBe(0);
  });

  it.each(['clock-jump', 'stall'])('does not notice in its choices: %s', (scenario) => {
    const figures = fermat(scenario);
    expect(figures.mean).toBeLessThan(1.05);
    expect(figures.switches).toBe(0);
    expect(figures.ejections).toBe(0);
  });

  it('keeps to the limit of an endpoint that answers 429', () => {
    const figures = fermat('rate-limit');
    expect(figures.errorRatio).toBeLessThan(0.025);
    expect(figures.ejections).toBe(0);
    expect(figures.homeRatio).toBeGreaterThan(0.2);
  });

  // tower#134: an endpoint without measurements was never chosen, and so never measured.
  it('moves to a new endpoint that is the nearest of all', () => {
    const figures = fermat('new-endpoint');
    expect(figures.homeRatio).toBeGreaterThan(0.5);
    expect(figures.errorRatio).toBe(0);
  });
});
