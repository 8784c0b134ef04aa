// Whether a cohort's best endpoints are others than those of the row that serves it now: surely, and by more than the band.
// Noise must not lend rows: thousands of cohorts are looked at for weeks, so a difference has to be far beyond chance
// before it counts, and much less to go on counting.

import { EDGE_COHORT } from '../../core/cohort.ts';
import type { Cohorts, Estimate } from '../../core/cohorts.ts';
import { cohortMs, cohortScoreMs } from '../../core/score/cohort.ts';
import { NONE } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD, COHORT_WIDTH } from '../../core/table.ts';
import { idOf, type PoolState, type RowState } from './ranking.ts';

/** An endpoint as a cohort faces it. */
export interface Faced {
  /** In RowSpec.members of the row that the cohort's stands in for. */
  readonly place: number;
  /** Ratio to what everybody gets, as applied. */
  readonly ln: number;
  readonly scoreMs: number;
  /** Standard deviation of the score if in truth there were no difference. ms. */
  readonly deviationMs: number;
  /** Samples of the cohort's own. */
  readonly count: number;
}

/**
 * Standard errors that a difference must have to lend a row, and to keep it. One-sided chance of the first: 3 in a million,
 * about as often as 4,096 cohorts are forgotten and learned anew in half an hour, times ten.
 */
const LEND_ERRORS = 4.5;
const KEEP_ERRORS = 1.5;
/** And how much of the band's width. */
const LEND_WIDTHS = 1.5;
const KEEP_WIDTHS = 0.75;
/** Of fewer samples not even the scatter is known. */
const LEAST_COUNT = 6;

const scratch: Estimate = { ln: 0, deviation: 0, count: 0 };
const ids: number[] = [];

/** The endpoints that a row for this cohort would hold, best first: of the root's best, and of those it has seen itself. */
export function facedBy(
  cohorts: Cohorts,
  key: number,
  state: PoolState,
  root: RowState,
  placeOf: ReadonlyMap<number, number>,
  nowMs: number,
): Faced[] {
  const order = root.ranking!.order;
  const places = new Set(order.slice(0, Math.min(root.ranking!.eligible, COHORT_WIDTH)));
  const known = cohorts.idsOf(key, ids);
  for (let i = 0; i < known; i++) {
    const place = placeOf.get(ids[i]!);
    if (place !== undefined && root.ranked[place]!.isEligible) places.add(place);
  }
  // Who stands by is there for retries, and those go on in the root.
  for (const place of places) if (root.ranked[place]!.standbyMs > 0) places.delete(place);
  const faced = Array.from(places, (place) => faceOf(cohorts, key, state, root, place, nowMs));
  return faced.sort((a, b) => a.scoreMs - b.scoreMs).slice(0, COHORT_WIDTH);
}

function faceOf(
  cohorts: Cohorts,
  key: number,
  { members, terms }: PoolState,
  root: RowState,
  place: number,
  nowMs: number,
): Faced {
  const { index } = root.ranked[place]!;
  const at = index * CANDIDATE_DOUBLES;
  if (key === EDGE_COHORT) return { place, ln: 0, scoreMs: terms[at + CD.SCORE]!, deviationMs: 0, count: 0 };
  const { ln, deviation, count } = cohorts.estimate(key, idOf(members[index]!), nowMs, scratch);
  const wholeMs = terms[at + CD.NETWORK]! + terms[at + CD.SERVER]! + cohortMs(terms, at, ln);
  return { place, ln, scoreMs: cohortScoreMs(terms, at, ln), deviationMs: wholeMs * deviation, count };
}

/**
 * Whether the cohort would be served badly by the row of `parent` (EDGE_COHORT: the root's own), of which `band` (places in
 * the root) share the traffic. `isLent`: it has a row already.
 */
export function isDifferent(
  faced: readonly Faced[],
  band: readonly number[],
  cohorts: Cohorts,
  parent: number,
  state: PoolState,
  root: RowState,
  isLent: boolean,
  nowMs: number,
): boolean {
  const best = faced[0];
  if (best === undefined) return false;
  const { bandRatio, bandMs } = state.spec;
  const widthMs = (best.scoreMs * bandRatio + bandMs) * (isLent ? KEEP_WIDTHS : LEND_WIDTHS);
  const errors = isLent ? KEEP_ERRORS : LEND_ERRORS;
  const parentBest = faceOf(cohorts, parent, state, root, best.place, nowMs);
  return faced.some((f) => {
    const excessMs = f.scoreMs - best.scoreMs;
    if (excessMs <= widthMs || band.indexOf(f.place) === NONE) return false;
    if (!isLent && Math.max(f.count, best.count) < LEAST_COUNT) return false;
    const parentMs = faceOf(cohorts, parent, state, root, f.place, nowMs).scoreMs - parentBest.scoreMs;
    return excessMs - parentMs > errors * Math.hypot(f.deviationMs, best.deviationMs);
  });
}
