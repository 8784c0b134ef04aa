// The configuration once it is valid: units in the names, addresses canonical, files read. What the registry turns into
// a Snapshot and what main.ts starts from. The form people write is schema.ts; how one becomes the other, build.ts.

import type {
  AccessFormat,
  EndpointSpec,
  LatLon,
  LimitsSpec,
  ListenerSpec,
  LocalitySpec,
  PoolSpec,
  RateLimitSpec,
  RouteSpec,
} from '../../core/snapshot.ts';
import type { DiscoverSpec } from '../discovery/spec.ts';
import type { ProbeSpec } from '../types.ts';
import type { OverlayConfig } from './overlay.ts';
import type { RedisConfig } from './redis.ts';
import type { FileConfig } from './schema.ts';
import type { AccessLogConfig } from './schema-logging.ts';
import type { TracingConfig } from './tracing.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  readonly node: NodeConfig;
  /** 1 … MAX_LANES; `auto` already resolved. Takes effect at start only. */
  readonly workers: number;
  readonly listeners: readonly ListenerConfig[];
  /** CIDRs, canonical. */
  readonly trustedProxies: readonly string[];
  readonly limits: LimitsSpec;
  /** Absolute paths; empty = the bundled databases. */
  readonly geoipDatabases: readonly string[];
  readonly pools: readonly PoolConfig[];
  readonly routes: readonly RouteConfig[];
  /** null = this edge has nothing to do with others. */
  readonly overlay: OverlayConfig | null;
  readonly state: { readonly redis: RedisConfig | null };
  readonly admin: AdminConfig;
  readonly shutdown: { readonly drainDelayMs: number; readonly timeoutMs: number };
  readonly logging: { readonly level: LogLevel; readonly access: AccessFormat; readonly accessLog: AccessLogConfig };
  /** null = no request is traced. */
  readonly tracing: TracingConfig | null;
  /** What is odd but can be used all the same: certificates that have expired. Sentences. */
  readonly warnings: readonly string[];
  /** What all of the above came from, defaults filled in, in the form of the file. Holds secrets: show it through redact(). */
  readonly effective: FileConfig;
}

export interface NodeConfig {
  readonly id: string;
  readonly region: string | null;
  /** As given, else the region's, else null. */
  readonly location: LatLon | null;
  /** Name servers for endpoints, `ADDRESS` or `ADDRESS:PORT`; empty = the system's. */
  readonly resolvers: readonly string[];
}

export interface AdminConfig {
  /** null = no admin listener. `host` '' = all addresses. */
  readonly address: { readonly host: string; readonly port: number } | null;
  readonly token: string | null;
}

export type ListenerConfig = Omit<ListenerSpec, 'uid'>;

/** `location` is the explicit one or the region's; GeoIP is the registry's business. */
export type EndpointConfig = Omit<EndpointSpec, 'uid' | 'slot' | 'generation'>;

export interface PoolConfig extends Omit<PoolSpec, 'uid' | 'row' | 'endpoints'> {
  readonly endpoints: readonly EndpointConfig[];
  readonly probe: ProbeSpec;
  /** Where more endpoints are found. Holds secrets. */
  readonly discover: readonly DiscoverSpec[];
}

export type RateLimitConfig = Omit<RateLimitSpec, 'index' | 'identity'>;

export interface LocalityConfig extends Omit<LocalitySpec, 'rows' | 'unknownRow'> {
  /** Name of a place; null = any. */
  readonly unknown: string | null;
}

export interface RouteConfig extends Omit<RouteSpec, 'uid' | 'pool' | 'row' | 'rateLimits' | 'locality'> {
  readonly locality: LocalityConfig | null;
  readonly rateLimits: readonly RateLimitConfig[];
  /** Name of a pool; null when `respond` answers. */
  readonly pool: string | null;
}
