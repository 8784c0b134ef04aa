// Endpoints that measurement cannot tell apart are treated as one kind: they get the mean of each other's times. Else the
// noise of a moment would decide, and the live score could not call equal endpoints back to equal shares: each is compared
// under the load that it is used to, so whoever has little stays with little.

import { CANDIDATE_DOUBLES, CD } from '../table.ts';
import { gammaOf } from './server.ts';
import { timeMs } from './time.ts';

/** Times closer than this many standard errors of their difference are one time. */
const ALIKE = 2.5;
/** And those closer than this, however sure both are: below what timers and scheduling leave of any truth. */
const ALIKE_RATIO = 0.02;
const ALIKE_MS = 0.25;

/** The fields that are shared. */
const SHARED = [CD.NETWORK, CD.SERVER, CD.BASE] as const;

/**
 * Levels the times in `terms` (CD fields of each candidate in turn) among those of `members` that are alike; `errorMs` is
 * the standard error of each one's W. O(n log n), n being the number of `members`.
 */
export function level(terms: Float64Array, members: readonly number[], errorMs: Float64Array): void {
  if (members.length < 2) return;
  const doubleOf = (i: number, field: number) => terms[i * CANDIDATE_DOUBLES + field]!;
  const timeOf = (i: number) => timeMs(doubleOf(i, CD.NETWORK), doubleOf(i, CD.SERVER), doubleOf(i, CD.BASE));
  const times = new Map(members.map((i) => [i, timeOf(i)]));
  const order = [...members].sort((a, b) => times.get(a)! - times.get(b)!);
  const at = order.map((i) => times.get(i)!);
  const sums = [...SHARED, CD.MEAN_INFLIGHT].map((field) => {
    const per = (i: number) =>
      field === CD.MEAN_INFLIGHT ? doubleOf(i, field) / doubleOf(i, CD.WEIGHT) : doubleOf(i, field);
    return prefixSums(order.map(per));
  });
  let from = 0;
  let to = 0;
  order.forEach((i, k) => {
    // W counts twice in the time (its wait is charged twice), and the difference has two errors.
    const reach = ALIKE * 2 * Math.SQRT2 * errorMs[i]! + ALIKE_RATIO * at[k]! + ALIKE_MS;
    from = lowerBound(at, at[k]! - reach);
    to = lowerBound(at, at[k]! + reach);
    const mean = (s: number) => (sums[s]![to]! - sums[s]![from]!) / (to - from);
    const base = i * CANDIDATE_DOUBLES;
    SHARED.forEach((field, s) => {
      terms[base + field] = mean(s);
    });
    // What is in flight follows the weights.
    terms[base + CD.MEAN_INFLIGHT] = mean(SHARED.length) * terms[base + CD.WEIGHT]!;
    terms[base + CD.GAMMA] = gammaOf(terms[base + CD.SERVER]!, terms[base + CD.BASE]!);
  });
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
