// How the fleet shows itself: rows of /api/v1/endpoints and the candidates of an explanation. Reads only.

import { errorRatio } from '../../core/score/errors.ts';
import { NONE } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD } from '../../core/table.ts';
import { standingOf } from '../overlay/paths.ts';
import type { CandidateView, EndpointStateName, EndpointView } from '../types.ts';
import { termsOf } from './apart.ts';
import { type Known, measuredNetworkMs, priorOfMs } from './known.ts';
import { type PoolState, type RowState, roleOf } from './ranking.ts';
import { isEligible } from './terms.ts';

/** Draining outweighs ejected, which outweighs what the probes say. */
export function stateOf(k: Known): EndpointStateName {
  if (k.isDraining) return 'draining';
  return k.outlier.isEjected ? 'ejected' : k.health.state;
}

/** `dateOf` turns a moment of the monotonic clock into ISO 8601. */
export function endpointView(state: PoolState, member: number, dateOf: (atMs: number) => string): EndpointView {
  const k = state.members[member]!;
  const probe = k.lastProbe;
  return {
    id: k.spec.id,
    pool: state.spec.name,
    url: k.spec.url,
    ...viaOf(k),
    region: k.spec.region,
    location: k.spec.location,
    healthy: isEligible(k),
    state: stateOf(k),
    why: k.why,
    since: dateOf(k.sinceMs),
    lastProbe: probe && {
      at: dateOf(probe.atMs),
      ok: probe.ok,
      status: probe.status,
      error: probe.error,
      connectMs: rounded(probe.connectMs),
      firstByteMs: rounded(probe.firstByteMs),
    },
    networkMs: rounded(measuredNetworkMs(k)),
    serverMs: rounded(serverMsOf(k)),
    scoreMs: scoreOfMember(state, member),
    inflight: k.inflight,
    requests: k.requests,
    failures: k.failures,
    requestsPerSecond: rounded(k.requestsPerSecond) ?? 0,
  };
}

/** What gauges tell of the endpoints of a pool: of a thousand of them in a fraction of a millisecond, without any text made. */
export function endpointGauges(state: PoolState): EndpointGauges[] {
  return state.members.map((k, member) => ({
    id: k.spec.id,
    pool: state.spec.name,
    ...viaOf(k),
    region: k.spec.region,
    healthy: isEligible(k),
    networkMs: rounded(measuredNetworkMs(k)),
    scoreMs: scoreOf(state, rowWith(state, member), member),
    inflight: k.inflight,
  }));
}

export type EndpointGauges = Pick<
  EndpointView,
  'id' | 'pool' | 'via' | 'region' | 'healthy' | 'networkMs' | 'scoreMs' | 'inflight'
>;

/** `place`: in RowSpec.members. */
export function candidateView(
  state: PoolState,
  row: RowState,
  place: number,
  share: number,
  nowMs: number,
): CandidateView {
  const member = row.spec.members[place]!;
  const k = state.members[member]!;
  const scoreMs = scoreOf(state, row, member);
  return {
    id: k.spec.id,
    url: k.spec.url,
    ...viaOf(k),
    region: k.spec.region,
    healthy: isEligible(k),
    state: stateOf(k),
    why: whyOf(state, row, place),
    distanceKm: k.distanceKm === null ? null : Math.round(k.distanceKm),
    priorMs: rounded(priorOfMs(k)),
    networkMs: rounded(measuredNetworkMs(k)),
    serverMs: rounded(serverMsOf(k)),
    inflight: k.inflight,
    errorRatio: rounded(errorRatio(k.errors, nowMs)) ?? 0,
    costMs: rounded(state.terms[member * CANDIDATE_DOUBLES + CD.COST]!) ?? 0,
    scoreMs,
    terms: scoreMs === null ? null : termsOf(state.terms, member, heldMs(row, place)),
    role: row.ranking === null ? 'out' : roleOf(row.ranking, place),
    share: Math.round(share * 1e4) / 1e4,
  };
}

/** As `scoreMs` of its view. */
export function scoreOfMember(state: PoolState, member: number): number | null {
  return scoreOf(state, rowWith(state, member), member);
}

/** The pool's own row has no ways over other edges: one that has. */
function rowWith({ rows }: PoolState, member: number): RowState {
  return rows.find((row) => placeOf(row, member) !== NONE) ?? rows[0]!;
}

/** In RowSpec.members; of the pool's own row it is the member itself. */
function placeOf({ spec: { members } }: RowState, member: number): number {
  return members[member] === member ? member : members.indexOf(member);
}

function viaOf({ spec }: Known): { readonly via?: string } {
  return spec.via === undefined ? {} : { via: spec.via.peer };
}

/** Of a way over another edge that could be taken: whether it is, and why. */
function whyOf({ members, overlay }: PoolState, { spec }: RowState, place: number): string {
  const member = spec.members[place]!;
  const k = members[member]!;
  const standing = overlay === null || !isEligible(k) ? null : standingOf(overlay, spec.overlay ?? 'off', member);
  return standing ?? k.why;
}

/** W; before traffic, what the probes alone say. */
export function serverMsOf(k: Known): number {
  return Number.isNaN(k.server.ms) ? k.probeMs : k.server.ms;
}

/** As ranked on the last tick, held-off challengers included; null when nothing but a guess stands behind it. */
function scoreOf(state: PoolState, row: RowState, member: number): number | null {
  const k = state.members[member]!;
  const place = placeOf(row, member);
  if (row.ranking === null || place === NONE) return null;
  if (Number.isNaN(measuredNetworkMs(k)) && priorOfMs(k) === null && Number.isNaN(k.server.ms)) return null;
  return rounded(state.terms[member * CANDIDATE_DOUBLES + CD.SCORE]! + heldMs(row, place));
}

/** What a challenger that has to wait is charged. ms. */
function heldMs({ ranking, ranked }: RowState, place: number): number {
  return ranking!.holdMs[place]! - ranked[place]!.standbyMs;
}

/** To a thousandth; null for what is not known. */
function rounded(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.round(value * 1000) / 1000;
}
