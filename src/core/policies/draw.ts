// What a policy draws from: one row of the table under one request, and the small moves all policies are made of. One Draw a
// Selector, filled anew for each pick: nothing is allocated. Doubles are compared where they are read or passed through
// arrays, since one that a function returns may become a new object.

import { liveScoreInto } from '../score/live.ts';
import type { PickContext } from '../selector.ts';
import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, FLAG, ROW } from '../table.ts';
import type { Ring } from './ring.ts';

/** In flight at an endpoint that has not answered yet, at most. */
const COLD_INFLIGHT = 2;
/** Put on the score of a candidate that should not be taken now: it still wins when it stands alone. */
export const HELD_MS = 1e9;
/** Places in Draw.scores. */
export const BEST = 0;
export const RIVAL = 1;

/** One row as a policy sees it. */
export interface Draw {
  ints: Int32Array;
  doubles: Float64Array;
  /** First int of the row's head, first int and first double of its candidates. */
  row: number;
  firstInt: number;
  firstDouble: number;
  /** First of this lane's counts of what is in flight elsewhere. */
  others: number;
  ctx: PickContext;
  /** State of the Selector's chance: with the table, all that a pick depends on beside its context. */
  readonly chance: Int32Array;
  /** Scores under comparison. */
  readonly scores: Float64Array;
  /** Round-robin position per row. */
  readonly turns: Int32Array;
  /** Index of the root row. */
  at: number;
  /** Whether requests of a key stay at one endpoint of the band. */
  isSticky: boolean;
  /** Of the root row, when its pool hashes; null in the row of a cohort, and where nothing is hashed. */
  ring: Ring | null;
  /** By slot: the endpoint's id as a number. */
  readonly idHash: Int32Array;
}

/** Gives a position in the row, or NONE when all eligible ones were tried. O(1) but for masked ones. */
export type Policy = (draw: Draw) => number;

/** How many may be picked: the first so many of the row. */
export function eligibleOf(d: Draw): number {
  return d.ints[d.row + ROW.ELIGIBLE]!;
}

/** A random position of [from, from + count) that was neither tried nor `but`; NONE when there is none. */
export function drawn(d: Draw, from: number, count: number, but: number): number {
  if (count <= 0) return NONE;
  // Drawn among the others, so that both of two are always compared.
  const others = but === NONE ? count : count - 1;
  if (others === 0) return NONE;
  const start = below(d, others);
  const skip = but === NONE ? 0 : but - from + 1;
  for (let i = 0; i < count; i++) {
    const at = from + ((start + skip + i) % count);
    if (at !== but && !isTried(d, slotAt(d, at))) return at;
  }
  return NONE;
}

/** Live score, or far above all others for one that should take no more right now, into `d.scores[into]`. */
export function score(d: Draw, at: number, into: number): void {
  const double = d.firstDouble + at * CANDIDATE_DOUBLES;
  liveScoreInto(d.doubles, double, inflightAt(d, at), d.scores, into);
  if (isHeld(d, at)) d.scores[into]! += HELD_MS;
}

/** Full, or it warms up and lets this one pass. */
function isHeld(d: Draw, at: number): boolean {
  if (isFull(d, at)) return true;
  const ramp = d.firstDouble + at * CANDIDATE_DOUBLES + CD.RAMP;
  return d.doubles[ramp]! < 1 && bits(d) >= d.doubles[ramp]! * 2147483648;
}

/** The next 31 random bits: an integer, which is never boxed, as the double of a call may be. Mulberry32. */
export function bits(d: Draw): number {
  const state = (d.chance[0]! + 0x6d2b79f5) | 0;
  d.chance[0] = state;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 1;
}

/** A random integer, 0 ≤ x < n. */
export function below(d: Draw, n: number): number {
  return Math.floor((bits(d) / 2147483648) * n);
}

export function isChance(d: Draw, ratio: number): boolean {
  return bits(d) < ratio * 2147483648;
}

/** An endpoint that has not answered yet gets no more than a couple at a time. */
export function isFull(d: Draw, at: number): boolean {
  const cold = (d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.COLD) !== 0;
  return cold && inflightAt(d, at) >= COLD_INFLIGHT;
}

/** This worker's live count and the others' as of the tick. */
export function inflightAt(d: Draw, at: number): number {
  const slot = slotAt(d, at);
  return d.ctx.inflight[slot]! + d.ints[d.others + slot]!;
}

/** Whether `at` has less in flight per weight than `than`. */
export function isLessLoaded(d: Draw, at: number, than: number): boolean {
  const weight = d.firstDouble + CD.WEIGHT;
  const { doubles } = d;
  const left = (inflightAt(d, at) + 1) * doubles[weight + than * CANDIDATE_DOUBLES]!;
  return left < (inflightAt(d, than) + 1) * doubles[weight + at * CANDIDATE_DOUBLES]!;
}

/** Whether `at` has answered before, has no queue, and no more in flight than the endpoint in `slot`. */
export function isAtEase(d: Draw, at: number, slot: number): boolean {
  if ((d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.COLD) !== 0) return false;
  const inflight = inflightAt(d, at);
  if (inflight > d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.KNEE]!) return false;
  return inflight <= d.ctx.inflight[slot]! + d.ints[d.others + slot]!;
}

export function slotAt(d: Draw, at: number): number {
  return d.ints[d.firstInt + at * CANDIDATE_INTS + CI.SLOT]!;
}

export function isTried(d: Draw, slot: number): boolean {
  const { tried, triedCount } = d.ctx;
  for (let i = 0; i < triedCount; i++) if (tried[i] === slot) return true;
  return false;
}
