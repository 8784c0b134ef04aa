// What can happen to a service behind several edges, one record each, with the story it is from. Figures are taken over the
// window: requests sent in it. Loads are parts of what the home endpoint can serve; endpoint 0 is home.

import type { LatLon } from '../../../src/core/snapshot.ts';
import type { JobSpec } from './jobs.ts';
import type { Geography } from './network.ts';
import type { Step } from './world.ts';

export interface Scenario {
  /** What it is, and whose trouble it was. */
  readonly story: string;
  readonly edges?: number;
  readonly proxies?: number;
  readonly endpoints?: number;
  readonly jobs?: JobSpec;
  /** Load of an edge, 1 = what home can serve; and what it never exceeds. */
  readonly load?: (ms: number, edge: number) => number;
  readonly mostLoad?: number;
  readonly untilMs?: number;
  readonly windowMs?: readonly [fromMs: number, untilMs: number];
  /** From when on traffic should move: `right` = as the oracle would, `home` = to endpoint 0. */
  readonly eventMs?: number;
  readonly moves?: 'right' | 'home';
  readonly absent?: readonly number[];
  readonly place?: (geography: Geography) => void;
  readonly steps?: readonly Step[];
}

export const USUAL_JOBS: JobSpec = { meanMs: 20, sigma: 0.5 };
export const USUAL_LOAD = 0.6;
export const PROXIES = 4;
export const ENDPOINTS = 6;
export const WARM_MS = 10_000;
export const UNTIL_MS = 50_000;
/** When the thing happens, and for how long if it ends. */
const EVENT_MS = 15_000;
const SPIKE_MS = 20_000;
const OUTAGE_MS = 15_000;
const FLAP_MS = 3000;

const HOME = 0;

function spike(more: Partial<Scenario> = {}): Scenario {
  return {
    story: '150 % of what home can serve for 20 s: the rest has to go elsewhere, and no more than the rest',
    load: (ms) => (ms >= EVENT_MS && ms < EVENT_MS + SPIKE_MS ? 1.5 : USUAL_LOAD),
    mostLoad: 1.5,
    windowMs: [EVENT_MS, EVENT_MS + SPIKE_MS],
    ...more,
  };
}

function steady(more: Partial<Scenario> = {}): Scenario {
  return { story: 'nothing happens', ...more };
}

/** At `EVENT_MS`, and until the end. */
function change(story: string, run: Step['run'], more: Partial<Scenario> = {}): Scenario {
  return {
    story,
    steps: [{ atMs: EVENT_MS, run }],
    windowMs: [EVENT_MS, UNTIL_MS],
    eventMs: EVENT_MS,
    moves: 'right',
    ...more,
  };
}

/** The same, and traffic is to stay. */
function unmoved(story: string, run: Step['run']): Scenario {
  return { story, steps: [{ atMs: EVENT_MS, run }], windowMs: [EVENT_MS, UNTIL_MS] };
}

