// The score of one candidate at a given load: the one formula that the picking worker and the ranking control plane both
// evaluate, over the terms that the tick left in the table. Each term's own rule is in the file of its name.

import { CD } from '../table.ts';
import { serverAtMs } from './server.ts';
import { timeMs } from './time.ts';

/**
 * Expected ms of one more request at a candidate with `inflight` exchanges in flight. Finite, ≥ 0; lower is better.
 * `at` is the candidate's first double in `doubles`.
 */
export function liveScoreMs(doubles: Float64Array, at: number, inflight: number): number {
  const base = doubles[at + CD.BASE]!;
  let server = serverAtMs(doubles[at + CD.SERVER]!, inflight, doubles[at + CD.MEAN_INFLIGHT]!, doubles[at + CD.GAMMA]!);
  const excess = inflight - doubles[at + CD.KNEE]!;
  if (excess > 0) server += excess * doubles[at + CD.EXCESS_MS]!;
  const time = timeMs(doubles[at + CD.NETWORK]!, server, base);
  return time * doubles[at + CD.ERROR_FACTOR]! + doubles[at + CD.ERROR_ADD]! + doubles[at + CD.EXTRA]!;
}
