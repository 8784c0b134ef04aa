import { describe, expect, it } from 'vitest';
import { errorFactor, errorRatio, errorsAfter, failureRatio, newErrors } from '../../../src/core/score/errors.ts';
import { liveScoreMs } from '../../../src/core/score/live.ts';
import { isLocationLie, levelAfter, networkMs, newLevel, staleNetworkMs } from '../../../src/core/score/network.ts';
import { excessMs, kneeOf, usualInflight } from '../../../src/core/score/queue.ts';
import { rampShare } from '../../../src/core/score/ramp.ts';
import { gammaOf, quietAfterMs, serverAtMs, serverIdleMs } from '../../../src/core/score/server.ts';
import { timeMs } from '../../../src/core/score/time.ts';
import { CANDIDATE_DOUBLES, CD } from '../../../src/core/table.ts';

function levelOf(...samples: number[]): number {
  const level = newLevel();
  for (const s of samples) levelAfter(level, s);
  return level.ms;
}

describe('the network term', () => {
  it('is not moved by one odd sample among good ones', () => {
    expect(levelOf(12, 12, 12, 12, 90)).toBe(12);
    expect(levelOf(12, 12, 90, 12, 12)).toBe(12);
  });

  it('jumps to a new path when two samples agree on it', () => {
    expect(levelOf(12, 12, 12, 90, 91)).toBe(90.5);
    expect(levelOf(90, 90, 90, 12, 12)).toBe(12);
    expect(levelOf(12, 12, 12, 90, 400)).toBeLessThan(13);
  });

  it('ignores what is no time', () => {
    expect(levelOf(12, Number.NaN, -1, Number.POSITIVE_INFINITY)).toBe(12);
  });

  it('is the warm first byte where the connect is faster than light, the connect otherwise', () => {
    expect(networkMs(0.1, 42, 20)).toBe(42);
    expect(networkMs(21, 42, 20)).toBe(21);
    expect(networkMs(0.1, 42, 0)).toBe(0.1);
    expect(networkMs(Number.NaN, 42, 0)).toBe(42);
    expect(networkMs(0.1, Number.NaN, 20)).toBe(0.1);
  });

  it('calls a location a lie after three answers quicker than light', () => {
    expect(isLocationLie(5, 2, 60)).toBe(false);
    expect(isLocationLie(5, 3, 60)).toBe(true);
    expect(isLocationLie(55, 3, 60)).toBe(false);
    expect(isLocationLie(0.1, 3, 0.5)).toBe(false);
  });
});

describe('the server term', () => {
  it('decays to its unloaded level when idle, from both sides: a server is not starved by its own average (traefik#12306)', () => {
    expect(serverIdleMs(500, 10, 15_000)).toBeLessThan(14);
    expect(serverIdleMs(1, 10, 15_000)).toBeGreaterThan(9.9);
    expect(serverIdleMs(500, 10, 0)).toBe(500);
  });

  it('takes the quiet moments of traffic for the unloaded level', () => {
    let quiet = 50;
    for (let i = 0; i < 200; i++) quiet = quietAfterMs(quiet, i % 3 === 0 ? 10 : 30, 5);
    expect(quiet).toBeGreaterThan(9);
    expect(quiet).toBeLessThan(12);
  });

  it('stretches with the load: gently while nothing waits, in proportion when waiting dominates', () => {
    expect(gammaOf(10, 10)).toBe(0.35);
    expect(gammaOf(40, 10)).toBe(1);
    expect(serverAtMs(10, 3, 3, 0.35)).toBe(10);
    expect(serverAtMs(10, 7, 3, 1)).toBe(20);
    expect(serverAtMs(10, 0, 3, 1)).toBe(2.5);
  });

  it('charges the wait twice, and never less than the network and the answer', () => {
    expect(timeMs(20, 30, 10)).toBe(70);
    expect(timeMs(20, 5, 10)).toBe(25);
  });
});

