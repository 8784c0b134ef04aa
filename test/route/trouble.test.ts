// The score when home is in trouble: too much load, a slow server, a longer way, failures, an outage. Errors count 1000 ms.
// Bounds are wider than what is measured (bench/route/sim.ts, five seeds), and far below what any peer does.

import { describe, expect, it } from 'vitest';
import { type Compared, compare } from '../../bench/route/sim/run.ts';

function fermat(scenario: string): Compared {
  return compare({ policy: 'fermat', scenario, seed: 1 });
}

describe('when home is in trouble', () => {
  it.each([
    'spike',
    'spike-proxies-1',
    'spike-proxies-16',
  ])('sends the rest elsewhere, and loses none: %s', (scenario) => {
    const figures = fermat(scenario);
    expect(figures.mean).toBeLessThan(1.1);
    expect(figures.errorRatio).toBe(0);
    expect(figures.homeRatio).toBeGreaterThan(0.45);
  });

  it('leaves a home that serves eight times as slowly within three seconds', () => {
    const figures = fermat('brownout');
    expect(figures.mean).toBeLessThan(1.12);
    expect(figures.p99).toBeLessThan(2.5);
    expect(figures.movedMs).toBeLessThanOrEqual(3000);
    expect(figures.errorRatio).toBe(0);
  });

  it('leaves a home to which the way became 7.5 times as long within three seconds', () => {
    const figures = fermat('route-change');
    expect(figures.mean).toBeLessThan(1.08);
    expect(figures.movedMs).toBeLessThanOrEqual(3000);
  });

  // linkerd2-proxy#4537: who fails at once has the least latency, and drew all traffic.
  it('does not take fast failures for speed', () => {
    const figures = fermat('fast-503');
    expect(figures.errorRatio).toBeLessThan(0.008);
    expect(figures.mean).toBeLessThan(1.1);
  });

  it('loses few requests to a home that is gone', () => {
    const figures = fermat('outage');
    expect(figures.errorRatio).toBeLessThan(0.012);
    expect(figures.movedMs).toBeLessThanOrEqual(1500);
  });

  it('finds home again within fifteen seconds, and stays', () => {
    const figures = fermat('recovery');
    expect(figures.movedMs).toBeLessThanOrEqual(15_000);
    // One move, and no other, over the thirty seconds.
    expect(figures.switches).toBeLessThan(0.7);
    expect(figures.errorRatio).toBe(0);
  });

  it('moves at most about once in ten seconds when the way home changes every three', () => {
    const figures = fermat('flapping');
    expect(figures.switches).toBeLessThanOrEqual(1.4);
    expect(figures.mean).toBeLessThan(1.4);
  });

  // haproxy#899: everybody is slow, so everybody was thrown out.
  it('ejects nobody and loses nothing when all regions are slow', () => {
    const figures = fermat('all-slow');
    expect(figures.ejections).toBe(0);
    expect(figures.errorRatio).toBe(0);
    expect(figures.mean).toBeLessThan(1.3);
  });
});
