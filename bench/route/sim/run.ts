// One run of one policy in one scenario, and its figures; and beside oracle A's on the same requests. `simulate` is what
// scratch scripts and tests call. Everything is drawn from the seed: the same call gives the same figures.

import type { LatencyProvider } from '../../../geoip/latency.ts';
import { seeded } from '../../../src/core/selector.ts';
import { drawJobs, type Jobs } from './jobs.ts';
import { drawGeography, type Geography } from './network.ts';
import {
  ENDPOINTS,
  PROXIES,
  type Scenario,
  scenarioOf,
  UNTIL_MS,
  USUAL_JOBS,
  USUAL_LOAD,
  WARM_MS,
} from './scenarios.ts';
import { WORKERS } from './server.ts';
import { World } from './world.ts';

export interface SimulateOptions {
  /** `fermat`, `oracle-a`, `oracle-b`, a peer (peers.ts), or `pool:NAME` for a policy of the product. */
  readonly policy: string;
  readonly scenario: string;
  readonly seed?: number;
  readonly provider?: LatencyProvider;
  /** Of the scenario's record. */
  readonly overrides?: Partial<Scenario>;
  /** Service time of a probe, ms. */
  readonly probeServiceMs?: number;
  /** Called after every simulated second. */
  readonly onSecond?: (world: World, ms: number) => void;
}

/** Over the scenario's window; latencies with errors at 1000 ms. */
export interface Figures {
  readonly requests: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Parts of the requests. */
  readonly errorRatio: number;
  readonly wrongRatio: number;
  readonly homeRatio: number;
  /** Least and most requests of an endpoint, in parts of the mean. */
  readonly leastShare: number;
  readonly mostShare: number;
  /** Of a node's home, per node and 10 s of the window; of the product alone. */
  readonly switches: number;
  /** Of endpoints by a node, in the whole run. */
  readonly ejections: number;
  /** From the event until 90 % go where they should, over a second; null = never, or nothing is to move. ms. */
  readonly movedMs: number | null;
}

