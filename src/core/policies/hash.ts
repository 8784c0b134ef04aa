// The policy `hash`: consistent hashing with bounded loads. A key goes to the endpoint that stands next on the ring, unless
// that has more than its fair share in flight; then to the one after it, in the key's own order: so do its retries.
// Source: Mirrokni, Thorup & Zadimoghaddam, "Consistent hashing with bounded loads", 2016; HAProxy's hash-balance-factor.

import { NONE } from '../snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI } from '../table.ts';
import { type Draw, eligibleOf, inflightAt, isFull, isTried, slotAt } from './draw.ts';
import { randomTwo } from './load.ts';
import { seek } from './ring.ts';

/** In flight at one endpoint, at most: this many times the mean, and some more, since few requests are uneven by chance. */
const BOUND_RATIO = 1.25;
const BOUND_SLACK = 2;
/** So many are asked for the mean; more would tell no more. */
const ASKED = 32;
/** Points of the ring that are walked before the key goes wherever there is room. */
const STEPS = 256;

/** Without a key (the header is absent): two at random, the less loaded. O(log n). */
export function hashed(d: Draw): number {
  const { ring } = d;
  const key = d.ctx.hash ?? 0;
  if (ring === null || key === 0 || ring.points.length === 0) return randomTwo(d);
  const eligible = eligibleOf(d);
  // Both ends of the ring's numbers are unsigned.
  const from = seek(ring, key >>> 0);
  const bound = boundOf(d, eligible);
  let last: number = NONE;
  let point = from;
  for (let step = 0; step < STEPS && step < ring.points.length; step++) {
    const owner = ring.owners[point]!;
    point = point + 1 === ring.points.length ? 0 : point + 1;
    if (owner === last) continue;
    last = owner;
    const at = d.ints[d.firstInt + owner * CANDIDATE_INTS + CI.PLACE]!;
    if (at < eligible && !isTried(d, slotAt(d, at)) && hasRoom(d, at, bound)) return at;
  }
  return randomTwo(d);
}

/** In flight per weight, at most. A whole number, which is never boxed: 1024ths. */
function boundOf(d: Draw, eligible: number): number {
  const asked = Math.min(eligible, ASKED);
  const step = Math.max(Math.floor(eligible / ASKED), 1);
  let sum = 0;
  let weights = 0;
  for (let i = 0; i < asked; i++) {
    sum += inflightAt(d, i * step);
    weights += d.doubles[d.firstDouble + i * step * CANDIDATE_DOUBLES + CD.WEIGHT]!;
  }
  // The slack is for an endpoint of mean weight.
  return Math.ceil(((sum * BOUND_RATIO + BOUND_SLACK * asked) / Math.max(weights, 1e-6)) * 1024);
}

function hasRoom(d: Draw, at: number, bound: number): boolean {
  if (isFull(d, at)) return false;
  return inflightAt(d, at) * 1024 < bound * d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.WEIGHT]!;
}
