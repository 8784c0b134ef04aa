// One run of a fleet in one scenario, and its figures. The same seed gives the same requests to every way of sharing.

import type { LatencyProvider } from '../../../geoip/latency.ts';
import { seeded } from '../../../src/core/selector.ts';
import { drawFleet, type FleetGeography } from './fleet-geography.ts';
import { FLEET_UNTIL_MS, fleetScenarioOf, improvedOf } from './fleet-scenarios.ts';
import { drawJobs } from './jobs.ts';
import { USUAL_JOBS } from './scenarios.ts';
import { WORKERS } from './server.ts';
import type { ShareSpec } from './telling.ts';
import { World } from './world.ts';

export interface FleetOptions {
  /** `fermat`, `one` (one brain for all edges), `oracle-a`, or a peer's name. */
  readonly policy: string;
  readonly scenario: string;
  readonly nodes: number;
  readonly endpoints: number;
  readonly seed: number;
  readonly provider: LatencyProvider;
  readonly share: ShareSpec | null;
  readonly onSecond?: (world: World, ms: number) => void;
}

/** Over the scenario's window; latencies with errors at 1000 ms. Who finds nobody, or loses the connection, is sent once more. */
export interface FleetFigures {
  readonly requests: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly errorRatio: number;
  readonly wrongRatio: number;
  /**
   * How much the load of an endpoint swings: deviation of its requests in 250 ms beyond what chance (Poisson) explains, in
   * parts of its mean; mean over endpoints by load. And of the endpoint that improved, in the last 15 s.
   */
  readonly swing: number;
  readonly herdSwing: number;
  /** Requests of that endpoint in its worst 250 ms, in parts of what it can serve. */
  readonly herdPeak: number;
  /** Bytes a second that a node tells, as the codec writes them. */
  readonly toldBytesPerS: number;
}

const BIN_MS = 250;
const CALM_MS = 3000;

export function simulateFleet(options: FleetOptions): FleetFigures {
  const { nodes, endpoints, seed, provider, policy } = options;
  const scenario = fleetScenarioOf(options.scenario);
  const fleet = drawFleet(provider, nodes, endpoints, seeded(seed * 101));
  const { geography, part, siteOf, endpointSite } = fleet;
  const edges = geography.edges.length;
  const capacityPerS = (WORKERS * 1000) / USUAL_JOBS.meanMs;
  const sitePerS = siteOf.map((site) => endpointSite.filter((s) => s === site).length * capacityPerS);
  const perS = Float64Array.from(part, (p, edge) => p * sitePerS[edge]!);
  const jobs = drawJobs(
    seed,
    FLEET_UNTIL_MS,
    USUAL_JOBS,
    edges,
    nodes,
    scenario.mostLoad * Math.max(...perS),
    (ms, edge) => scenario.load(ms, edge, fleet) * perS[edge]!,
  );
  const world = new World({
    policy,
    seed,
    geography,
    jobs,
    nodes,
    meanServiceMs: USUAL_JOBS.meanMs,
    probeServiceMs: 1,
    untilMs: FLEET_UNTIL_MS,
    absent: [],
    steps: scenario.steps(fleet),
    share: options.share,
    retries: true,
    ...(options.onSecond && { onSecond: options.onSecond }),
  });
  world.run();
  return figuresOf(world, scenario.windowMs, fleet, capacityPerS);
}

function figuresOf(
  world: World,
  [fromMs, untilMs]: readonly [number, number],
  fleet: FleetGeography,
  capacityPerS: number,
): FleetFigures {
  const { jobs } = world.spec;
  const endpoints = fleet.endpointSite.length;
  const bins = Math.floor((untilMs - fromMs) / BIN_MS);
  const counts = Array.from({ length: endpoints }, () => new Float64Array(bins));
  const took: number[] = [];
  let [sum, bad, wrong] = [0, 0, 0];
  for (let id = 0; id < jobs.count; id++) {
    const atMs = jobs.atMs[id]!;
    if (atMs < fromMs || atMs >= untilMs) continue;
    took.push(world.tookMs[id]!);
    sum += world.tookMs[id]!;
    bad += world.isBad[id]!;
    wrong += world.isWrong[id]!;
    const bin = Math.floor((atMs - fromMs) / BIN_MS);
    if (world.endpoint[id]! >= 0 && bin < bins) counts[world.endpoint[id]!]![bin]!++;
  }
  const n = Math.max(took.length, 1);
  const sorted = Float64Array.from(took).sort();
  const calm = Math.floor(CALM_MS / BIN_MS);
  const improved = counts[improvedOf(fleet)]!.subarray(calm);
  const totals = counts.map((c) => c.subarray(calm).reduce((a, b) => a + b, 0));
  const all = Math.max(
    totals.reduce((a, b) => a + b, 0),
    1,
  );
  return {
    requests: n,
    meanMs: sum / n,
    p99Ms: sorted[Math.floor(n * 0.99)] ?? Number.NaN,
    errorRatio: bad / n,
    wrongRatio: wrong / n,
    swing: counts.reduce((total, c, e) => total + (totals[e]! / all) * swingOf(c.subarray(calm)), 0),
    herdSwing: swingOf(improved),
    herdPeak: Math.max(...improved) / ((capacityPerS * BIN_MS) / 1000),
    toldBytesPerS: world.toldBytes / Math.max(world.nodes.length, 1) / (world.spec.untilMs / 1000),
  };
}

/** Relative deviation beyond that of independent arrivals at a steady rate. */
function swingOf(counts: Float64Array): number {
  const mean = counts.reduce((a, b) => a + b, 0) / Math.max(counts.length, 1);
  if (mean < 1) return 0;
  const variance = counts.reduce((a, b) => a + (b - mean) ** 2, 0) / counts.length;
  return Math.sqrt(Math.max(variance - mean, 0)) / mean;
}
