// Which endpoints a question about an evacuation means; a name that nobody has is refused, with the one that was probably meant.

import { didYouMean } from '../config/suggest.ts';
import type { Known } from '../fleet/known.ts';
import type { PoolState } from '../fleet/ranking.ts';
import type { Refusal } from '../types.ts';
import type { EvacuationQuery } from './types.ts';

/** By pool: which of its endpoints are taken away. Ways over other edges go with the endpoint that they lead to. */
export interface Removal {
  readonly states: readonly PoolState[];
  readonly ids: ReadonlySet<string>;
}

export function removalOf(pools: readonly PoolState[], query: EvacuationQuery): Removal | Refusal {
  const states = query.pool === null ? pools : pools.filter(({ spec }) => spec.name === query.pool);
  if (states.length === 0 && query.pool !== null) {
    return unknown('pool', query.pool, new Set(pools.map(({ spec }) => spec.name)));
  }
  const members = states.flatMap((state) => state.members).filter(({ spec }) => spec.via === undefined);
  const regions = new Set(members.flatMap(({ spec }) => spec.region ?? []));
  const ids = new Set(members.map(({ spec }) => spec.id));
  const noRegion = query.regions.find((region) => !regions.has(region));
  if (noRegion !== undefined) return unknown('region', noRegion, regions);
  const noEndpoint = query.endpoints.find((id) => !ids.has(id));
  if (noEndpoint !== undefined) return unknown('endpoint', noEndpoint, ids);
  const isMeant = ({ spec }: Known) =>
    query.endpoints.includes(spec.id) || (spec.region !== null && query.regions.includes(spec.region));
  return { states, ids: new Set(members.filter(isMeant).map(({ spec }) => spec.id)) };
}

/** The codes are no_such_pool, no_such_region and no_such_endpoint. */
function unknown(what: 'pool' | 'region' | 'endpoint', name: string, known: ReadonlySet<string>): Refusal {
  const meant = didYouMean(name, [...known]);
  const hint = meant === null ? '' : `; did you mean ${meant}?`;
  const of = what === 'region' ? 'no endpoint is in the region' : `there is no ${what}`;
  return { status: 404, code: `no_such_${what}`, message: `${of} ${name}${hint}` };
}
