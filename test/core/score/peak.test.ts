import { expect, it } from 'vitest';
import { peakAfter, peakIdleMs } from '../../../src/core/score/peak.ts';

it('takes a rise at once and a fall over ten seconds', () => {
  expect(peakAfter(Number.NaN, 20, 0)).toBe(20);
  expect(peakAfter(20, 80, 1)).toBe(80);
  expect(peakAfter(80, 20, 10_000)).toBeCloseTo(20 + 60 / Math.E);
});

it('goes back to what an idle endpoint takes, from above and from below, not to nothing', () => {
  expect(peakIdleMs(Number.NaN, 30, 1)).toBe(30);
  expect(peakIdleMs(300, 30, 90_000)).toBeCloseTo(30, 0);
  expect(peakIdleMs(10, 30, 60_000)).toBeCloseTo(30, 0);
});
