// The candidates of a row as an explanation shows them: every term, best first, and where most of its requests go.

import { EDGE_COHORT } from '../../core/cohort.ts';
import { NONE, type Snapshot } from '../../core/snapshot.ts';
import type { CandidateView } from '../types.ts';
import { cohortCandidates } from './cohort-view.ts';
import type { CohortRow } from './cohorts.ts';
import type { PoolState, RowState } from './ranking.ts';
import type { ShareHistory } from './shares.ts';
import { candidateView } from './views.ts';

export interface Candidates {
  readonly candidates: readonly CandidateView[];
  /** Id of the one most requests go to. */
  readonly chosen: string | null;
  /** Key of the cohort whose row it is; EDGE_COHORT = the edge's own. */
  readonly cohort: number;
}

export const NO_CANDIDATES: Candidates = { candidates: [], chosen: null, cohort: EDGE_COHORT };

export interface Asked {
  readonly state: PoolState;
  /** In Snapshot.rows. */
  readonly at: number;
  readonly snapshot: Snapshot;
  readonly history: ShareHistory;
  /** The row of the client's narrowest cohort that has one in its place. */
  readonly lent: CohortRow | null;
  readonly nowMs: number;
}

/** Reads only. */
export function rowCandidates({ state, at, snapshot, history, lent, nowMs }: Asked): Candidates {
  const row = state.rows.find((r) => r.at === at);
  if (row?.ranking == null) return NO_CANDIDATES;
  const { candidates, share } =
    lent === null ? candidatesOf(state, row, history, nowMs) : cohortCandidates(lent, snapshot, nowMs);
  const most = share.indexOf(Math.max(...share));
  const chosen = most === NONE || share[most] === 0 ? null : state.members[most]!.spec.id;
  return { candidates, chosen, cohort: lent?.key ?? EDGE_COHORT };
}

function candidatesOf(state: PoolState, row: RowState, history: ShareHistory, nowMs: number) {
  const share = history.of(row.at, state.members.length, nowMs);
  const viewOf = (i: number) => candidateView(state, row, i, share[row.spec.members[i]!]!, nowMs);
  return { candidates: row.ranking!.order.map(viewOf), share };
}
