// Many edges before the same endpoints, and whole regions in trouble. Bounds are wider than what is measured (bench/route/fleet.ts,
// three seeds); before a row had a price (core/price.ts), each of these cost 3.5 to 4.4 times the omniscient router's mean.

import { describe, expect, it } from 'vitest';
import { simulateFleet } from '../../bench/route/sim/fleet-run.ts';

const BASE = { nodes: 16, endpoints: 30, seed: 1, provider: 'aws', share: null } as const;
const DIGESTS = { delayMs: 250, intervalMs: 2000 };

/** Seconds of work, on a machine that may have other things to do. */
const TIMEOUT_MS = 180_000;

describe('sixteen edges', { timeout: TIMEOUT_MS }, () => {
  it.each([
    'spike',
    'brownout',
  ])('give what a region cannot carry to all who have room, alone and sharing: %s', (scenario) => {
    const { meanMs } = simulateFleet({ ...BASE, policy: 'oracle-a', scenario });
    for (const share of [null, DIGESTS]) {
      const figures = simulateFleet({ ...BASE, policy: 'fermat', scenario, share });
      expect(figures.meanMs / meanMs).toBeLessThan(1.6);
      expect(figures.errorRatio).toBe(0);
    }
  });

  it('do not herd to an endpoint that becomes the nearest for all of them', () => {
    const figures = simulateFleet({ ...BASE, policy: 'fermat', scenario: 'herd', share: DIGESTS });
    expect(figures.herdSwing).toBeLessThan(0.25);
    expect(figures.herdPeak).toBeLessThan(1.6);
  });
});
