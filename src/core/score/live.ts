// The score of one candidate at a given load: the one formula that the picking worker and the ranking control plane both
// evaluate, over the terms that the tick left in the table. Each term's own rule is in the file of its name; here they are
// written out in one piece, since this runs for every candidate of every pick, and a double that crosses a call that is not
// inlined becomes an object.

import { CD } from '../table.ts';

/**
 * Expected ms of one more request at a candidate with `inflight` exchanges in flight, into `out[into]`. Finite, ≥ 0; lower
 * is better. `at` is the candidate's first double in `doubles`. Server term at this load as in `serverAtMs`, queue as in
 * queue.ts, time as in `timeMs`. Allocates nothing.
 */
export function liveScoreInto(
  doubles: Float64Array,
  at: number,
  inflight: number,
  out: Float64Array,
  into: number,
): void {
  const mean = doubles[at + CD.MEAN_INFLIGHT]!;
  let server = doubles[at + CD.SERVER]!;
  if (inflight !== mean) server *= ((1 + inflight) / (1 + mean)) ** doubles[at + CD.GAMMA]!;
  const excess = inflight - doubles[at + CD.KNEE]!;
  if (excess > 0) server += excess * doubles[at + CD.EXCESS_MS]!;
  const wait = server - doubles[at + CD.BASE]!;
  const time = doubles[at + CD.NETWORK]! + server + (wait > 0 ? wait : 0);
  out[into] = time * doubles[at + CD.ERROR_FACTOR]! + doubles[at + CD.ERROR_ADD]! + doubles[at + CD.EXTRA]!;
}

const scratch = new Float64Array(1);

/** The same as a value, for whoever is not on the hot path. ms. */
export function liveScoreMs(doubles: Float64Array, at: number, inflight: number): number {
  liveScoreInto(doubles, at, inflight, scratch, 0);
  return scratch[0]!;
}
