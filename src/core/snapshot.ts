// A Snapshot is the structure that both planes agree on: what is listened to, which routes lead to which pools, which
// endpoint sits in which slot. The control plane builds it whole and swaps it whole; nothing in it ever changes. The
// numbers (scores, health) live in the table buffer it owns, and change on every tick (core/table.ts).
// Everything here survives a structured clone: plain data and shared buffers only.

import type { AccessLogSpec } from './access-log.ts';
import type { LocalitySpec, RateLimitSpec } from './keyed.ts';
import type { EndpointSpec, PoolSpec, TlsSpec } from './pool.ts';
import type { TracingSpec } from './trace.ts';

export type { AccessLogSpec } from './access-log.ts';
export type { KeySpec, LocalitySpec, RateLimitSpec } from './keyed.ts';
export {
  type EndpointSpec,
  type HashOn,
  type HedgeSpec,
  type LatLon,
  type OutlierSpec,
  POLICIES,
  type PolicyName,
  type PoolSpec,
  type RetrySpec,
  type TimeoutsSpec,
  type TlsSpec,
  type ViaSpec,
} from './pool.ts';

/** No slot, no route, no candidate: what a look-up answers instead of an index. */
export const NONE = -1;
/** Slots on the board, and so endpoints per node, at most. */
export const MAX_SLOTS = 4096;
/** Worker threads, and so lanes, at most. */
export const MAX_LANES = 64;

export interface Snapshot {
  /** Counts up by one with every structural change. */
  readonly version: number;
  /** Owned by this Snapshot alone, so that a new table is never read with an old structure. Layout: core/table.ts. */
  readonly table: SharedArrayBuffer;
  readonly lanes: number;
  readonly nodeId: string;
  readonly listeners: readonly ListenerSpec[];
  readonly routes: readonly RouteSpec[];
  readonly pools: readonly PoolSpec[];
  /** What is picked from. Row i is pool i as a whole; rows for routes with a residency follow. */
  readonly rows: readonly RowSpec[];
  /** Every endpoint of every pool, once. `PoolSpec.endpoints` holds indexes into it. */
  readonly endpoints: readonly EndpointSpec[];
  readonly limits: LimitsSpec;
  /** CIDRs, canonical; IPv4-mapped addresses already turned into IPv4. */
  readonly trustedProxies: readonly string[];
  readonly drainDelayMs: number;
  readonly drainTimeoutMs: number;
  readonly access: AccessFormat;
  /** What it says besides; null or absent = nothing is written. */
  readonly accessLog?: AccessLogSpec | null;
  /** Ways over other edges; null or absent = none. */
  readonly overlay?: OverlaySpec | null;
  /** null or absent = no request is traced. */
  readonly tracing?: TracingSpec | null;
}

export type AccessFormat = 'off' | 'json' | 'combined';

export interface ListenerSpec {
  /** Metric identity: index of the name among all listener names ever seen by this process. */
  readonly uid: number;
  readonly name: string;
  /** Exactly one of `host`+`port` and `path` (a UNIX socket) is meaningful. `host` '' = all addresses. */
  readonly host: string;
  readonly port: number;
  readonly path: string | null;
  /** Whether connections begin with a PROXY header (v1 or v2): must not, must, may. */
  readonly proxyProtocol: 'off' | 'required' | 'optional';
  /** null = plain text. */
  readonly tls: TlsListenerSpec | null;
  /** Other edges connect here, and nobody else is served. */
  readonly isForPeers?: true;
}

/** TLS towards clients. PEM texts, read by the control plane. */
export interface TlsListenerSpec {
  /** Chosen by SNI; the first one where none fits, or the client names no host. At least one. */
  readonly certificates: readonly CertificateSpec[];
  readonly minVersion: '1.2' | '1.3';
  /** Clients must present a certificate that it signed; null = none is asked for. */
  readonly clientCa: string | null;
  /** In our order of preference. */
  readonly alpn: readonly ('h2' | 'http/1.1')[];
}

export interface CertificateSpec {
  readonly cert: string;
  readonly key: string;
  /** Lower case; DNS names (`*.` for wildcards) and addresses of its subjectAltName. */
  readonly names: readonly string[];
  /** Wall clock, ms. */
  readonly expiresAtMs: number;
}

