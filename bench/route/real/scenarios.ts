// What happens to the origins, and when. One steady stretch first, then the event; what is counted begins with the event
// itself, so that the time a proxy needs to notice is in its figures.

import { type Fleet, SERVICE_MS, WORKERS } from './fleet.ts';

/** Until the event: a proxy has found its feet, and its connections are open. ms */
export const WARM_MS = 4000;
/** Counted, from the event on, unless a scenario says otherwise. ms */
export const COUNTED_MS = 15_000;
/** From kill -9 to the new process. ms */
const DEAD_MS = 4000;

/** The place that all events befall. */
const NEAREST = 0;
/** Requests a second that one origin can serve. */
const CAPACITY_PER_S = (WORKERS * 1000) / SERVICE_MS;

export interface Event {
  /** ms after the load began. */
  readonly atMs: number;
  readonly does: (fleet: Fleet) => Promise<void>;
}

export interface Scenario {
  /** One line for the table's head. */
  readonly story: string;
  readonly events: readonly Event[];
  /** Of the nearest origin's capacity, from the event on; before it the usual rate. */
  readonly spike?: number;
  /** Where nothing happens later that would need more. */
  readonly countedMs?: number;
}

export const SCENARIOS = {
  steady: { story: 'nothing happens', events: [], countedMs: 10_000 },
  brownout: {
    story: 'the nearest takes 8 times as long',
    events: [{ atMs: WARM_MS, does: (fleet) => fleet.change(NEAREST, { slowdown: 8 }) }],
  },
  route: {
    story: 'the way to the nearest grows from 10 to 90 ms',
    events: [{ atMs: WARM_MS, does: (fleet) => fleet.change(NEAREST, { networkMs: 90 }) }],
  },
  fast503: {
    story: 'the nearest answers 30 % with a quick 503',
    events: [{ atMs: WARM_MS, does: (fleet) => fleet.change(NEAREST, { failing: 0.3 }) }],
  },
  spike: { story: 'load of 150 % of what the nearest can serve', events: [], spike: 1.5, countedMs: 10_000 },
  kill: {
    story: `kill -9 of the nearest; back after ${DEAD_MS / 1000} s`,
    events: [
      { atMs: WARM_MS, does: (fleet) => fleet.kill(NEAREST) },
      { atMs: WARM_MS + DEAD_MS, does: (fleet) => fleet.revive(NEAREST) },
    ],
  },
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof SCENARIOS;

/** Requests per second by time. */
export function stepsOf(scenario: Scenario, perSecond: number): { fromMs: number; perSecond: number }[] {
  const before = { fromMs: 0, perSecond };
  return scenario.spike ? [before, { fromMs: WARM_MS, perSecond: scenario.spike * CAPACITY_PER_S }] : [before];
}
