// The suite's own arithmetic: what a limit holds, what a trend is, how records are cut into phases.

import { describe, expect, it } from 'vitest';
import { firm, holds, textOf, timed } from './case.ts';
import { OUTCOMES, Phase, type Records } from './load.ts';
import { widened } from './noise.ts';
import { isRising, trendOf } from './soak/trend.ts';

const HOUR_MS = 3_600_000;

describe('a figure', () => {
  it('holds within its limits, and never when it could not be measured', () => {
    expect(holds(firm('lost', 0, { atMost: 0 }))).toBe(true);
    expect(holds(firm('lost', 1, { atMost: 0 }))).toBe(false);
    expect(holds(timed('share', 3, '%', { atLeast: 5, atMost: 9 }))).toBe(false);
    expect(holds(timed('p99', Number.NaN, 'ms', { atMost: 5 }))).toBe(false);
    expect(holds(timed('p99', Number.NaN, 'ms'))).toBe(true);
  });

  it('says its limits behind its value, in three digits that count', () => {
    expect(textOf(timed('p99', 3.2468, 'ms', { atMost: 8 }))).toBe('p99 3.25 ms (≤ 8)');
    expect(textOf(firm('status', 503, { atLeast: 503, atMost: 503 }))).toBe('status 503 (= 503)');
    expect(textOf(timed('cut', 18.66, '×', { atLeast: 5 }))).toBe('cut 18.7× (≥ 5)');
  });

  it('may be later by what the machine was, if it is a latency, and is what it is otherwise', () => {
    expect(widened(timed('p99', 6, 'ms', { atMost: 5 }), 2).atMost).toBe(7);
    expect(widened(timed('took', 1, 's', { atMost: 1 }), 500).atMost).toBe(1.5);
    expect(widened(firm('lost', 1, { atMost: 0 }), 100).atMost).toBe(0);
    expect(widened(timed('RSS', 60, 'MiB', { atMost: 50 }), 100).atMost).toBe(50);
  });
});

describe('a trend', () => {
  const series = (levelAt: (hour: number) => number) =>
    Array.from({ length: 200 }, (_, i) => ({ atMs: (i * HOUR_MS) / 100, value: levelAt(i / 100) }));

  it('is the slope of the line through whole cycles, with its error', () => {
    const { slope, error, growth, cycles } = trendOf(
      series((hour) => 100 + 5 * hour),
      HOUR_MS / 10,
    );
    expect(slope).toBeCloseTo(5, 3);
    expect(error).toBeCloseTo(0, 3);
    expect(growth).toBeCloseTo(10, 1);
    expect(cycles).toBe(20);
  });

  it('rises when it is beyond its error and worth the name, not for what goes up and down', () => {
    const cycleMs = HOUR_MS / 10;
    expect(
      isRising(
        trendOf(
          series((hour) => 100 + 10 * hour),
          cycleMs,
        ),
        0.03,
      ),
    ).toBe(true);
    expect(
      isRising(
        trendOf(
          series((hour) => 100 + 0.1 * hour),
          cycleMs,
        ),
        0.03,
      ),
    ).toBe(false);
    expect(
      isRising(
        trendOf(
          series((hour) => 100 + 20 * Math.sin(40 * hour)),
          cycleMs,
        ),
        0.03,
      ),
    ).toBe(false);
  });

  it('is not told from fewer than three cycles', () => {
    expect(
      isRising(
        trendOf(
          series((hour) => 100 + 100 * hour),
          2 * HOUR_MS,
        ),
        0.03,
      ),
    ).toBe(false);
  });
});

describe('records of a load', () => {
  const records: Records = {
    atMs: Float64Array.of(0, 10, 20, 30),
    latencyMs: Float64Array.of(1, 2, 3, 400),
    outcome: Float64Array.of(200, 503, OUTCOMES.truncated, 200),
    method: Float64Array.of(0, 1, 0, 0),
    by: Float64Array.of(0, -1, 1, 1),
    methods: ['GET', 'POST'],
    endpoints: ['e0', 'e1'],
  };
  const all = new Phase(records, 0, 4);

  it('count what was lost, by method and by outcome', () => {
    expect([all.requests, all.lost(), all.lost('GET'), all.lost('POST')]).toEqual([4, 2, 1, 1]);
    expect(all.outcomes).toBe('200: 2, 503: 1, truncated: 1');
    expect(all.slowerThan(100)).toBe(1);
  });

  it('are cut by the moment a request was due', () => {
    const middle = all.between(10, 30);
    expect([middle.requests, middle.lost()]).toEqual([2, 2]);
    expect(middle.quantileMs(1)).toBe(3);
    expect(all.quantileMs(0.5, (outcome) => outcome === 200)).toBe(400);
  });

  it('know who answered, and when first and last', () => {
    expect(all.shareOf('e1')).toBeCloseTo(2 / 3, 5);
    expect(all.firstAtMs((_, by) => by === 'e1')).toBe(20);
    expect(all.lastAtMs((outcome) => outcome === 503)).toBe(10);
    expect(all.lastAtMs((outcome) => outcome === 404)).toBeNaN();
  });
});
