// What the parts of the control plane say to each other and to the admin API. Shapes only, no code. The JSON shapes
// (…View) are fixed by CONTRACT.md; fields may be added, none taken away.

import type { LatLon } from '../core/snapshot.ts';
import type { Registered, Registration } from './discovery/registrar.ts';
import type { SourceView } from './discovery/watched.ts';
import type { Evacuation, EvacuationQuery } from './evacuation/types.ts';
import type { ScoreTerms } from './fleet/apart.ts';
import type { LiveApi, PoolView } from './live/types.ts';
import type { LocalityApi } from './locality/api.ts';
import type { PlacedView } from './locality/explained.ts';
import type { Format } from './metrics/page.ts';
import type { PeerView } from './overlay/peers.ts';

/** How the endpoints of a pool are probed; from `pools.NAME.probe`. */
export interface ProbeSpec {
  readonly type: 'http' | 'tcp' | 'grpc';
  /** Of type grpc: what its health service is asked about; '' = the server as a whole. At most 127 bytes. */
  readonly service: string;
  readonly method: string;
  readonly path: string;
  /** Host header; null = the endpoint's authority. */
  readonly host: string | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Inclusive ranges. */
  readonly expectStatus: readonly (readonly [from: number, to: number])[];
  /** Substring of the first 64 KiB of the body; null = anything. */
  readonly expectBody: string | null;
  readonly rise: number;
  readonly fall: number;
}

/** One probe of one endpoint. A phase that did not happen is null. */
export interface ProbeResult {
  readonly ok: boolean;
  /** Monotonic, ms. */
  readonly atMs: number;
  readonly dnsMs: number | null;
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
  /** Request sent → first byte, on a connection that was already open (warm) where there was one. */
  readonly firstByteMs: number | null;
  readonly warm: boolean;
  readonly status: number | null;
  /** Short, for people: `connect ECONNREFUSED`, `status 503`, `no answer in 1s`, `body lacks "ok"`. */
  readonly error: string | null;
  /** What kind of failure: `connect` never counts as alive in a panic. */
  readonly failure: 'dns' | 'connect' | 'tls' | 'timeout' | 'status' | 'body' | 'protocol' | null;
  /** The probing loop itself stalled while it ran: use the verdict, not the times. */
  readonly stalled: boolean;
}

export type EndpointStateName = 'unknown' | 'healthy' | 'unhealthy' | 'ejected' | 'draining';

/** One row of GET /api/v1/endpoints. Wall-clock dates are ISO 8601; times are ms; unknown numbers are null. */
export interface EndpointView {
  readonly id: string;
  readonly pool: string;
  readonly url: string;
  /** The edge that the way leads over; absent = it is direct. */
  readonly via?: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly healthy: boolean;
  readonly state: EndpointStateName;
  readonly why: string;
  readonly since: string;
  readonly lastProbe: {
    readonly at: string;
    readonly ok: boolean;
    readonly status: number | null;
    readonly error: string | null;
    readonly connectMs: number | null;
    readonly firstByteMs: number | null;
  } | null;
  readonly networkMs: number | null;
  readonly serverMs: number | null;
  readonly scoreMs: number | null;
  readonly inflight: number;
  readonly requests: number;
  readonly failures: number;
  readonly requestsPerSecond: number;
  /** Where it was found (`dns:shop.internal`); null = it is typed. */
  readonly source?: string | null;
}

export interface RouteView {
  readonly name: string;
  readonly host: string | null;
  readonly path: string;
  readonly exact: boolean;
  readonly listener: string | null;
  readonly pool: string | null;
  readonly policy: string | null;
  readonly mode: 'forward' | 'redirect';
  /** Countries and region names; empty = anywhere. */
  readonly residency: readonly string[];
  readonly respond: number | null;
}

export interface CandidateView {
  readonly id: string;
  readonly url: string;
  /** The edge that the way leads over; absent = it is direct. */
  readonly via?: string;
  readonly region: string | null;
  readonly healthy: boolean;
  readonly state: EndpointStateName;
  readonly why: string;
  readonly distanceKm: number | null;
  readonly priorMs: number | null;
  readonly networkMs: number | null;
  readonly serverMs: number | null;
  readonly inflight: number;
  readonly errorRatio: number;
  readonly costMs: number;
  readonly scoreMs: number | null;
  /** What adds up to `scoreMs`; null when there is none, and on routes that redirect. */
  readonly terms: ScoreTerms | null;
  readonly role: 'band' | 'overflow' | 'out';
  /** 0…1, computed by the selector's own code. */
  readonly share: number;
}

export interface CohortView {
  readonly key: string;
  readonly country: string | null;
  readonly city: string | null;
  readonly lat: number | null;
  readonly lon: number | null;
}

/** Answer of GET /api/v1/explain. */
export interface Explanation {
  readonly route: string;
  readonly pool: string | null;
  readonly policy: string | null;
  readonly mode: 'forward' | 'redirect';
  /** Countries and region names that all candidates are in; empty = anywhere. */
  readonly residency: readonly string[];
  readonly cohort: CohortView;
  readonly candidates: readonly CandidateView[];
  readonly chosen: string | null;
  /** Where the data of the key is, on routes that go by it. */
  readonly locality?: PlacedView;
  /** Why there is no choice, or what was special (panic, respond route); null = the plain case. */
  readonly note: string | null;
}

