// What a settled attempt teaches of its endpoint, beyond what the score's own tests show: attempts that nobody waited for.

import { describe, expect, it } from 'vitest';
import { type Known, newKnown } from '../../../src/control/fleet/known.ts';
import { forgetWaits, learnFromTraffic, settleBatch } from '../../../src/control/fleet/seen.ts';
import { newOutlier, settled } from '../../../src/core/outlier.ts';
import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import { endpointSpec, poolSpec } from '../../support/specs.ts';
import { PROBE } from '../../support/world.ts';

/** A second of answers in `ms`, tick by tick. */
function known(ms = 5): Known {
  const k = newKnown(endpointSpec(0, { id: 'e' }), 0, PROBE, 0);
  for (let tick = 0; tick < 40; tick++) {
    for (let i = 0; i < 10; i++) learn(k, OUTCOME.OK, ms, ms, tick * 250 + i);
    settleBatch(k);
  }
  return k;
}

function learn(k: Known, outcome: Outcome, firstByteMs: number, totalMs: number, atMs: number): void {
  learnFromTraffic(k, { outcome, firstByteMs, totalMs, inflight: 0, atMs, retryAfterMs: 0, bytes: 0 });
}

/** The server level after ten ticks of attempts that ended so. */
function levelAfter(k: Known, outcome: Outcome, totalMs: number): number {
  for (let tick = 0; tick < 10; tick++) {
    for (let i = 0; i < 10; i++) learn(k, outcome, -1, totalMs, 10_000 + tick * 250 + i);
    settleBatch(k);
  }
  return k.server.ms;
}

describe('an attempt that another one has outrun', () => {
  it('says that the wait was at least so long, or endpoints whose slow answers are hedged would look fast', () => {
    const k = known();
    const before = k.server.ms;
    expect(levelAfter(k, OUTCOME.OUTRUN, 200)).toBeGreaterThan(before * 3);
  });

  it('says nothing when it was given up in less than the usual time', () => {
    const k = known(50);
    const before = k.server.ms;
    expect(levelAfter(k, OUTCOME.OUTRUN, 5)).toBe(before);
  });

  it('is no failure of the endpoint, and nothing that the client caused is any of its business', () => {
    const k = known();
    const { failures } = k;
    const errors = JSON.stringify(k.errors);
    levelAfter(k, OUTCOME.OUTRUN, 200);
    expect([k.failures, JSON.stringify(k.errors)]).toEqual([failures, errors]);
    const outlier = newOutlier();
    const spec = poolSpec('p', [], 0).outlier;
    for (let i = 0; i < 100; i++) expect(settled(outlier, OUTCOME.OUTRUN, spec, i)).toBe(null);
    const gone = known();
    const level = gone.server.ms;
    expect(levelAfter(gone, OUTCOME.CLIENT_GONE, 200)).toBe(level);
  });
});

describe('an endpoint that is back', () => {
  it('is not charged for what waited while it was gone, however many answers came at once on its return', () => {
    const k = known();
    const before = k.server.ms;
    k.leftServerMs = before;
    for (let tick = 0; tick < 5; tick++) {
      learn(k, OUTCOME.OK, 15_000, 15_000, 25_000 + tick * 250);
      settleBatch(k);
    }
    expect(k.server.ms).toBeGreaterThan(before * 10);
    forgetWaits(k);
    expect(k.server.ms).toBe(before);
  });

  it('keeps what it was found to be where that is less, or where it was never out', () => {
    const k = known();
    k.leftServerMs = 100;
    forgetWaits(k);
    expect(k.server.ms).toBeLessThan(100);
    const fresh = known();
    const before = fresh.server.ms;
    forgetWaits(fresh);
    expect(fresh.server.ms).toBe(before);
  });
});