describe('the error term', () => {
  it('costs nothing without errors, whether there is traffic or not', () => {
    const e = newErrors(0);
    expect(errorRatio(e, 0)).toBe(0);
    for (let i = 0; i < 1000; i++) errorsAfter(e, false, false, 0, i);
    expect(errorRatio(e, 1000)).toBe(0);
    expect(errorFactor(0)).toBe(1);
  });

  it('takes one failure for hardly news, several of a few for a broken endpoint, and some of many for what they are', () => {
    expect(failureRatio(15, 1)).toBeLessThan(0.005);
    expect(failureRatio(1, 1)).toBeLessThan(0.15);
    expect(failureRatio(15, 4)).toBeGreaterThan(0.2);
    expect(failureRatio(3, 3)).toBeGreaterThan(0.5);
    expect(failureRatio(1000, 2)).toBeLessThan(0.003);
    for (const total of [1, 2, 5, 10, 60]) {
      let before = 0;
      for (let bad = 0; bad <= total; bad += 0.25) {
        const ratio = failureRatio(total, bad);
        expect(ratio).toBeGreaterThanOrEqual(before);
        expect(ratio).toBeLessThanOrEqual(1);
        before = ratio;
      }
    }
  });

  it('approaches the real ratio under traffic, and forgets within seconds when it ends under traffic', () => {
    const e = newErrors(0);
    for (let i = 0; i < 300; i++) errorsAfter(e, i % 10 < 3, false, 0, i * 10);
    expect(errorRatio(e, 3000)).toBeGreaterThan(0.25);
    for (let i = 0; i < 600; i++) errorsAfter(e, false, false, 0, 3000 + i * 10);
    expect(errorRatio(e, 9000)).toBeLessThan(0.001);
  });

  it('fades slowly in silence, so that home is found again but not tried every few seconds', () => {
    const e = newErrors(0);
    for (let i = 0; i < 200; i++) errorsAfter(e, i % 10 < 3, false, 0, i * 10);
    expect(errorRatio(e, 10_000)).toBeGreaterThan(0.2);
    expect(errorRatio(e, 150_000)).toBeLessThan(0.02);
  });

  it('believes Retry-After, fading until it is over, a minute at most', () => {
    const e = newErrors(0);
    errorsAfter(e, true, false, 10_000, 0);
    expect(errorRatio(e, 0)).toBeCloseTo(0.5);
    expect(errorRatio(e, 5000)).toBeCloseTo(0.25);
    expect(errorRatio(e, 10_000)).toBeLessThan(0.1);
    errorsAfter(e, true, false, 86_400_000, 20_000);
    expect(errorRatio(e, 80_001)).toBeLessThan(0.01);
  });
});

describe('a network level that nobody measures any more', () => {
  it('stands for three probe intervals, then goes to the prior of its place, if that is known', () => {
    expect(staleNetworkMs(90, 20, 6000, 2000)).toBe(90);
    expect(staleNetworkMs(90, 20, 66_000, 2000)).toBeCloseTo(20 + 70 / Math.E);
    expect(staleNetworkMs(90, 20, 3.6e6, 2000)).toBeCloseTo(20);
    expect(staleNetworkMs(90, null, 3.6e6, 2000)).toBe(90);
    expect(staleNetworkMs(Number.NaN, null, 3.6e6, 2000)).toBeNaN();
  });
});

describe('slow start', () => {
  it('begins with a tenth, has nine tenths well before its end, and is off at 0', () => {
    expect(rampShare(0, 10_000)).toBe(0.1);
    expect(rampShare(8100, 10_000)).toBeCloseTo(0.9);
    expect(rampShare(10_000, 10_000)).toBe(1);
    expect(rampShare(0, 0)).toBe(1);
    expect(rampShare(Number.POSITIVE_INFINITY, 10_000)).toBe(1);
  });
});

describe('the live score', () => {
  it('is the terms put together, and the queue beyond the knee on top', () => {
    const terms = new Float64Array(CANDIDATE_DOUBLES);
    for (const [network, server, base, gamma, mean, inflight, knee] of [
      [12, 20, 18, 0.4, 3, 7, 9],
      [0, 5, 5, 1, 0, 2, 1.5],
      [90, 8, 10, 0.35, 6, 0, 20],
    ] as const) {
      terms.set([network, server, base, gamma, mean, 1.25, 30, 4]);
      terms[CD.KNEE] = knee;
      terms[CD.EXCESS_MS] = 16;
      const atLoad = serverAtMs(server, inflight, mean, gamma) + Math.max(inflight - knee, 0) * 16;
      expect(liveScoreMs(terms, 0, inflight)).toBeCloseTo(timeMs(network, atLoad, base) * 1.25 + 30 + 4, 9);
    }
  });

  it('counts what is in flight beyond what rate and time explain, whatever the mean says', () => {
    expect(usualInflight(2, 0.06, 0.06, 50)).toBe(3);
    expect(usualInflight(5, 0.06, 0.06, 50)).toBe(5);
    expect(usualInflight(0, 0.001, 0.06, 50)).toBe(3);
    expect(kneeOf(0)).toBe(3);
    expect(kneeOf(4)).toBe(10);
    expect(excessMs(0.1, 50)).toBe(10);
    expect(excessMs(0.001, 50)).toBe(50);
  });
});
