// A cohort's row as an explanation shows it: the terms its clients face, in the order that the row has, and the share that the
// selector's own code gives each. Made only when somebody asks. Reads only.

import { applyCohort } from '../../core/score/cohort.ts';
import { type PickContext, Selector, shares } from '../../core/selector.ts';
import { MAX_SLOTS, type Snapshot } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD, newTable, shapeOf, TableWriter } from '../../core/table.ts';
import type { CandidateView } from '../types.ts';
import type { CohortRow } from './cohorts.ts';
import { type PoolState, type RowState, writePool } from './ranking.ts';
import { candidateView } from './views.ts';

/** Best first, with the share of each by index in PoolSpec.endpoints. */
export function cohortCandidates(
  row: CohortRow,
  snapshot: Snapshot,
  nowMs: number,
): { candidates: CandidateView[]; share: Float64Array } {
  const { of, faced, ranked, ranking } = row;
  const terms = row.state.terms.slice();
  ranked.forEach(({ index }, i) => {
    applyCohort(terms, index * CANDIDATE_DOUBLES, faced[i]!.ln);
  });
  const spec = { ...of.spec, members: ranked.map(({ index }) => index) };
  const own: RowState = { at: 0, spec, home: row.home, ranked, ranking };
  const state: PoolState = { ...row.state, terms, rows: [own] };
  const share = shareOf(state, { ...snapshot, rows: [spec] });
  const candidates = ranking!.order.map((place) => {
    const member = spec.members[place]!;
    const view = candidateView(state, own, place, share[member]!, nowMs);
    const networkMs = Math.round(terms[member * CANDIDATE_DOUBLES + CD.NETWORK]! * 1000) / 1000;
    return { ...view, networkMs: view.networkMs === null ? null : networkMs };
  });
  return { candidates, share };
}

/**
 * Of this row alone, as it stands, at the load the endpoints are used to: a cohort is a part of what comes, and it is the whole
 * that makes the load.
 */
function shareOf({ members, ...state }: PoolState, structure: Snapshot): Float64Array {
  const shape = shapeOf(structure, 0);
  const table = newTable(shape);
  const writer = new TableWriter(table, shape);
  writePool({ members, ...state }, writer);
  writer.publish();
  const inflight = new Int32Array(MAX_SLOTS);
  for (const k of members) inflight[k.spec.slot] = Math.round(k.meanInflight);
  const ctx: PickContext = {
    lane: structure.lanes,
    inflight,
    nowMs: 0,
    random: () => 0,
    tried: new Int32Array(1),
    triedCount: 0,
    mayExplore: true,
  };
  return shares(new Selector({ ...structure, table }, shape), 0, members.length, ctx);
}
