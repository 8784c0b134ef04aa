// Many edges in different regions before the same endpoints: who is where, how far they are from one another, and how much
// comes to each edge. Endpoints stand in a few regions, as a careful operator would put them: more where more is nearest.

import { type LatencyProvider, regionsOf, rttOf } from '../../../geoip/latency.ts';
import { type Geography, geographyOf, shuffled } from './network.ts';

/** Regions that hold endpoints, and that hold edges, at most: beyond, several nodes stand in each. */
const SITES = 8;
const EDGES = 16;

export interface FleetGeography {
  readonly geography: Geography;
  /** By edge: the site that is nearest; by endpoint: its site. Site 0 is the one that most edges are nearest to. */
  readonly siteOf: readonly number[];
  readonly endpointSite: readonly number[];
  /** By edge: its part of what its site can serve. */
  readonly part: Float64Array;
}

/** Node n stands at edge n % edges. `nodes`: up to 16, or a multiple of it. */
export function drawFleet(
  provider: LatencyProvider,
  nodes: number,
  endpoints: number,
  random: () => number,
): FleetGeography {
  const regions = shuffled([...regionsOf(provider)], random);
  const sites = regions.slice(0, Math.min(SITES, endpoints));
  // Edges stand where there is no endpoint, as long as there are such places.
  const edges = [...regions.slice(sites.length), ...sites].slice(0, Math.min(nodes, EDGES));
  if (nodes % edges.length !== 0) throw new RangeError(`expected a multiple of ${EDGES} nodes, got ${nodes}`);
  const msTo = (edge: string) =>
    sites.map((site) => (edge === site ? 0.5 : (rttOf(provider, edge, site)?.avgMs ?? 1e3)));
  const nearest = edges.map((edge) => {
    const ms = msTo(edge);
    return ms.indexOf(Math.min(...ms));
  });
  const near = sites.map((_, s) => nearest.filter((site) => site === s).length);
  const order = sites.map((_, s) => s).sort((a, b) => near[b]! - near[a]!);
  const siteOf = nearest.map((site) => order.indexOf(site));
  const counts = divided(
    endpoints,
    order.map((s) => near[s]!),
  );
  const endpointSite = counts.flatMap((count, s) => Array.from({ length: count }, () => s));
  const part = Float64Array.from(siteOf, (site) => 1 / near[order[site]!]!);
  const names = endpointSite.map((s) => sites[order[s]!]!);
  return { geography: geographyOf(provider, edges, names), siteOf, endpointSite, part };
}

/** `count` in proportion to `weights`, one each at least. */
function divided(count: number, weights: readonly number[]): number[] {
  const counts = weights.map(() => 1);
  const sum = weights.reduce((a, b) => a + b, 0);
  for (let left = count - counts.length; left > 0; left--) {
    let most = 0;
    for (let i = 1; i < counts.length; i++) {
      if ((weights[i]! / sum) * count - counts[i]! > (weights[most]! / sum) * count - counts[most]!) most = i;
    }
    counts[most]!++;
  }
  return counts;
}
