// Shrinkage of cohorts: what holds whatever the samples, and what a few known cases must give.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asnKeyOf,
  type CohortPath,
  cohortPath,
  countryKeyOf,
  EDGE_COHORT,
  prefixKeyOf,
} from '../../src/core/cohort.ts';
import { Cohorts, type Estimate } from '../../src/core/cohorts.ts';

const A = 1;
const B = 2;
const STEP_MS = 100;

function client(prefix: number, asn: number | null = 100, country = 'DE'): CohortPath {
  return cohortPath(countryKeyOf(country), asnKeyOf(asn), prefixKeyOf(`10.${prefix >> 8}.${prefix & 255}.0`));
}

/** `n` samples of `ln` at `id`, well apart; and as many of others' in between that say nothing. Gives when the last came. */
function feed(cohorts: Cohorts, path: CohortPath, id: number, ln: number, n: number, fromMs = 0): number {
  for (let i = 1; i <= n; i++) {
    cohorts.learn(path, id, ln, fromMs + i * STEP_MS);
    for (let j = 0; j < 4; j++) cohorts.learn(client(60_000 + j, 900 + j, 'FR'), id, 0, fromMs + i * STEP_MS + j);
  }
  return fromMs + n * STEP_MS;
}

const estimateOf = (cohorts: Cohorts, key: number, id: number, nowMs: number): Estimate =>
  cohorts.estimate(key, id, nowMs, { ln: Number.NaN, deviation: Number.NaN, count: Number.NaN });

describe('the estimate of a cohort', () => {
  it('is everybody’s while nothing is known, and is asked for in vain of an endpoint never seen', () => {
    const cohorts = new Cohorts();
    expect(cohorts.lnOf(client(1), A, 0)).toBe(0);
    expect(estimateOf(cohorts, client(1).prefixKey, A, 0)).toEqual({ ln: 0, deviation: 0, count: 0 });
    feed(cohorts, client(1), A, 0.7, 20);
    expect(cohorts.lnOf(client(1), B, 2000)).toBe(0);
  });

  it('leans on the parent with few samples and stands alone with many, always between the two', () => {
    let before = 0;
    for (const n of [1, 2, 4, 8, 16, 32, 64]) {
      const cohorts = new Cohorts();
      const at = feed(cohorts, client(1), A, 0.5, n);
      const ln = cohorts.lnOf(client(1), A, at);
      expect(ln).toBeGreaterThan(before);
      expect(ln).toBeLessThan(0.55);
      before = ln;
    }
    expect(before).toBeGreaterThan(0.4);
  });

  it('of a prefix never seen is that of its ASN, of an ASN never seen that of its country', () => {
    const cohorts = new Cohorts();
    const at = feed(cohorts, client(1), A, 0.5, 40);
    const prefix = cohorts.lnOf(client(1), A, at);
    const asn = cohorts.lnOf(client(2), A, at);
    const country = cohorts.lnOf(client(3, 101), A, at);
    expect(prefix).toBeGreaterThan(asn);
    expect(asn).toBeGreaterThan(country);
    expect(country).toBeGreaterThan(0.3);
    expect(cohorts.lnOf(client(4, 102, 'JP'), A, at)).toBe(0);
  });

  it('skips the ASN where none is known', () => {
    const cohorts = new Cohorts();
    const path = client(1, null);
    const at = feed(cohorts, path, A, 0.5, 40);
    expect(cohorts.parentOf(path.prefixKey)).toBe(path.countryKey);
    expect(cohorts.parentOf(path.countryKey)).toBe(EDGE_COHORT);
    expect(cohorts.lnOf(client(2, null), A, at)).toBeGreaterThan(0.3);
  });

  it('fades within minutes without samples, and follows new ones at once', () => {
    const cohorts = new Cohorts();
    const at = feed(cohorts, client(1), A, 0.8, 40);
    const fresh = cohorts.lnOf(client(1), A, at);
    const old = cohorts.lnOf(client(1), A, at + 1_500_000);
    expect(old).toBeLessThan(fresh * 0.4);
    const later = feed(cohorts, client(1), A, -0.4, 60, at + 600_000);
    expect(cohorts.lnOf(client(1), A, later)).toBeLessThan(-0.1);
  });
});

