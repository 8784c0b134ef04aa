// What a captured state predicted: the time of each candidate, the best of them, and what the choice gave away.

import type { PickState } from '../../core/decision.ts';
import { CANDIDATE_DOUBLES, CD, ROW } from '../../core/table.ts';

/**
 * Live score of a place without its hold-off: hysteresis keeps a challenger from being chosen, not from being faster. ms.
 * `scores`: of core's liveScoresOf.
 */
export function predictedMs({ terms }: PickState, place: number, scores: Float64Array): number {
  const at = place * CANDIDATE_DOUBLES;
  return scores[place]! - (terms[at + CD.EXTRA]! - terms[at + CD.COST]!);
}

/** The best place among those that could have been chosen: eligible, and not tried before. The choice itself if there is none. */
export function bestOf(state: PickState, choice: number, scores: Float64Array): number {
  let best = choice;
  for (let place = 0; place < state.head[ROW.ELIGIBLE]!; place++) {
    if (state.tried.includes(state.endpoints[place]!.slot)) continue;
    if (predictedMs(state, place, scores) < predictedMs(state, best, scores)) best = place;
  }
  return best;
}

/** Predicted time of the choice beyond the best one's. ms, ≥ 0. */
export function regretOf(state: PickState, choice: number, scores: Float64Array): number {
  return predictedMs(state, choice, scores) - predictedMs(state, bestOf(state, choice, scores), scores);
}

/**
 * What the request itself is expected to take at a place: the score without errors, money, hold-off and what it takes from
 * others. ms. The inverse of core's liveScoreMs and timeMs, so that their terms are in one place only.
 */
export function expectedMs({ terms }: PickState, place: number, scores: Float64Array): number {
  const at = place * CANDIDATE_DOUBLES;
  const time = (scores[place]! - terms[at + CD.EXTRA]! - terms[at + CD.ERROR_ADD]!) / terms[at + CD.ERROR_FACTOR]!;
  const beyond = time - terms[at + CD.NETWORK]!;
  const base = terms[at + CD.BASE]!;
  return terms[at + CD.NETWORK]! + (beyond > base ? (beyond + base) / 2 : beyond);
}
