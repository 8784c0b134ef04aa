// The policy `fastest`: two random of the band and one of the overflow, least live score. All ranking was done on the tick
// (core/rank.ts). Two and not the best of all: with many pickers and figures a tick old, everybody's best is a herd.
// Source: Mitzenmacher, "The power of two choices in randomized load balancing", 2001.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CD, ROW } from '../table.ts';
import {
  BEST,
  type Draw,
  drawn,
  eligibleOf,
  HELD_MS,
  isChance,
  isLessLoaded,
  isTried,
  RIVAL,
  score,
  slotAt,
} from './draw.ts';
import { sticky } from './sticky.ts';

/**
 * Scores closer than this part of the server term (and a bit) are noise: then the one with less in flight wins, or chance.
 * Of the server term only, since that is the noisy one: 30 and 36 ms of network are not the same.
 */
const TIE_RATIO = 0.3;
const TIE_MS = 0.25;

/** Everything of band and overflow was tried: the next best. */
export function fastest(d: Draw): number {
  if (d.isSticky && d.ctx.hash !== 0) {
    const at = sticky(d);
    if (at !== NONE) return at;
  }
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
export function first(d: Draw): number {
  const at = drawn(d, 0, d.ints[d.row + ROW.BAND]!, NONE);
  if (at !== NONE) return at;
  const eligible = eligibleOf(d);
  for (let i = 0; i < eligible; i++) if (!isTried(d, slotAt(d, i))) return i;
  return NONE;
}

/** Whether the rival, `at`, is to be preferred to the best so far, `than`. */
function isLess(d: Draw, at: number, than: number): boolean {
  const server = d.firstDouble + CD.SERVER;
  const { doubles } = d;
  const least = Math.min(doubles[server + at * CANDIDATE_DOUBLES]!, doubles[server + than * CANDIDATE_DOUBLES]!);
  const margin = least * TIE_RATIO + TIE_MS;
  const ms = d.scores[RIVAL]!;
  const thanMs = d.scores[BEST]!;
  if (ms < thanMs - margin) return true;
  if (ms > thanMs + margin) return false;
  return isLessLoaded(d, at, than);
}
