import { describe, expect, it } from 'vitest';
import {
  eject,
  mayEject,
  newOutlier,
  probedOutlier,
  settled,
  successRateOutliers,
  waited,
} from '../../src/core/outlier.ts';
import { OUTCOME } from '../../src/core/sample.ts';

const spec = { consecutive: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionMs: 300_000, maxEjectedRatio: 0.5 };
const T = 1_000_000;

describe('outlier ejection', () => {
  it('asks for ejection after five failures in a row, and not when one success lies between', () => {
    const o = newOutlier();
    for (let i = 0; i < 4; i++) expect(settled(o, OUTCOME.STATUS_5XX, spec, T + i)).toBe(null);
    settled(o, OUTCOME.OK, spec, T + 4);
    for (let i = 0; i < 4; i++) expect(settled(o, OUTCOME.STATUS_5XX, spec, T + 5 + i)).toBe(null);
    expect(settled(o, OUTCOME.STATUS_5XX, spec, T + 9)).toBe('status');
  });

  it('needs only three failed connects', () => {
    const o = newOutlier();
    settled(o, OUTCOME.CONNECT_FAILED, spec, T);
    settled(o, OUTCOME.CONNECT_FAILED, spec, T);
    expect(settled(o, OUTCOME.CONNECT_FAILED, spec, T)).toBe('connect');
  });

  it('never counts what the client caused, nor 429', () => {
    const o = newOutlier();
    for (let i = 0; i < 100; i++) {
      expect(settled(o, OUTCOME.CLIENT_GONE, spec, T)).toBe(null);
      expect(settled(o, OUTCOME.TOO_MANY, spec, T)).toBe(null);
    }
    expect(o.failures).toBe(0);
  });

  it('asks for ejection when half of at least twenty fail within the window, and forgets older ones', () => {
    const old = newOutlier();
    const o = newOutlier();
    let reason: string | null = null;
    for (let i = 0; i < 20; i++) {
      const outcome = i % 2 === 0 ? OUTCOME.OK : OUTCOME.RESET;
      reason = settled(o, outcome, spec, T);
      settled(old, outcome, spec, T - 15_000);
    }
    expect(reason).toBe('ratio');
    expect(settled(old, OUTCOME.RESET, spec, T)).toBe(null);
  });

  it('ejects n times as long the n-th time, with jitter, up to the maximum', () => {
    const o = newOutlier();
    const lengths = Array.from({ length: 12 }, () => {
      eject(o, 'status', spec, T, () => 0.5);
      const ms = o.untilMs - o.atMs;
      expect(waited(o, o.untilMs - 1)).toBe(false);
      expect(waited(o, o.untilMs)).toBe(true);
      return ms;
    });
    expect(lengths.slice(0, 3)).toEqual([31_500, 63_000, 94_500]);
    expect(lengths.at(-1)).toBe(315_000);
  });

  it('forgives one time for each sentence it behaves', () => {
    const o = newOutlier();
    eject(o, 'status', spec, T, () => 0);
    waited(o, T + 30_000);
    expect(o.times).toBe(1);
    waited(o, T + 60_001);
    expect(o.times).toBe(0);
  });

  it('ends early by good probes when a probe can tell, and runs its time for statuses', () => {
    for (const [reason, ends] of [
      ['connect', true],
      ['reset', true],
      ['timeout', true],
      ['status', false],
    ] as const) {
      const o = newOutlier();
      eject(o, reason, spec, T, () => 0);
      expect(probedOutlier(o, true, 2, T)).toBe(false);
      expect(probedOutlier(o, false, 2, T)).toBe(false);
      expect(probedOutlier(o, true, 2, T)).toBe(false);
      expect(probedOutlier(o, true, 2, T)).toBe(ends);
    }
  });

  it('keeps who was ejected before for ten seconds more each time, until it has behaved', () => {
    const o = newOutlier();
    const secondsOut = (fromMs: number): number => {
      eject(o, 'connect', spec, fromMs, () => 0);
      for (let seconds = 1; ; seconds++) if (probedOutlier(o, true, 2, fromMs + seconds * 1000)) return seconds;
    };
    expect([secondsOut(T), secondsOut(T + 10_000), secondsOut(T + 30_000)]).toEqual([2, 10, 20]);
    for (let seconds = 0; seconds < 1000; seconds++) waited(o, T + 60_000 + seconds * 1000);
    expect(secondsOut(T + 2_000_000)).toBe(2);
  });

  it('never lets the last go that answers, lets one go whatever the percentage, and dead ones beyond it', () => {
    expect(mayEject('connect', 3, 2, 0, 0.5)).toBe(false);
    expect(mayEject('status', 2, 0, 1, 0.1)).toBe(true);
    expect(mayEject('status', 4, 2, 2, 0.5)).toBe(false);
    expect(mayEject('connect', 4, 2, 2, 0.5)).toBe(true);
  });

  it('finds the one of five that fails far more than its peers, and none among few or equal ones', () => {
    const total = [1000, 1000, 1000, 1000, 1000, 1000];
    expect(successRateOutliers(total, [5, 4, 6, 5, 300, 5])).toEqual([4]);
    expect(successRateOutliers(total, [300, 300, 300, 300, 300, 300])).toEqual([]);
    expect(successRateOutliers(total, [0, 0, 0, 0, 0, 9])).toEqual([]);
    expect(successRateOutliers([1000, 1000, 1000, 99], [0, 0, 0, 99])).toEqual([]);
  });
});
