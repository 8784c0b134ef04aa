import { describe, expect, it } from 'vitest';
import { newTimes, timesAdd, timesQuantile } from '../../src/core/quantile.ts';
import { seeded } from '../../src/core/selector.ts';

const QUANTILES = [0.5, 0.9, 0.95, 0.98, 0.99];

/** What is asked for of all times that were put in, exactly. */
function exact(times: readonly number[], quantile: number): number {
  return [...times].sort((x, y) => x - y)[Math.ceil(times.length * quantile) - 1]!;
}

const random = seeded(7);
const DISTRIBUTIONS: Record<string, () => number> = {
  'the same every time': () => 20,
  even: () => 1 + random() * 99,
  exponential: () => -40 * Math.log(1 - random()),
  'with a heavy tail': () => 5 * (1 - random()) ** (-1 / 1.2),
  'of two kinds': () => (random() < 0.93 ? 3 + random() : 900 + 200 * random()),
};

describe('a learned quantile', () => {
  it.each(Object.entries(DISTRIBUTIONS))('is right to a tenth of itself: %s', (_, draw) => {
    const times = newTimes(0);
    const all = Array.from({ length: 4000 }, draw);
    for (const ms of all) timesAdd(times, ms, 0);
    for (const quantile of QUANTILES) {
      const truth = exact(all, quantile);
      const learned = timesQuantile(times, quantile);
      expect(learned).toBeGreaterThanOrEqual(truth * 0.999);
      expect(learned).toBeLessThanOrEqual(truth * 1.11);
    }
  });

  it('is nothing when nothing was learned, and takes any time there is', () => {
    const times = newTimes(0);
    expect(timesQuantile(times, 0.95)).toBe(0);
    for (const ms of [0, 1e-9, 1e12]) timesAdd(times, ms, 0);
    expect(timesQuantile(times, 0)).toBeCloseTo(0.1);
    expect(timesQuantile(times, 0.99)).toBeGreaterThan(60_000);
  });

  it('follows an endpoint that gets slower within some hundred answers, and back', () => {
    const times = newTimes(0);
    let nowMs = 0;
    const feed = (ms: number, count: number) => {
      for (let i = 0; i < count; i++) {
        nowMs += 10;
        timesAdd(times, ms, nowMs);
      }
    };
    feed(5, 20_000);
    expect(timesQuantile(times, 0.95)).toBeLessThan(6);
    feed(50, 300);
    expect(timesQuantile(times, 0.95)).toBeGreaterThanOrEqual(50);
    feed(5, 20_000);
    expect(timesQuantile(times, 0.95)).toBeLessThan(6);
  });

  it('forgets by the clock, too, but never all that a quiet endpoint has taught', () => {
    const times = newTimes(0);
    for (let i = 0; i < 1000; i++) timesAdd(times, 5, 0);
    for (let i = 1; i <= 20; i++) timesAdd(times, 5, i * 60_000);
    expect(times.total).toBeLessThan(520);
    expect(times.total).toBeGreaterThanOrEqual(256);
    expect(times.total).toBeCloseTo(times.counts.reduce((sum, n) => sum + n, 0));
  });
});
