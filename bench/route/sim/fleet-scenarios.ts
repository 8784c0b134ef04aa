// What can happen to a service behind many edges that share its endpoints. Loads are parts of what an edge's own site can
// serve (fleet-geography.ts). Site 0 is the one that most edges are nearest to.

import type { FleetGeography } from './fleet-geography.ts';
import type { Step, World } from './world.ts';

export interface FleetScenario {
  readonly story: string;
  /** By moment and edge. */
  readonly load: (ms: number, edge: number, fleet: FleetGeography) => number;
  readonly mostLoad: number;
  readonly windowMs: readonly [fromMs: number, untilMs: number];
  readonly steps: (fleet: FleetGeography) => readonly Step[];
}

export const FLEET_UNTIL_MS = 30_000;
const WARM_MS = 10_000;
const EVENT_MS = 12_000;
const USUAL = 0.6;
const NONE: FleetScenario['steps'] = () => [];

/** What happens to every endpoint of site 0. */
function atFirstSite(run: (world: World, e: number) => void): FleetScenario['steps'] {
  return ({ endpointSite }) => [
    {
      atMs: EVENT_MS,
      run: (world) => {
        endpointSite.forEach((site, e) => {
          if (site === 0) run(world, e);
        });
      },
    },
  ];
}

/** The one endpoint of the herd test: the last one of the busiest site, so that it is far for most edges. */
export function improvedOf({ endpointSite }: FleetGeography): number {
  return endpointSite.lastIndexOf(0);
}

export const FLEET_SCENARIOS = {
  steady: {
    story: 'nothing happens',
    load: () => USUAL,
    mostLoad: USUAL,
    windowMs: [WARM_MS, FLEET_UNTIL_MS],
    steps: NONE,
  },
  spike: {
    story: 'the edges nearest to the busiest region send 150 % of what it can serve',
    load: (ms, edge, { siteOf }) => (ms >= EVENT_MS && siteOf[edge] === 0 ? 1.5 : USUAL),
    mostLoad: 1.5,
    windowMs: [EVENT_MS, FLEET_UNTIL_MS],
    steps: NONE,
  },
  brownout: {
    story: 'the busiest region serves everything eight times as slowly, and answers',
    load: () => USUAL,
    mostLoad: USUAL,
    windowMs: [EVENT_MS, FLEET_UNTIL_MS],
    steps: atFirstSite((world, e) => world.slow(e, 8)),
  },
  'region-dies': {
    story: 'all endpoints of the busiest region are gone',
    load: () => USUAL,
    mostLoad: USUAL,
    windowMs: [EVENT_MS, FLEET_UNTIL_MS],
    steps: atFirstSite((world, e) => world.turn(e, false)),
  },
  herd: {
    story: 'one endpoint becomes by far the nearest for every edge at once, and can serve a few of them',
    load: () => USUAL,
    mostLoad: USUAL,
    windowMs: [EVENT_MS, FLEET_UNTIL_MS],
    steps: (fleet) => [{ atMs: EVENT_MS, run: (world) => world.network.reroute(improvedOf(fleet), 0.05) }],
  },
  capacity: {
    story: 'the edges of the two busiest regions ask for more than these can serve, all the time',
    load: (_, edge, { siteOf }) => (siteOf[edge]! < 2 ? 1.15 : 0.45),
    mostLoad: 1.15,
    windowMs: [WARM_MS, FLEET_UNTIL_MS],
    steps: NONE,
  },
} satisfies Record<string, FleetScenario>;
export type FleetScenarioName = keyof typeof FLEET_SCENARIOS;

export function fleetScenarioOf(name: string): FleetScenario {
  if (!Object.hasOwn(FLEET_SCENARIOS, name)) {
    throw new RangeError(`no scenario ${name}: expected one of ${Object.keys(FLEET_SCENARIOS).join(', ')}`);
  }
  return FLEET_SCENARIOS[name as FleetScenarioName];
}