export interface LimitsSpec {
  readonly requestLineBytes: number;
  readonly headBytes: number;
  readonly headers: number;
  /** 0 = no limit. */
  readonly bodyBytes: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Per node; 0 = by file descriptors. */
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** In flight, per node and per client; 0 = no limit. */
  readonly requests: number;
  readonly requestsPerClient: number;
  /** Of the process; 0 = what its control group allows, if it has one. */
  readonly memoryBytes: number;
  /** Delay of a worker's event loop from which low routes are shed; 0 = never. */
  readonly loopDelayMs: number;
}

/** Endpoints of one pool that are ranked together and picked from. */
export interface RowSpec {
  /** Index into Snapshot.pools. */
  readonly pool: number;
  /** Positions in PoolSpec.endpoints, ascending; those outside are never candidates. */
  readonly members: readonly number[];
  /** Countries and region names that all members are in; empty = anywhere. */
  readonly residency: readonly string[];
  /** The region or cloud that all members are in; absent = anywhere. */
  readonly place?: string;
  /** Whether ways over other edges are among the members; absent = off. */
  readonly overlay?: OverlayMode;
}

/** Of a route: whether its requests may go over another edge: never, where the direct path is down, or where that is faster. */
export const OVERLAY_MODES = ['off', 'failover', 'fastest'] as const;
export type OverlayMode = (typeof OVERLAY_MODES)[number];

/** What this node has to do with other edges. */
export interface OverlaySpec {
  /** Name of the listener that belongs to peers alone. */
  readonly listener: string;
  /** `node.id` of this edge, which signatures are for. */
  readonly self: string;
  /** Ids of the peers that are believed on it. */
  readonly peers: readonly string[];
  /** Towards peers; null = plain connections. */
  readonly tls: Pick<TlsSpec, 'ca' | 'cert' | 'key'> | null;
  /** Hops are signed with it; null = the certificates alone say who is who. */
  readonly secret: string | null;
  /** Believed as well; null = none is. */
  readonly otherSecret: string | null;
  /** Signatures that were seen (core/overlay/replays.ts); null without a secret. */
  readonly replays: SharedArrayBuffer | null;
  /** Endpoints that peers may send requests to, by what a hop calls them → index into `Snapshot.endpoints`. */
  readonly served: Readonly<Record<string, number>>;
  /** Metric identity of what peers send: it is counted as a route of this name. */
  readonly routeUid: number;
}

export interface RouteSpec {
  /** Metric identity: index of the name among all route names ever seen by this process. */
  readonly uid: number;
  readonly name: string;
  /** Lower case; null = any; '*.example.com' = a suffix with at least one more label. */
  readonly host: string | null;
  /** Normalised; a prefix on segment boundaries, or the whole path when `exact`. */
  readonly path: string;
  readonly exact: boolean;
  /** Listener name, or null for every listener. */
  readonly listener: string | null;
  /** Index into Snapshot.pools, or NONE when `respond` answers. */
  readonly pool: number;
  /** Index into Snapshot.rows: where its picks are made; NONE when `respond` answers. */
  readonly row: number;
  /** redirect = 307 to the chosen endpoint, ranked from the client's place. */
  readonly mode: 'forward' | 'redirect';
  readonly residency: readonly string[];
  /** Absent = off. */
  readonly overlay?: OverlayMode;
  readonly respond: RespondSpec | null;
  readonly stripPrefix: boolean;
  readonly hostHeader:
    | { readonly kind: 'preserve' | 'endpoint' }
    | { readonly kind: 'literal'; readonly value: string };
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
  readonly serverTiming: boolean;
  /** Under overload low routes are turned away first, high ones last. */
  readonly priority: Priority;
  /** Codings that answers may be compressed with, in our order of preference; empty = as they are. */
  readonly compress: readonly CompressCoding[];
  /** All must let a request through. */
  readonly rateLimits: readonly RateLimitSpec[];
  /** null = requests go anywhere. */
  readonly locality: LocalitySpec | null;
}

/** In the order in which they are shed. */
export const PRIORITIES = ['low', 'normal', 'high'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const COMPRESS_CODINGS = ['zstd', 'br', 'gzip'] as const;
export type CompressCoding = (typeof COMPRESS_CODINGS)[number];

/** `set` replaces, `remove` drops; names lower case in `remove`, as written in `set`. */
export interface HeaderEdits {
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export interface RespondSpec {
  readonly status: number;
  readonly body: string;
  /** For 301/302/307/308; `${host}` and `${uri}` stand for the request's. */
  readonly location: string | null;
}