export interface ExplainQuery {
  /** Whose data the request is about, on routes that go by it. */
  readonly key?: string | null;
  readonly client: string;
  readonly host: string | null;
  readonly path: string;
  readonly method: string;
}

/** Something worth telling: a change of state, a reload, a worker's death. Goes to the log, the SSE stream and the console. */
export interface FermatEvent {
  readonly at: string;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Dotted, stable: `endpoint.state`, `config.reload`, `worker.exit`, `geoip.replaced`, `node.ready`, … */
  readonly type: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** One owner of events; `subscribe` gives the function that ends the subscription. */
export interface EventLog {
  emit(level: FermatEvent['level'], type: string, message: string, fields?: Record<string, unknown>): void;
  subscribe(listener: (event: FermatEvent) => void): () => void;
  /** The last few hundred, oldest first. */
  recent(): readonly FermatEvent[];
}

/** A refusal with a stable code, for the admin API: `{"error":{"code","message"}}`. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** HTTP status. */
  readonly status: number;
}

export interface ReloadResult {
  readonly ok: boolean;
  readonly version: number;
  /** `file:line:col path: what` lines when it failed. */
  readonly problems: readonly string[];
}

/** Answer of POST /api/v1/replace. */
export interface ReplaceResult {
  readonly ok: boolean;
  /** `refused`: not now, or not here. `config_invalid`: the successor's configuration does not validate. */
  readonly code: 'replaced' | 'refused' | 'config_invalid' | 'failed';
  /** The successor's; null = there is none. */
  readonly pid: number | null;
  readonly version: string | null;
  /** How long it took to be ready. */
  readonly readyMs: number | null;
  /** Why there is none. */
  readonly problems: readonly string[];
}

/** What the admin API and the commands may ask of a running node. Implemented by main.ts. */
export interface ControlApi {
  readonly startedAt: string;
  /** null when ready; else why not (`starting`, `draining`, …). */
  notReadyBecause(): string | null;
  endpoints(): readonly EndpointView[];
  routes(): readonly RouteView[];
  /** Where endpoints are looked for, and what is known of it. */
  discovery(): readonly SourceView[];
  /** An endpoint says that it is there, or that it leaves. */
  register(request: Registration): Registered | Refusal;
  /** Effective configuration, secrets redacted. */
  config(): unknown;
  explain(query: ExplainQuery): Explanation | Refusal;
  /** Sampled decisions, newest first: decisions/record.ts. */
  decisions(query: {
    readonly limit?: number;
    readonly pool?: string;
    readonly endpoint?: string;
  }): readonly unknown[] | Promise<readonly unknown[]>;
  /** The whole of one; null when it is not kept any more. */
  decision(id: string): unknown;
  pools(): readonly PoolView[];
  readonly live: LiveApi;
  /** Where requests would go without some endpoints. */
  evacuation(query: EvacuationQuery): Promise<Evacuation | Refusal>;
  readonly events: EventLog;
  reload(why: string): Promise<ReloadResult>;
  /** A hot restart: resolves when the successor serves, or when there will be none. */
  replace(why: string): Promise<ReplaceResult>;
  /** null = done. */
  drain(endpointId: string): Refusal | null;
  enable(endpointId: string): Refusal | null;
  /** The Prometheus exposition. */
  /** The exposition; text 0.0.4 unless said otherwise. */
  metrics(format?: Format): Promise<Uint8Array<ArrayBuffer> | string>;
  node(): NodeView;
  /** Directories of where data is; absent = it has none. */
  readonly locality?: LocalityApi;
  /** The other nodes, as heard through Redis. */
  fleet(): FleetView;
}

/** GET /api/v1/fleet: who else is there, and how they are heard. */
export interface FleetView {
  readonly redis: {
    readonly configured: boolean;
    readonly up: boolean;
    /** Messages of others are heard. */
    readonly listening: boolean;
    readonly receivedBytesPerS: number;
    readonly sentBytesPerS: number;
  };
  /** `instance` changes with every start. */
  readonly self: Pick<FleetNodeView, 'node' | 'instance' | 'region' | 'location'>;
  /** The nearest first. */
  readonly nodes: readonly FleetNodeView[];
}

export interface FleetNodeView {
  readonly node: string;
  readonly instance: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  /** Since it was last heard of. */
  readonly ageMs: number;
  readonly intervalMs: number;
  /** It told of so many. */
  readonly endpoints: number;
  readonly distanceKm: number | null;
  /** Its network is ours: the same region, or next to it. */
  readonly isNear: boolean;
}

/** GET /api/v1/node: who and where this is; for the console and `status`. */
export interface NodeView {
  readonly id: string;
  /** Changes with a hot restart. */
  readonly pid: number;
  readonly version: string;
  readonly node: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly workers: number;
  readonly listeners: readonly { readonly name: string; readonly url: string }[];
  readonly geoip: { readonly source: string; readonly built: string | null } | null;
  readonly snapshotVersion: number;
  /** Why requests are turned away now; [] = none is. Names of `fermat_shed_total{reason}`. */
  readonly shedding: readonly string[];
  /** Other edges that requests may go over; absent = none is configured. */
  readonly peers?: readonly PeerView[];
  readonly startedAt: string;
}