export const SCENARIOS = {
  steady: steady(),
  spike: spike(),
  brownout: change('home serves everything eight times as slowly, and answers', (w) => w.slow(HOME, 8)),
  'route-change': change('a cable breaks: the way home takes 7.5 times as long', (w) => w.network.reroute(HOME, 7.5)),
  'fast-503': change('home fails 30 % of requests at once, and so looks fast (linkerd2-proxy#4537)', (w) => {
    w.servers[HOME]!.failing = 0.3;
  }),
  recovery: {
    story: 'home is down for 15 s and comes back: it is found again, once',
    steps: [
      { atMs: EVENT_MS, run: (w) => w.turn(HOME, false) },
      { atMs: EVENT_MS + OUTAGE_MS, run: (w) => w.turn(HOME, true) },
    ],
    windowMs: [EVENT_MS + OUTAGE_MS, 60_000],
    untilMs: 60_000,
    eventMs: EVENT_MS + OUTAGE_MS,
    moves: 'home',
  },
  outage: change('home is down: connections are refused until somebody has noticed', (w) => w.turn(HOME, false), {
    windowMs: [EVENT_MS, EVENT_MS + OUTAGE_MS],
  }),
  flapping: {
    story: 'the way home is four times as long for 3 s, and as ever for 3 s, again and again',
    steps: Array.from({ length: 10 }, (_, i) => ({
      atMs: EVENT_MS + i * FLAP_MS,
      run: (w) => w.network.reroute(HOME, i % 2 === 0 ? 4 : 1),
    })),
    windowMs: [EVENT_MS, EVENT_MS + 30_000],
  },
  'new-endpoint': change('the nearest of all is added (tower#134: a new one was never tried)', (w) => w.appear(HOME), {
    absent: [HOME],
    moves: 'home',
  }),
  'mixed-jobs': {
    story:
      'five identical servers, one job in 20 takes 20 times as long (traefik#12306: one was starved by its own average)',
    endpoints: 5,
    jobs: { meanMs: 10, sigma: 0.5, heavyRatio: 0.05, heavyFactor: 20 },
    // Of one server: 70 % of the five.
    load: () => 3.5,
    mostLoad: 3.5,
    place: (g) => {
      for (let e = 1; e < g.endpoints.length; e++) copyWay(g, e, 0);
    },
  },
  'all-slow': unmoved('all regions serve five times as slowly (haproxy#899: all were ejected for it)', (w) => {
    w.servers.forEach((_, e) => {
      w.slow(e, 5);
    });
  }),
  'wrong-location': {
    story: 'home says that it is 9,000 km away, and the farthest that it is next door: geography is a lie',
    windowMs: [WARM_MS, UNTIL_MS],
    place: (g) => {
      const edge = g.edges[0]!.location;
      const far = farthestOf(g);
      g.endpoints[HOME]!.location = edge && northOf(edge, 9000);
      g.endpoints[far]!.location = edge && northOf(edge, 50);
    },
  },
  'probe-loss': unmoved('30 % of the probes are lost, the requests are not', (w) => {
    w.network.lossRatio = 0.3;
  }),
  'clock-jump': unmoved('the clocks of all nodes jump an hour ahead', (w) => w.jumpClocks(3_600_000)),
  stall: unmoved('the control planes stand still for 2 s', (w) => w.stall(2000)),
  'rate-limit': change('home answers 429 with Retry-After: 1 above 100 requests/s', (w) => w.limit(HOME, 100)),
  diurnal: {
    story: 'a day in 60 s: four continents wake up one after the other',
    edges: 4,
    untilMs: 70_000,
    load: (ms, edge) => 0.5 + 0.45 * Math.sin(2 * Math.PI * ((ms - WARM_MS) / 60_000 + edge / 4)),
    mostLoad: 0.95,
    windowMs: [WARM_MS, 70_000],
  },
  'proxies-1': steady({ proxies: 1 }),
  'proxies-16': steady({ proxies: 16 }),
  'spike-proxies-1': spike({ proxies: 1 }),
  'spike-proxies-16': spike({ proxies: 16 }),
  'endpoints-4': steady({ endpoints: 4 }),
  'endpoints-20': steady({ endpoints: 20 }),
  'endpoints-100': steady({ endpoints: 100, untilMs: 30_000, windowMs: [WARM_MS, 30_000] }),
  'endpoints-1000': steady({ endpoints: 1000, proxies: 1, untilMs: 15_000, windowMs: [5000, 15_000] }),
  'same-home': steady({
    story: 'a second endpoint is 1.5 ms farther than home, in the same region',
    load: () => 1,
    mostLoad: 1,
    place: (g) => {
      copyWay(g, 1, HOME);
      for (let at = 1; at < g.averageMs.length; at += g.endpoints.length) {
        g.averageMs[at]! += 1.5;
        g.floorMs[at]! += 1.5;
      }
    },
  }),
} satisfies Record<string, Scenario>;
export type ScenarioName = keyof typeof SCENARIOS;

export function scenarioOf(name: string): Scenario {
  if (!Object.hasOwn(SCENARIOS, name)) {
    throw new RangeError(`no scenario ${name}: expected one of ${Object.keys(SCENARIOS).join(', ')}`);
  }
  return SCENARIOS[name as ScenarioName];
}

/** Endpoint `to` is where `from` is. */
function copyWay(g: Geography, to: number, from: number): void {
  g.endpoints[to] = { ...g.endpoints[from]! };
  for (let row = 0; row < g.averageMs.length; row += g.endpoints.length) {
    g.averageMs[row + to] = g.averageMs[row + from]!;
    g.floorMs[row + to] = g.floorMs[row + from]!;
    g.deviationMs[row + to] = g.deviationMs[row + from]!;
  }
}

function farthestOf(g: Geography): number {
  let far = 0;
  for (let e = 1; e < g.endpoints.length; e++) if (g.averageMs[e]! > g.averageMs[far]!) far = e;
  return far;
}

/** The place so many km due north, over the pole if need be. */
function northOf({ latDeg, lonDeg }: LatLon, km: number): LatLon {
  const lat = latDeg + km / 111.2;
  return lat <= 90 ? { latDeg: lat, lonDeg } : { latDeg: 180 - lat, lonDeg: lonDeg > 0 ? lonDeg - 180 : lonDeg + 180 };
}
