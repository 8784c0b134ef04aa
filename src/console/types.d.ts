// Shapes that the console's modules share, for the checker alone; nothing of this reaches a browser.

import type { DecisionSummary, PoolView as PoolShape } from '../control/live/types.ts';
import type { EndpointStateName, FermatEvent, FleetView, NodeView, RouteView } from '../control/types.ts';
import type { store } from './store.js';

export type { FermatEvent, FleetView, NodeView, RouteView };
export type Decision = DecisionSummary;
export type State = EndpointStateName;

export interface LatLon {
  readonly latDeg: number;
  readonly lonDeg: number;
}

/** What is told of an endpoint once, in `hello`. */
export interface EndpointFacts {
  readonly index: number;
  readonly id: string;
  readonly pool: string;
  readonly url: string;
  readonly via?: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly source: string | null;
}

/** And what changes. Times in ms; unknown is null. */
export interface Endpoint extends EndpointFacts {
  state: State;
  why: string;
  since: string;
  rps: number;
  errorsPerSecond: number;
  inflight: number;
  networkMs: number | null;
  serverMs: number | null;
  scoreMs: number | null;
  /** 0…1 of its pool's requests. */
  share: number;
  requests: number;
  failures: number;
  /** Oldest first; a step is `store.historyStepMs`. */
  history: { rttMs: (number | null)[]; scoreMs: (number | null)[] };
  /** Grows with every change of `history`. */
  historyVersion: number;
}

/** Its numbers change with each tick. */
export type PoolView = { -readonly [K in keyof PoolShape]: PoolShape[K] };

export interface Totals {
  requestsPerSecond: number;
  errorsPerSecond: number;
  inflight: number;
  p50Ms: number | null;
  p99Ms: number | null;
}

/** Parallel arrays, oldest first; `at` in seconds since 1970. */
export interface TotalsHistory {
  readonly at: number[];
  readonly requestsPerSecond: number[];
  readonly errorsPerSecond: number[];
  readonly inflight: number[];
  readonly p50Ms: (number | null)[];
  readonly p99Ms: (number | null)[];
}

export type EndpointNumbers = [
  index: number,
  requestsPerSecond: number,
  errorsPerSecond: number,
  inflight: number,
  networkMs: number | null,
  serverMs: number | null,
  scoreMs: number | null,
  share: number,
  requests: number,
  failures: number,
];

export interface Tick {
  readonly at: string;
  readonly ready: string | null;
  readonly totals: Totals;
  readonly endpoints: EndpointNumbers[];
  readonly states: [index: number, state: State, why: string, since: string][];
  readonly countries: [code: string, requestsPerSecond: number][];
  readonly pools: [name: string, requestsPerSecond: number, inflight: number, healthy: number][];
}

export interface Hello {
  readonly node: NodeView;
  readonly ready: string | null;
  readonly pools: PoolView[];
  readonly routes: RouteView[];
  readonly fleet: FleetView;
  readonly endpoints: EndpointFacts[];
  readonly states: Tick['states'];
  readonly tick: Tick;
  readonly history: {
    readonly stepMs: number;
    readonly endAt: string;
    readonly rttMs: (number | null)[][];
    readonly scoreMs: (number | null)[][];
  };
  readonly decisions: Decision[];
  readonly events: FermatEvent[];
}

export interface Context {
  readonly store: typeof store;
  readonly api: typeof import('./api.js');
  readonly query: URLSearchParams;
  /** After the route's name, decoded. */
  readonly rest: string;
  navigate(hash: string): void;
}

export interface View {
  unmount(): void;
  /** The same view with another rest or query; without it, it is mounted anew. */
  update?(context: Context): void;
}
