// What the proxy itself says about the demo's regions: GET /api/v1/endpoints once a second, counters turned into the share
// of the last seconds. The table shows the product's own numbers, not the demo's guesses.

import type { EndpointView } from '../control/types.ts';
import type { OriginState } from './origin.ts';
import { endpointIdOf, type OriginPlan } from './plan.ts';

/** One region as table and control port show it. Times in ms; null = not known (yet). */
export interface RegionView {
  readonly region: string;
  readonly place: string;
  /** What the demo did to the origin. */
  readonly origin: OriginState;
  /** What was measured between the clouds, and what the proxy measures. */
  readonly matrixMs: number;
  readonly networkMs: number | null;
  readonly scoreMs: number | null;
  /** Of the requests of the last seconds, 0…1. */
  readonly share: number;
  /** The proxy's verdict and its reason. */
  readonly state: string;
  readonly why: string;
}

/** Over how long shares are counted. */
const WINDOW_MS = 4000;
/** Polls are never quite on time; without it a late one would shorten the window by a second. */
const SLACK_MS = 500;

export class Watch {
  readonly #url: string;
  readonly #plans: readonly OriginPlan[];
  readonly #originState: (region: string) => OriginState;
  /** Requests per endpoint id as of some moments of the window, oldest first. */
  readonly #history: { readonly atMs: number; readonly requests: Map<string, number> }[] = [];
  #latest = new Map<string, EndpointView>();

  constructor(adminUrl: string, plans: readonly OriginPlan[], originState: (region: string) => OriginState) {
    this.#url = `${adminUrl}/api/v1/endpoints`;
    this.#plans = plans;
    this.#originState = originState;
  }

  /** Asks the proxy once. Never rejects: when there is no answer, the last one stands. */
  async poll(): Promise<void> {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(900) });
      const endpoints = (await response.json()) as EndpointView[];
      this.#latest = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
      const atMs = performance.now();
      this.#history.push({ atMs, requests: new Map(endpoints.map(({ id, requests }) => [id, requests])) });
      while (this.#history[0]!.atMs < atMs - WINDOW_MS - SLACK_MS) this.#history.shift();
    } catch {
      // It is starting, or ending; main.ts hears of the latter.
    }
  }

  view(): RegionView[] {
    const counts = this.#plans.map((plan) => this.#recentRequests(endpointIdOf(plan.region)));
    const total = counts.reduce((sum, count) => sum + count, 0);
    return this.#plans.map((plan, i) => {
      const endpoint = this.#latest.get(endpointIdOf(plan.region));
      return {
        region: plan.region,
        place: plan.place,
        origin: this.#originState(plan.region),
        matrixMs: plan.rtt.avgMs,
        networkMs: endpoint?.networkMs ?? null,
        scoreMs: endpoint?.scoreMs ?? null,
        share: total > 0 ? counts[i]! / total : 0,
        state: endpoint?.state ?? 'unknown',
        why: endpoint?.why ?? '',
      };
    });
  }

  #recentRequests(id: string): number {
    const first = this.#history[0]?.requests.get(id) ?? 0;
    const last = this.#history.at(-1)?.requests.get(id) ?? 0;
    return Math.max(0, last - first);
  }
}
