// How often the nearest endpoint is not the fastest, and what it costs: every region of a cloud as a client, endpoints in eight
// others, by the round trips that were measured between them (geoip/latency.ts). Nothing of ours is run: this is the world.
// node bench/route/nearest.ts

import { type LatencyProvider, regionsOf, rttOf } from '../../geoip/latency.ts';
import { findRegion } from '../../geoip/regions.ts';
import { distanceKm } from '../../src/core/geo.ts';
import { seeded } from '../../src/core/selector.ts';

const ENDPOINTS = 8;
const DRAWS = 100_000;

interface Endpoint {
  readonly rttMs: number;
  readonly km: number;
}

const random = seeded(1);
for (const provider of ['aws', 'gcp'] as const) {
  const worlds = regionsOf(provider).map((client) => endpointsOf(provider, client));
  const lostMs: number[] = [];
  for (let i = 0; i < DRAWS; i++) {
    const drawn = draw(worlds[i % worlds.length]!);
    const nearest = drawn.reduce((a, b) => (b.km < a.km ? b : a));
    const fastest = drawn.reduce((a, b) => (b.rttMs < a.rttMs ? b : a));
    if (nearest !== fastest) lostMs.push(nearest.rttMs - fastest.rttMs);
  }
  lostMs.sort((a, b) => a - b);
  const at = (q: number) => lostMs[Math.floor(q * lostMs.length)]!.toFixed(0);
  const part = ((100 * lostMs.length) / DRAWS).toFixed(0);
  console.log(
    `${provider}: the nearest is not the fastest for ${part} %; then it costs ${at(0.5)} ms (p90 ${at(0.9)} ms)`,
  );
}

/** All other regions as a client there sees them. */
function endpointsOf(provider: LatencyProvider, client: string): readonly Endpoint[] {
  const here = findRegion(`${provider}:${client}`)!;
  return regionsOf(provider)
    .filter((region) => region !== client)
    .map((region) => ({
      rttMs: rttOf(provider, client, region)!.avgMs,
      km: distanceKm(here, findRegion(`${provider}:${region}`)!),
    }));
}

/** Some of them, each set as likely as any other. */
function draw(all: readonly Endpoint[]): readonly Endpoint[] {
  const left = [...all];
  return Array.from({ length: ENDPOINTS }, () => left.splice(Math.floor(random() * left.length), 1)[0]!);
}