describe('what happens to everybody', () => {
  it('is no cohort’s own: a brownout eight times as slow leaves all estimates where they were', () => {
    const cohorts = new Cohorts();
    const clients = Array.from({ length: 12 }, (_, i) => client(i, 100 + (i % 4), ['DE', 'FR', 'GB'][i % 3]!));
    for (let t = 0; t < 2000; t++) cohorts.learn(clients[t % 12]!, A, t < 1000 ? 0 : Math.log(8), t * 50);
    for (const path of clients) expect(Math.abs(cohorts.lnOf(path, A, 100_000))).toBeLessThan(0.15);
  });

  it('is told apart from what one cohort has of its own, though its samples are in the expectation too', () => {
    const cohorts = new Cohorts();
    const far = client(1, 100, 'BR');
    const near = [client(2, 200, 'DE'), client(3, 300, 'FR'), client(4, 400, 'GB')];
    // A quarter of the traffic takes a way e^1 as long; the expectation is the mean of the mix.
    for (let t = 0; t < 4000; t++)
      cohorts.learn(t % 4 === 0 ? far : near[(t % 4) - 1]!, A, t % 4 === 0 ? 0.75 : -0.25, t * 20);
    const difference = cohorts.lnOf(far, A, 80_000) - cohorts.lnOf(near[0]!, A, 80_000);
    expect(difference).toBeGreaterThan(0.85);
    expect(difference).toBeLessThan(1.05);
    const { ln } = estimateOf(cohorts, far.prefixKey, A, 80_000);
    expect(ln).toBeGreaterThan(0.65);
    expect(ln).toBeLessThan(0.85);
  });
});

describe('a sample', () => {
  it('that cannot be is not taken, and one that is far off counts no more than a few deviations', () => {
    const cohorts = new Cohorts();
    for (const ln of [Number.NaN, Number.POSITIVE_INFINITY, -40, 12])
      expect(cohorts.learn(client(1), A, ln, 0)).toBe(false);
    expect(cohorts.size).toBe(0);
    const at = feed(cohorts, client(1), A, 0, 20);
    cohorts.learn(client(1), A, 4.9, at + 100);
    expect(cohorts.lnOf(client(1), A, at + 100)).toBeLessThan(0.06);
  });

  it('never leaves an estimate that is not finite, whatever the values and moments', () => {
    const sample = fc.record({
      ln: fc.double({ min: -8, max: 8 }),
      prefix: fc.integer({ min: 0, max: 40 }),
      asn: fc.option(fc.integer({ min: 1, max: 5 })),
      id: fc.integer({ min: 1, max: 20 }),
      atMs: fc.integer({ min: -1e6, max: 1e7 }),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 200 }), (samples) => {
        const cohorts = new Cohorts({ cohorts: 16, endpoints: 4 });
        for (const { ln, prefix, asn, id, atMs } of samples) cohorts.learn(client(prefix, asn), id, ln, atMs);
        expect(cohorts.size).toBeLessThanOrEqual(16);
        for (const { prefix, asn, id } of samples) {
          const path = client(prefix, asn);
          expect(Math.abs(cohorts.lnOf(path, id, 1e6))).toBeLessThan(8);
          const { ln, deviation, count } = estimateOf(cohorts, path.prefixKey, id, 1e6);
          expect(Math.abs(ln)).toBeLessThanOrEqual(4);
          expect(Number.isFinite(deviation) && deviation >= 0 && count >= 0).toBe(true);
        }
      }),
    );
  });
});

describe('the memory', () => {
  it('holds 4,096 cohorts, the least recently used one goes first', () => {
    const cohorts = new Cohorts();
    const first = client(0, null, 'DE');
    for (let i = 0; i < 10_000; i++) {
      cohorts.learn(client(i, null, 'DE'), A, 0.1, i);
      if (i % 100 === 0) cohorts.learn(first, A, 0.1, i);
    }
    expect(cohorts.size).toBe(4096);
    expect(cohorts.parentOf(first.prefixKey)).toBe(countryKeyOf('DE'));
    expect(cohorts.parentOf(client(500, null).prefixKey)).toBe(EDGE_COHORT);
  });

  it('knows as many endpoints of a cohort as it may, and gives up the one it knows least of', () => {
    const cohorts = new Cohorts({ cohorts: 10, endpoints: 3 });
    const path = cohortPath(countryKeyOf('DE'), 0, 0);
    for (const [id, n] of [
      [1, 5],
      [2, 1],
      [3, 5],
      [4, 1],
    ] as const)
      feed(cohorts, path, id, 0.5, n);
    const ids: number[] = [];
    expect(cohorts.idsOf(path.countryKey, ids)).toBe(3);
    expect(ids.slice(0, 3).sort()).toEqual([1, 3, 4]);
  });

  it('is handed on, without the endpoints that are gone', () => {
    const cohorts = new Cohorts();
    const at = feed(cohorts, client(1), A, 0.5, 20);
    feed(cohorts, client(1), B, 0.5, 20);
    const next = new Cohorts({ cohorts: 4096, endpoints: 16 }, cohorts);
    next.keep(new Set([A]));
    expect(next.lnOf(client(1), A, at)).toBeGreaterThan(0.3);
    expect(next.lnOf(client(1), B, at)).toBe(0);
    expect(new Cohorts({ cohorts: 2, endpoints: 16 }, next).size).toBe(2);
  });
});
