// What a Snapshot says of pools and their endpoints: how one is picked, how long it may take, and what is believed of it.
// Others import it from snapshot.ts, which has the whole.

export const POLICIES = [
  'fastest',
  'peak-ewma',
  'least-request',
  'random-two',
  'round-robin',
  'weighted',
  'nearest',
  'hash',
] as const;
export type PolicyName = (typeof POLICIES)[number];

/** What stickiness or the policy `hash` goes by. Header names lower case. */
export type HashOn = { readonly kind: 'client' } | { readonly kind: 'header' | 'cookie'; readonly name: string };

export interface PoolSpec {
  /** Metric identity, as in RouteSpec. */
  readonly uid: number;
  readonly name: string;
  /** Indexes into Snapshot.endpoints. */
  readonly endpoints: readonly number[];
  /** Index into Snapshot.rows: the pool as a whole; the pool's own index. */
  readonly row: number;
  readonly policy: PolicyName;
  readonly bandRatio: number; // bandPercent / 100
  readonly bandMs: number;
  readonly exploreRatio: number; // explorePercent / 100
  readonly hashOn: HashOn | null;
  /** rho: ms that a USD per million requests is worth. */
  readonly millisPerUsdPerMillion: number;
  readonly slowStartMs: number;
  readonly whenAllDown: 'try' | 'fail';
  readonly timeouts: TimeoutsSpec;
  readonly retry: RetrySpec;
  /** null = no second attempt beside the first. */
  readonly hedge: HedgeSpec | null;
  readonly outlier: OutlierSpec;
  readonly connectionsPerEndpoint: number;
  /** In flight in the pool, waiting ones included; 0 = no limit. */
  readonly requests: number;
  /** Sent to one endpoint at once; 0 = no limit, auto = found out (core/gradient.ts). */
  readonly requestsPerEndpoint: number | 'auto';
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly tls: TlsSpec;
  /** Connections to its endpoints begin with a PROXY header that names the client. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
}

/** All in milliseconds. `totalMs` and `connectionAgeMs` 0 = none. */
export interface TimeoutsSpec {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly bodyIdleMs: number;
  readonly tunnelIdleMs: number;
  readonly idleMs: number;
  readonly connectionAgeMs: number;
  readonly totalMs: number;
}

export interface RetrySpec {
  readonly attempts: number;
  readonly onConnect: boolean;
  readonly onReset: boolean;
  readonly onTimeout: boolean;
  /** Received status codes that are tried again elsewhere. */
  readonly onStatus: readonly number[];
  readonly methods: readonly string[];
  readonly budgetRatio: number; // budgetPercent / 100
  readonly budgetMin: number; // per second
}

export interface HedgeSpec {
  /** An answer later than this part of the answers is late; 0…1. */
  readonly quantile: number;
  readonly budgetRatio: number; // budgetPercent / 100
}

export interface OutlierSpec {
  readonly consecutive: number;
  readonly intervalMs: number;
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectedRatio: number;
}

/** PEM texts, read by the control plane; null = the system's or none. */
export interface TlsSpec {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly serverName: string | null;
  readonly verify: boolean;
}

export interface LatLon {
  readonly latDeg: number;
  readonly lonDeg: number;
}

export interface EndpointSpec {
  /** Metric identity: index of the id among all endpoint ids ever seen by this process. */
  readonly uid: number;
  readonly id: string;
  readonly url: string;
  /** Stable while the endpoint stays; reused only after every worker has let go of it. */
  readonly slot: number;
  /** Counts up with every reuse of the slot; checked when an exchange settles. */
  readonly generation: number;
  readonly scheme: 'http' | 'https' | 'h2c' | 'h2';
  /** Name or address to connect to; '' for a UNIX socket. No brackets around IPv6. */
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | null;
  /** host[:port] for `hostHeader: endpoint`. */
  readonly authority: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly weight: number;
  /** Requests per second it can take; 0 = unknown. */
  readonly capacity: number;
  readonly egressUsdPerGb: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The way leads over another edge: host, port and scheme are that edge's. Absent = it is direct. */
  readonly via?: ViaSpec;
}

export interface ViaSpec {
  /** Id of the edge. */
  readonly peer: string;
  /** The endpoint itself: its id, and its index in `Snapshot.endpoints`. */
  readonly endpoint: string;
  readonly target: number;
  /** Name of the pool. */
  readonly pool: string;
  /** What a hop calls the endpoint. */
  readonly key: string;
  /** The operator's price of a request that goes this way, ms. */
  readonly costMs: number;
}
