// Which regions the demo plays, and how far each is from the edge: round trips measured between the regions of one cloud
// (geoip/latency.ts), never made up. No sockets, no clock, no chance of its own.

import { type LatencyProvider, type Rtt, regionsOf, rttOf } from '../../geoip/latency.ts';
import { findRegion } from '../../geoip/regions.ts';

/** One origin of the demo. `region` carries its provider: `aws:eu-central-1`. */
export interface OriginPlan {
  readonly region: string;
  /** For people: `Europe (Frankfurt)`. */
  readonly place: string;
  readonly rtt: Rtt;
}

export type Plan = { readonly origins: readonly OriginPlan[]; readonly problem: null } | { readonly problem: string };

/** Where the default regions stand among all, sorted by distance: the edge's own, near, far and very far. */
const DEFAULT_SPREAD = [0, 0.17, 0.34, 0.5, 0.75, 0.95] as const;

/**
 * Origins nearest first; or the problem in one sentence, with what would have been right.
 * `regions` null picks six, the edge's own among them. Names may leave out the provider.
 */
export function planOf(edge: string, regions: readonly string[] | null): Plan {
  const [provider, home] = split(edge, 'aws');
  if (!isProvider(provider)) return { problem: `--edge ${edge}: expected aws:REGION or gcp:REGION` };
  const known = regionsOf(provider);
  if (!known.includes(home)) return { problem: `--edge ${edge}: unknown; ${provider} has ${known.join(', ')}` };

  const origins = new Map<string, OriginPlan>();
  for (const name of regions ?? spread(provider, home)) {
    const [cloud, region] = split(name.trim(), provider);
    const rtt = cloud === provider ? rttOf(provider, home, region) : null;
    if (!rtt) return { problem: `--regions ${name}: no round trip from ${edge} known; choose of ${known.join(', ')}` };
    const full = `${provider}:${region}`;
    origins.set(full, { region: full, place: findRegion(full)?.label ?? region, rtt });
  }
  if (origins.size === 0) return { problem: `--regions: expected at least one of ${known.join(', ')}` };
  return { origins: [...origins.values()].sort((a, b) => a.rtt.avgMs - b.rtt.avgMs), problem: null };
}

/** How the proxy's configuration calls the endpoint of a region: without the provider. */
export function endpointIdOf(region: string): string {
  return region.slice(region.indexOf(':') + 1);
}

/**
 * One round trip, ms: around the mean with the measured deviation, inside what was ever measured.
 * `random` gives [0, 1). Normal by a sum of twelve (Irwin–Hall), which is plenty for a picture.
 */
export function sampleRttMs(rtt: Rtt, random: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return Math.min(rtt.maxMs, Math.max(rtt.minMs, rtt.avgMs + sum * rtt.mdevMs));
}

function spread(provider: LatencyProvider, home: string): string[] {
  const distanceMs = (region: string) => rttOf(provider, home, region)?.avgMs ?? Number.POSITIVE_INFINITY;
  const byDistance = [...regionsOf(provider)].sort((a, b) => distanceMs(a) - distanceMs(b));
  return DEFAULT_SPREAD.map((share) => byDistance[Math.round(share * (byDistance.length - 1))]!);
}

function split(name: string, provider: string): [provider: string, region: string] {
  const colon = name.indexOf(':');
  return colon < 0 ? [provider, name] : [name.slice(0, colon), name.slice(colon + 1)];
}

function isProvider(name: string): name is LatencyProvider {
  return name === 'aws' || name === 'gcp';
}
