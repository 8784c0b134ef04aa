// How an explanation shows a route with `mode: redirect`: the candidates as the fleet knows them, with what differs by client
// (distance, prior, score, role) from the code that redirects (core/redirect.ts), for the very client that is asked about.

import { priorMs } from '../core/geo.ts';
import type { Redirector } from '../core/redirect.ts';
import type { PickContext } from '../core/selector.ts';
import { type LatLon, MAX_SLOTS, NONE, type RouteSpec, type Snapshot } from '../core/snapshot.ts';
import type { CandidateView } from './types.ts';

export interface Redirected {
  readonly candidates: readonly CandidateView[];
  readonly chosen: string | null;
  readonly note: string;
}

/** `views`: of the route's row, in any order. Best first; who cannot be chosen last. */
export function redirected(
  redirector: Redirector,
  snapshot: Snapshot,
  route: RouteSpec,
  views: readonly CandidateView[],
  place: LatLon | null,
  client: string,
): Redirected {
  const { endpoints, pools } = snapshot;
  const index = redirector.choose(route.row, contextOf(snapshot, views), place, client);
  const chosen = index === NONE ? null : endpoints[index]!.id;
  const byId = new Map(
    views.map((view) => [view.id, { ...view, scoreMs: null, terms: null, role: 'out' as const, share: 0 }]),
  );
  const seen: CandidateView[] = [];
  const members = pools[route.pool]!.endpoints;
  for (let i = 0; i < redirector.count; i++) {
    const { id } = endpoints[members[redirector.members[i]!]!]!;
    const view = byId.get(id);
    if (view === undefined) continue; // came with a reload just now
    byId.delete(id);
    const km = redirector.kms[i]!;
    const isFar = Number.isNaN(km);
    seen.push({
      ...view,
      ...(place === null
        ? {}
        : {
            distanceKm: isFar ? null : Math.round(km),
            priorMs: isFar ? null : Math.round(priorMs(km) * 1000) / 1000,
            networkMs: null,
          }),
      scoreMs: Math.round(redirector.scores[i]! * 1000) / 1000,
      role: redirector.isInBand[i] === 1 ? 'band' : 'out',
      share: id === chosen ? 1 : 0,
    });
  }
  seen.sort((a, b) => b.share - a.share || a.scoreMs! - b.scoreMs!);
  const from = place === null ? 'this edge, for the client’s place is unknown' : 'the client’s place';
  return { candidates: [...seen, ...byId.values()], chosen, note: `307 to the endpoint, ranked from ${from}` };
}

/** Nothing of its own in flight: the loads are those that the views show. */
function contextOf({ endpoints, lanes }: Snapshot, views: readonly CandidateView[]): PickContext {
  const inflight = new Int32Array(MAX_SLOTS);
  const loads = new Map(views.map((view) => [view.id, view.inflight]));
  for (const { id, slot } of endpoints) inflight[slot] = loads.get(id) ?? 0;
  const tried = new Int32Array(0);
  return { lane: lanes, inflight, nowMs: 0, random: () => 0, tried, triedCount: 0, mayExplore: false };
}
