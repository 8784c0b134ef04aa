// The policies: how one row of the table becomes one choice. Each draws a few candidates and compares their load or their
// live score; all ranking was done on the tick (core/rank.ts). Functions over one reused Draw: nothing is allocated.
// Two random ones and not the best of all: with many pickers and figures a tick old, everybody's best is a herd.
// Source: Mitzenmacher, "The power of two choices in randomized load balancing", 2001.

import { liveScoreMs } from './score/live.ts';
import type { PickContext } from './selector.ts';
import { NONE, type PolicyName } from './snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, FLAG, ROW } from './table.ts';

/** In flight at an endpoint that has not answered yet, at most. */
const COLD_INFLIGHT = 2;
/** Put on the score of a candidate that should not be taken now: it still wins when it stands alone. */
const HELD_MS = 1e9;
/**
 * Scores closer than this part of the server term (and a bit) are noise: then the one with less in flight wins, or chance.
 * Of the server term only, since that is the noisy one: 30 and 36 ms of network are not the same.
 */
const TIE_RATIO = 0.3;
const TIE_MS = 0.25;
/** Places in Draw.scores. */
const BEST = 0;
const RIVAL = 1;
/** Between two trial requests to an endpoint when none answers. */
const TRIAL_EVERY_MS = 1000;
/** Trial times are kept modulo 2^30 ms, twelve days. */
const TRIAL_MASK = 0x3fffffff;
/** How many candidates `least-request` looks at. */
const SCAN = 8;

/** One row as a policy sees it. One object per Selector, filled anew for each pick. */
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
  /** Scores under comparison. In an array, since a double that a function returns may be a new object. */
  readonly scores: Float64Array;
  /** Round-robin position per row. */
  turns: Int32Array;
  /** Index of the row. */
  at: number;
}

/** Gives a position in the row, or NONE when all eligible ones were tried. O(1) but for masked ones. */
export type Policy = (draw: Draw) => number;

/** All policies by their name in the configuration; `peak-ewma` and `hash` come with the score in full. */
export const POLICY = {
  fastest,
  nearest: first,
  'least-request': leastRequest,
  'random-two': randomTwo,
  'round-robin': roundRobin,
  weighted,
} satisfies Record<Exclude<PolicyName, 'peak-ewma' | 'hash'>, Policy>;

/** Two random of the band and one of the overflow, its best or any, least live score. Everything else was tried: the next best. */
function fastest(d: Draw): number {
  const band = d.ints[d.row + ROW.BAND]!;
  const overflow = d.ints[d.row + ROW.OVERFLOW]!;
  const a = drawn(d, 0, band, NONE);
  const b = a === NONE ? NONE : drawn(d, 0, band, a);
  const c = overflown(d, band, overflow);
  let best = a;
  if (a !== NONE) score(d, a, BEST);
  if (b !== NONE) {
    score(d, b, RIVAL);
    if (isLess(d, b, best)) best = won(d, b);
  }
  if (c === NONE) return best === NONE ? first(d) : best;
  // A home that warms up has a stand-in: what it does not take goes to the next best, not to any of the next few.
  const isHeld = best !== NONE && d.scores[BEST]! >= HELD_MS;
  if (isHeld && c !== band && !isTried(d, slotAt(d, band))) {
    score(d, band, BEST);
    best = band;
  }
  score(d, c, RIVAL);
  // Nothing is gained by going far for a tie: the overflow must be better.
  return best === NONE || d.scores[RIVAL]! < d.scores[BEST]! ? c : best;
}

/** Every other time the best of the overflow: it is where the excess belongs; the rest keeps it from being everybody's. */
function overflown(d: Draw, from: number, count: number): number {
  if (count > 1 && isChance(d, 0.5) && !isTried(d, slotAt(d, from))) return from;
  return drawn(d, from, count, NONE);
}

function won(d: Draw, at: number): number {
  d.scores[BEST] = d.scores[RIVAL]!;
  return at;
}

/** The first that was not tried: the row is ranked. Among equals at its head (the band), chance. */
function first(d: Draw): number {
  const at = drawn(d, 0, d.ints[d.row + ROW.BAND]!, NONE);
  if (at !== NONE) return at;
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  for (let i = 0; i < eligible; i++) if (!isTried(d, slotAt(d, i))) return i;
  return NONE;
}

