// The ways between edges and endpoints: round trips of a cloud's measured matrix (geoip/latency.ts), with the jitter it was
// measured with, and what a scenario makes of them. Which regions take part is drawn by the seed.

import { type LatencyProvider, regionsOf, rttOf } from '../../../geoip/latency.ts';
import { findRegion } from '../../../geoip/regions.ts';
import type { LatLon } from '../../../src/core/snapshot.ts';

/** Home is this near, and nobody is farther than this: what one edge of a worldwide service sees. ms. */
const HOME_MS = [10, 60] as const;
const FAR_MS = 220;
/** The next is so much farther that "home" means something; pairs that are nearly equal have a scenario of their own. ms. */
const GAP_MS = 8;
/** A normal deviation is 1.25 mean deviations; of a path that swings more than this, the matrix saw an incident. */
const DEVIATION_PER_MDEV = 1.25;
const MAX_JITTER_RATIO = 0.1;

export interface Place {
  /** `aws:eu-central-1`. */
  region: string;
  location: LatLon | null;
}

/** Where everybody is; a scenario may move it before the run. Round trips by edge * endpoints + endpoint. */
export interface Geography {
  readonly edges: Place[];
  readonly endpoints: Place[];
  readonly averageMs: Float64Array;
  readonly floorMs: Float64Array;
  readonly deviationMs: Float64Array;
}

/** A route from an edge to an endpoint of a region, as it was measured; within a region half a millisecond. */
function rttBetween(provider: LatencyProvider, from: string, to: string) {
  return rttOf(provider, from, to) ?? { minMs: 0.5, avgMs: 0.5, maxMs: 0.5, mdevMs: 0.05 };
}

/** One edge and the regions it is served from: the first is home. Null when this edge has none at a fitting distance. */
function regionsAround(provider: LatencyProvider, edge: string, count: number, random: () => number): string[] | null {
  const others = shuffled(
    regionsOf(provider).filter((name) => name !== edge && rttOf(provider, edge, name) !== null),
    random,
  );
  const msOf = (name: string) => rttBetween(provider, edge, name).avgMs;
  const home = others.find((name) => msOf(name) >= HOME_MS[0] && msOf(name) <= HOME_MS[1]);
  if (home === undefined) return null;
  const rest = others.filter((name) => msOf(name) >= msOf(home) + GAP_MS && msOf(name) <= FAR_MS);
  return rest.length < Math.min(count, 6) - 1 ? null : [home, ...rest.slice(0, count - 1)];
}

/**
 * Draws `edges` edges and `count` endpoints around the first; if there are more endpoints than regions, several share one.
 * Several edges are far from one another: each the farthest from those before.
 */
export function drawGeography(
  provider: LatencyProvider,
  edges: number,
  count: number,
  random: () => number,
): Geography {
  for (const first of shuffled([...regionsOf(provider)], random)) {
    const regions = regionsAround(provider, first, count, random);
    if (regions === null) continue;
    const names = [first];
    const others = regionsOf(provider).filter((name) => !regions.includes(name));
    while (names.length < edges) names.push(farthest(provider, others, names));
    const of = Array.from({ length: count }, (_, i) => regions[i % regions.length]!);
    return geographyOf(provider, names, of);
  }
  throw new RangeError(`no region of ${provider} has another at ${HOME_MS[0]} to ${HOME_MS[1]} ms`);
}

export function geographyOf(
  provider: LatencyProvider,
  edges: readonly string[],
  endpoints: readonly string[],
): Geography {
  const size = edges.length * endpoints.length;
  const g: Geography = {
    edges: edges.map((name) => placeOf(provider, name)),
    endpoints: endpoints.map((name) => placeOf(provider, name)),
    averageMs: new Float64Array(size),
    floorMs: new Float64Array(size),
    deviationMs: new Float64Array(size),
  };
  edges.forEach((from, edge) => {
    endpoints.forEach((to, e) => {
      const at = edge * endpoints.length + e;
      const { minMs, avgMs, mdevMs } = rttBetween(provider, from, to);
      g.averageMs[at] = avgMs;
      g.floorMs[at] = minMs;
      g.deviationMs[at] = Math.min(mdevMs * DEVIATION_PER_MDEV, avgMs * MAX_JITTER_RATIO);
    });
  });
  return g;
}

function placeOf(provider: LatencyProvider, name: string): Place {
  const region = findRegion(`${provider}:${name}`);
  return { region: `${provider}:${name}`, location: region };
}

function farthest(provider: LatencyProvider, among: readonly string[], from: readonly string[]): string {
  const nearestMs = (name: string) => Math.min(...from.map((other) => rttBetween(provider, other, name).avgMs));
  return among.filter((name) => !from.includes(name)).reduce((a, b) => (nearestMs(b) > nearestMs(a) ? b : a));
}

export function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** Round trips as they are now. */
export class Network {
  readonly #g: Geography;
  readonly #width: number;
  readonly #factor: Float64Array;
  /** Chance that a probe is lost. */
  lossRatio = 0;

  constructor(geography: Geography) {
    this.#g = geography;
    this.#width = geography.endpoints.length;
    this.#factor = new Float64Array(geography.averageMs.length).fill(1);
  }

  /** The usual round trip at present. ms. */
  usualMs(edge: number, e: number): number {
    const at = edge * this.#width + e;
    return this.#g.averageMs[at]! * this.#factor[at]!;
  }

  /** One round trip; `normal` is a draw of the standard normal distribution. ms. */
  sampleMs(edge: number, e: number, normal: number): number {
    const at = edge * this.#width + e;
    const ms = this.#g.averageMs[at]! + this.#g.deviationMs[at]! * normal;
    return Math.max(ms, this.#g.floorMs[at]!) * this.#factor[at]!;
  }

  /** From now on every edge reaches `e` in so many times the usual. */
  reroute(e: number, factor: number): void {
    for (let at = e; at < this.#factor.length; at += this.#width) this.#factor[at] = factor;
  }
}
