// Policies that go by what is in flight: `least-request`, `random-two`, and `peak-ewma`, which weighs it with time.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CD } from '../table.ts';
import { below, type Draw, drawn, eligibleOf, inflightAt, isFull, isLessLoaded, isTried, slotAt } from './draw.ts';

/** How many candidates `least-request` looks at. */
const SCAN = 8;

/** Least in flight per weight among a few neighbours of a random place: all of them in a small pool. */
export function leastRequest(d: Draw): number {
  const eligible = eligibleOf(d);
  const start = below(d, eligible);
  let best: number = NONE;
  for (let i = 0, seen = 0; i < eligible && seen < SCAN; i++) {
    const at = start + i < eligible ? start + i : start + i - eligible;
    if (isTried(d, slotAt(d, at))) continue;
    seen++;
    if (best === NONE || isLessLoaded(d, at, best)) best = at;
  }
  return best;
}

export function randomTwo(d: Draw): number {
  const eligible = eligibleOf(d);
  const a = drawn(d, 0, eligible, NONE);
  if (a === NONE) return NONE;
  const b = drawn(d, 0, eligible, a);
  return b !== NONE && isLessLoaded(d, b, a) ? b : a;
}

/**
 * Two at random, the lesser cost: peak-sensitive time × (in flight + 1), per weight. Failures cost what they cost under
 * `fastest`: a fast 503 must not look like a fast answer (linkerd2-proxy#4537).
 * Source: Finagle PeakEwma; linkerd2-proxy's balancer; Envoy's peak_ewma/cost.cc.
 */
export function peakEwma(d: Draw): number {
  const eligible = eligibleOf(d);
  const a = drawn(d, 0, eligible, NONE);
  if (a === NONE) return NONE;
  const b = drawn(d, 0, eligible, a);
  return b !== NONE && isCheaper(d, b, a) ? b : a;
}

function isCheaper(d: Draw, at: number, than: number): boolean {
  if (isFull(d, at)) return false;
  if (isFull(d, than)) return true;
  const { doubles } = d;
  const one = d.firstDouble + at * CANDIDATE_DOUBLES;
  const other = d.firstDouble + than * CANDIDATE_DOUBLES;
  const ms = doubles[one + CD.PEAK]! * doubles[one + CD.ERROR_FACTOR]! + doubles[one + CD.ERROR_ADD]!;
  const thanMs = doubles[other + CD.PEAK]! * doubles[other + CD.ERROR_FACTOR]! + doubles[other + CD.ERROR_ADD]!;
  const cost = ms * (inflightAt(d, at) + 1) * doubles[other + CD.WEIGHT]!;
  return cost < thanMs * (inflightAt(d, than) + 1) * doubles[one + CD.WEIGHT]!;
}