/** Least in flight per weight among a few neighbours of a random place: all of them in a small pool. */
function leastRequest(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  const start = below(d, eligible);
  let best: number = NONE;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0, seen = 0; i < eligible && seen < SCAN; i++) {
    const at = start + i < eligible ? start + i : start + i - eligible;
    if (isTried(d, slotAt(d, at))) continue;
    seen++;
    const load = loadAt(d, at);
    if (load < least) {
      least = load;
      best = at;
    }
  }
  return best;
}

function randomTwo(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  const a = drawn(d, 0, eligible, NONE);
  if (a === NONE) return NONE;
  const b = drawn(d, 0, eligible, a);
  return b !== NONE && loadAt(d, b) < loadAt(d, a) ? b : a;
}

function roundRobin(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  if (eligible === 0) return NONE;
  // Workers begin at different places, or a pool of three would get three times each in step.
  let turn = d.turns[d.at]!;
  if (turn < 0) turn = below(d, eligible);
  for (let i = 0; i < eligible; i++) {
    const at = (turn + i) % eligible;
    if (isTried(d, slotAt(d, at))) continue;
    d.turns[d.at] = (at + 1) % eligible;
    return at;
  }
  return NONE;
}

/** By chance, in proportion to the weights. O(log n). */
function weighted(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  if (eligible === 0) return NONE;
  const sumAt = d.firstDouble + CD.WEIGHT_SUM;
  const x = (bits(d) / 2147483648) * d.doubles[sumAt + (eligible - 1) * CANDIDATE_DOUBLES]!;
  let low = 0;
  let high = eligible - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (d.doubles[sumAt + middle * CANDIDATE_DOUBLES]! > x) high = middle;
    else low = middle + 1;
  }
  for (let i = 0; i < eligible; i++) {
    const at = (low + i) % eligible;
    if (!isTried(d, slotAt(d, at))) return at;
  }
  return NONE;
}

/** At most one a second and endpoint, over all workers; best first. */
export function trial(d: Draw, width: number, trials: Int32Array): number {
  // Odd, so never 0, which is what a fresh table holds.
  const now = (Math.floor(d.ctx.nowMs) & TRIAL_MASK) | 1;
  for (let at = 0; at < width; at++) {
    if ((d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.OFF) !== 0) continue;
    const slot = slotAt(d, at);
    if (isTried(d, slot)) continue;
    const last = Atomics.load(trials, slot);
    if (last !== 0 && ((now - last) & TRIAL_MASK) < TRIAL_EVERY_MS) continue;
    if (Atomics.compareExchange(trials, slot, last, now) === last) return at;
  }
  return NONE;
}

/** A random position of [from, from + count) that was neither tried nor `but`; NONE when there is none. */
function drawn(d: Draw, from: number, count: number, but: number): number {
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
function score(d: Draw, at: number, into: number): void {
  const double = d.firstDouble + at * CANDIDATE_DOUBLES;
  const ramp = d.doubles[double + CD.RAMP]!;
  const held = isFull(d, at) || (ramp < 1 && !isChance(d, ramp)) ? HELD_MS : 0;
  d.scores[into] = liveScoreMs(d.doubles, double, inflightAt(d, at)) + held;
}

/** Whether the rival, `at`, is to be preferred to the best so far, `than`. */
function isLess(d: Draw, at: number, than: number): boolean {
  const margin = Math.min(serverAt(d, at), serverAt(d, than)) * TIE_RATIO + TIE_MS;
  const ms = d.scores[RIVAL]!;
  const thanMs = d.scores[BEST]!;
  if (ms < thanMs - margin) return true;
  if (ms > thanMs + margin) return false;
  return loadAt(d, at) < loadAt(d, than);
}

/** The next 31 random bits: an integer, which is never boxed, as the double of a call may be. Mulberry32. */
function bits(d: Draw): number {
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
function inflightAt(d: Draw, at: number): number {
  const slot = slotAt(d, at);
  return d.ctx.inflight[slot]! + d.ints[d.others + slot]!;
}

function loadAt(d: Draw, at: number): number {
  return (inflightAt(d, at) + 1) / d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.WEIGHT]!;
}

function serverAt(d: Draw, at: number): number {
  return d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.SERVER]!;
}

export function slotAt(d: Draw, at: number): number {
  return d.ints[d.firstInt + at * CANDIDATE_INTS + CI.SLOT]!;
}

function isTried(d: Draw, slot: number): boolean {
  const { tried, triedCount } = d.ctx;
  for (let i = 0; i < triedCount; i++) if (tried[i] === slot) return true;
  return false;
}
