// The score where there are many of something: proxies that share nothing, endpoints, continents.
// Bounds are wider than what is measured (bench/route/sim.ts, five seeds), and far below what any peer does.

import { describe, expect, it } from 'vitest';
import { compare } from '../../bench/route/sim/run.ts';

const SEED = 1;

describe('where there are many', () => {
  it('is no more than five points worse with sixteen proxies that share nothing than with one', () => {
    const [one, sixteen] = ['proxies-1', 'proxies-16'].map((scenario) =>
      compare({ policy: 'fermat', scenario, seed: SEED }),
    );
    expect(sixteen!.mean).toBeLessThan(one!.mean + 0.05);
  });

  it.each(['endpoints-4', 'endpoints-20', 'endpoints-100'])('finds the nearest among many: %s', (scenario) => {
    expect(compare({ policy: 'fermat', scenario, seed: SEED }).mean).toBeLessThan(1.1);
  });

  it('follows the sun: four continents wake up one after the other', () => {
    const figures = compare({ policy: 'fermat', scenario: 'diurnal', seed: SEED });
    expect(figures.mean).toBeLessThan(1.12);
    expect(figures.errorRatio).toBe(0);
  });
});