export interface Compared extends Figures {
  /** In parts of oracle A's. */
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

/** So much of the requests of a second make traffic moved. */
const MOVED_RATIO = 0.9;
const MOVED_BIN_MS = 250;
const MOVED_BINS = 4;

interface Setting {
  readonly scenario: Scenario;
  readonly geography: Geography;
  readonly jobs: Jobs;
}

function settingOf({ scenario: name, seed = 1, provider = 'aws', overrides }: SimulateOptions): Setting {
  const scenario: Scenario = { ...scenarioOf(name), ...overrides };
  const edges = scenario.edges ?? 1;
  const geography = drawGeography(provider, edges, scenario.endpoints ?? ENDPOINTS, seeded(seed * 101));
  scenario.place?.(geography);
  const spec = scenario.jobs ?? USUAL_JOBS;
  const capacityPerS = (WORKERS * 1000) / meanServiceMs(scenario);
  const load = scenario.load ?? (() => USUAL_LOAD);
  const jobs = drawJobs(
    seed,
    scenario.untilMs ?? UNTIL_MS,
    spec,
    edges,
    Math.max(scenario.proxies ?? PROXIES, edges),
    (scenario.mostLoad ?? USUAL_LOAD) * capacityPerS,
    (ms, edge) => load(ms, edge) * capacityPerS,
  );
  return { scenario, geography, jobs };
}

function meanServiceMs({ jobs = USUAL_JOBS }: Scenario): number {
  return jobs.meanMs * (1 + (jobs.heavyRatio ?? 0) * ((jobs.heavyFactor ?? 1) - 1));
}

/** One run. Milliseconds to a second of work. Throws on names that do not exist. */
export function simulate(options: SimulateOptions): Figures {
  return runOf(options, settingOf(options));
}

/** One run in parts of oracle A's on the same requests; pass its figures if you have them. */
export function compare(options: SimulateOptions, oracle = simulate({ ...options, policy: 'oracle-a' })): Compared {
  const figures = simulate(options);
  return {
    ...figures,
    mean: figures.meanMs / oracle.meanMs,
    p50: figures.p50Ms / oracle.p50Ms,
    p99: figures.p99Ms / oracle.p99Ms,
  };
}

function runOf(options: SimulateOptions, { scenario, geography, jobs }: Setting): Figures {
  const world = new World({
    policy: options.policy,
    seed: options.seed ?? 1,
    geography,
    jobs,
    nodes: Math.max(scenario.proxies ?? PROXIES, scenario.edges ?? 1),
    meanServiceMs: meanServiceMs(scenario),
    probeServiceMs: options.probeServiceMs ?? 1,
    untilMs: scenario.untilMs ?? UNTIL_MS,
    absent: scenario.absent ?? [],
    steps: [
      ...(scenario.steps ?? []),
      { atMs: windowOf(scenario)[0], run: (w) => w.countAnew() },
      {
        atMs: windowOf(scenario)[1],
        run: (w) => {
          switches = w.nodes.reduce((sum, node) => sum + node.switches, 0);
        },
      },
    ],
    ...(options.onSecond && { onSecond: options.onSecond }),
  });
  let switches = 0;
  world.run();
  return figuresOf(world, scenario, switches);
}

function windowOf(scenario: Scenario): readonly [number, number] {
  return scenario.windowMs ?? [WARM_MS, scenario.untilMs ?? UNTIL_MS];
}

function figuresOf(world: World, scenario: Scenario, switches: number): Figures {
  const { jobs, geography } = world.spec;
  const [fromMs, untilMs] = windowOf(scenario);
  const served = new Float64Array(geography.endpoints.length);
  const first = firstAt(jobs, fromMs);
  const end = firstAt(jobs, untilMs);
  const n = Math.max(end - first, 1);
  let [sum, bad, wrong] = [0, 0, 0];
  for (let id = first; id < end; id++) {
    sum += world.tookMs[id]!;
    bad += world.isBad[id]!;
    wrong += world.isWrong[id]!;
    if (world.endpoint[id]! >= 0) served[world.endpoint[id]!]!++;
  }
  const sorted = world.tookMs.slice(first, end).sort();
  const meanServed = n / served.length;
  return {
    requests: n,
    meanMs: sum / n,
    p50Ms: sorted[Math.floor(n * 0.5)] ?? Number.NaN,
    p99Ms: sorted[Math.floor(n * 0.99)] ?? Number.NaN,
    errorRatio: bad / n,
    wrongRatio: wrong / n,
    homeRatio: served[0]! / n,
    leastShare: Math.min(...served) / meanServed,
    mostShare: Math.max(...served) / meanServed,
    switches: switches / Math.max(world.nodes.length, 1) / ((untilMs - fromMs) / 10_000),
    ejections: world.nodes.reduce((total, node) => total + node.ejections, 0),
    movedMs: movedOf(world, scenario),
  };
}

function movedOf(world: World, { eventMs, moves, untilMs = UNTIL_MS }: Scenario): number | null {
  if (eventMs === undefined || moves === undefined) return null;
  const { jobs } = world.spec;
  const bins = Math.ceil((untilMs - eventMs) / MOVED_BIN_MS);
  const [all, good] = [new Float64Array(bins), new Float64Array(bins)];
  for (let id = firstAt(jobs, eventMs); id < jobs.count; id++) {
    const bin = Math.min(Math.floor((jobs.atMs[id]! - eventMs) / MOVED_BIN_MS), bins - 1);
    all[bin]!++;
    if (moves === 'home' ? world.endpoint[id] === 0 : world.isWrong[id] === 0) good[bin]!++;
  }
  for (let bin = 0; bin + MOVED_BINS <= bins; bin++) {
    let [a, g] = [0, 0];
    for (let i = bin; i < bin + MOVED_BINS; i++) [a, g] = [a + all[i]!, g + good[i]!];
    if (a > 0 && g >= a * MOVED_RATIO) return bin * MOVED_BIN_MS;
  }
  return null;
}

/** The first request at or after `ms`. */
function firstAt(jobs: Jobs, ms: number): number {
  let [low, high] = [0, jobs.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (jobs.atMs[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
