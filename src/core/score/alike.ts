// Endpoints that measurement cannot tell apart are treated as one kind: they get the mean of each other's figures. Else the
// noise of a moment would decide, and the live score could not call equal endpoints back to equal shares: each is compared
// under the load that it is used to, so whoever has little stays with little. The server term is levelled by what is known
// of its noise; the way to an endpoint is known far better, and only what is as far in all is levelled in that.

import { CANDIDATE_DOUBLES, CD } from '../table.ts';
import { gammaOf } from './server.ts';
import { timeMs } from './time.ts';

/** Server terms closer than this many standard errors of their difference are one. */
const ALIKE = 2;
/** An error beyond this part of the term is of somebody who was hardly asked: no reason to take it for anybody. */
const ERROR_RATIO = 0.1;
const ERROR_MS = 1;
/** And times closer than this, however sure both are: below what timers and scheduling leave of any truth. */
const ALIKE_RATIO = 0.02;
const ALIKE_MS = 0.25;

/**
 * Levels W and S0 among those of `members` whose W are alike, then network and mean in-flight among those whose whole
 * times are; in `terms` (CD fields of each candidate in turn). `errorMs` is the standard error of each one's W.
 * O(n log n), n being the number of `members`.
 */
export function level(terms: Float64Array, members: readonly number[], errorMs: Float64Array): void {
  if (members.length < 2) return;
  const at = (i: number, field: number) => terms[i * CANDIDATE_DOUBLES + field]!;
  // Of two that differ, the difference has two errors.
  const serverReach = (i: number) =>
    ALIKE * Math.SQRT2 * Math.min(errorMs[i]!, ERROR_RATIO * at(i, CD.SERVER) + ERROR_MS) +
    ALIKE_RATIO * at(i, CD.SERVER) +
    ALIKE_MS;
  levelBy(terms, members, (i) => at(i, CD.SERVER), serverReach, [CD.SERVER, CD.BASE]);
  const timeOf = (i: number) => timeMs(at(i, CD.NETWORK), at(i, CD.SERVER), at(i, CD.BASE));
  // What is in flight follows the weights.
  for (const i of members) terms[i * CANDIDATE_DOUBLES + CD.MEAN_INFLIGHT]! /= at(i, CD.WEIGHT);
  // The whole is levelled, and the way makes up for what is missing: one may be near and slow, the other far and quick.
  const times = new Map(members.map((i) => [i, timeOf(i)]));
  const networks = new Map(members.map((i) => [i, at(i, CD.NETWORK)]));
  for (const i of members) terms[i * CANDIDATE_DOUBLES + CD.NETWORK] = times.get(i)!;
  const reachOf = (i: number) => ALIKE_RATIO * times.get(i)! + ALIKE_MS;
  levelBy(terms, members, (i) => times.get(i)!, reachOf, [CD.NETWORK, CD.MEAN_INFLIGHT]);
  for (const i of members) {
    const network = networks.get(i)! + at(i, CD.NETWORK) - times.get(i)!;
    terms[i * CANDIDATE_DOUBLES + CD.NETWORK] = Math.max(network, 0);
    terms[i * CANDIDATE_DOUBLES + CD.MEAN_INFLIGHT]! *= at(i, CD.WEIGHT);
    terms[i * CANDIDATE_DOUBLES + CD.GAMMA] = gammaOf(at(i, CD.SERVER), at(i, CD.BASE));
  }
}

/** Gives each of `members` the mean of `fields` over those whose `keyOf` lies within its own `reachOf`. */
function levelBy(
  terms: Float64Array,
  members: readonly number[],
  keyOf: (i: number) => number,
  reachOf: (i: number) => number,
  fields: readonly number[],
): void {
  const key = new Map(members.map((i) => [i, keyOf(i)]));
  const reach = new Map(members.map((i) => [i, reachOf(i)]));
  const order = [...members].sort((a, b) => key.get(a)! - key.get(b)!);
  const keys = order.map((i) => key.get(i)!);
  const sums = fields.map((field) => prefixSums(order.map((i) => terms[i * CANDIDATE_DOUBLES + field]!)));
  for (const i of order) {
    const from = lowerBound(keys, key.get(i)! - reach.get(i)!);
    const to = lowerBound(keys, key.get(i)! + reach.get(i)!);
    fields.forEach((field, f) => {
      terms[i * CANDIDATE_DOUBLES + field] = (sums[f]![to]! - sums[f]![from]!) / (to - from);
    });
  }
}

function prefixSums(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((v, i) => {
    sums[i + 1] = sums[i]! + v;
  });
  return sums;
}

/** How many of the sorted `values` are below `x`. */
function lowerBound(values: readonly number[], x: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}
