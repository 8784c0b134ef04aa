// Which endpoints a node tells of this time: those that differ from what it told last by more than their noise, the most
// changed first, as many as there is room for. So the traffic of a fleet has a bound, whatever its size.

import type { SharedEndpoint } from './digest.ts';

export interface Taken {
  readonly endpoints: readonly SharedEndpoint[];
  /** Nothing that changed was left out. */
  readonly isComplete: boolean;
}

/** Nothing else is as urgent. */
const NEWS = Number.POSITIVE_INFINITY;
/** A difference below 1 is noise. */
const NOISE = 1;
/** A time has changed when it differs by this part and this many ms. */
const TIME_RATIO = 0.2;
const TIME_MS = 0.5;
const RATE_RATIO = 0.25;
const ERROR_STEP = 0.02;

export class Changes {
  readonly #told = new Map<number, SharedEndpoint>();

  /** Everything is told anew. */
  takeAll(endpoints: readonly SharedEndpoint[]): Taken {
    this.#told.clear();
    for (const endpoint of endpoints) this.#told.set(endpoint.key, endpoint);
    return { endpoints, isComplete: true };
  }

  /** At most `most`. O(endpoints · log). */
  take(endpoints: readonly SharedEndpoint[], most: number): Taken {
    const changed: { readonly endpoint: SharedEndpoint; readonly by: number }[] = [];
    for (const endpoint of endpoints) {
      const by = differenceOf(this.#told.get(endpoint.key), endpoint);
      if (by >= NOISE) changed.push({ endpoint, by });
    }
    const isComplete = changed.length <= most;
    if (!isComplete) changed.sort((a, b) => (a.by === b.by ? 0 : b.by - a.by));
    const taken = changed.slice(0, most).map(({ endpoint }) => endpoint);
    for (const endpoint of taken) this.#told.set(endpoint.key, endpoint);
    return { endpoints: taken, isComplete };
  }
}

/** In units of what is noise. */
function differenceOf(told: SharedEndpoint | undefined, now: SharedEndpoint): number {
  if (told === undefined || told.state !== now.state) return NEWS;
  return Math.max(
    timeChange(told.networkMs, now.networkMs),
    timeChange(told.serverMs, now.serverMs),
    timeChange(told.baseMs, now.baseMs),
    // Requests come by chance: Poisson.
    Math.abs(now.inflight - told.inflight) / (2 * Math.sqrt(told.inflight) + 2),
    Math.abs(now.perS - told.perS) / (RATE_RATIO * told.perS + 1),
    Math.abs(now.errorRatio - told.errorRatio) / ERROR_STEP,
    now.samples >= told.samples * 2 + 4 ? NOISE : 0,
  );
}

function timeChange(toldMs: number, nowMs: number): number {
  if (Number.isNaN(toldMs)) return Number.isNaN(nowMs) ? 0 : NEWS;
  if (Number.isNaN(nowMs)) return NOISE;
  return Math.abs(nowMs - toldMs) / (TIME_RATIO * toldMs + TIME_MS);
}
