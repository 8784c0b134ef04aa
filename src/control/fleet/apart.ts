// A score as it was ranked, taken apart into what adds up to it. What the table holds, not what was measured: endpoints that cannot
// be told apart count as alike, other nodes have a say, and a cohort faces times of its own.

import { CANDIDATE_DOUBLES, CD } from '../../core/table.ts';

/** As ranked: endpoints that measurement cannot tell apart count as alike. ms. */
export interface ScoreTerms {
  readonly networkMs: number;
  /** At the load it is ranked at. */
  readonly serverMs: number;
  /** What of that is waiting, charged once more: one more request delays those behind it. */
  readonly queueMs: number;
  readonly errorsMs: number;
  readonly costMs: number;
  /** Of a challenger that has to prove itself. */
  readonly holdOffMs: number;
}

/** `terms`: CD fields of every member; `holdMs`: what a challenger that has to wait is charged. ms, each to a thousandth. */
export function termsOf(terms: Float64Array, member: number, holdMs: number): ScoreTerms {
  const at = member * CANDIDATE_DOUBLES;
  const network = terms[at + CD.NETWORK]!;
  const cost = terms[at + CD.COST]!;
  // The inverse of core's liveScoreMs and timeMs, whatever load it was ranked at: what waits is in the time twice.
  const time = (terms[at + CD.SCORE]! - cost - terms[at + CD.ERROR_ADD]!) / terms[at + CD.ERROR_FACTOR]!;
  const behind = time - network;
  const base = terms[at + CD.BASE]!;
  const server = behind > base ? (behind + base) / 2 : behind;
  return {
    networkMs: rounded(network),
    serverMs: rounded(server),
    queueMs: rounded(behind - server),
    errorsMs: rounded(terms[at + CD.SCORE]! - cost - time),
    costMs: rounded(cost),
    holdOffMs: rounded(holdMs),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
