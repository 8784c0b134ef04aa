// From a Config to a Snapshot, keeping identities: an endpoint that stays keeps its slot and generation over any number of
// reloads, and what was ever named keeps its uid. Slots are few and reused, uids are many and never: statistics live by slot,
// metrics by uid (slots.ts, numbers.ts; rows.ts says what is picked from). Nothing here is known to the workers.

import { MAX_RATE_RULES } from '../core/limit/table.ts';
import {
  type AccessLogSpec,
  type EndpointSpec,
  type LatLon,
  MAX_LANES,
  NONE,
  type PoolSpec,
  type RateLimitSpec,
  type RouteSpec,
  type RowSpec,
  type Snapshot,
} from '../core/snapshot.ts';
import { newTable, shapeOf } from '../core/table.ts';
import type { Config, EndpointConfig, PoolConfig, RateLimitConfig, RouteConfig } from './config/config.ts';
import { isPlacedByGeo } from './config/residency.ts';
import { NameList, type Names, Numbers } from './numbers.ts';
import { modeOf, overlayListener, overlaySpec, type Relay, relayEndpoint, relaysOf } from './overlay/compile.ts';
import { localityOf, Rows } from './rows.ts';
import { type Assigned, Slots } from './slots.ts';
import type { ProbeSpec } from './types.ts';

export interface Compiled {
  readonly snapshot: Snapshot;
  /** By name of the pool. */
  readonly probes: ReadonlyMap<string, ProbeSpec>;
  readonly names: Names;
  /** What the configuration asks for and cannot be given, or only by a restart. For the log. */
  readonly warnings: readonly string[];
}

export interface RegistryOptions {
  /** Worker threads there are. 1 … MAX_LANES; they stay as many whatever a later configuration says. */
  readonly lanes: number;
  /** Place of an address by GeoIP, for endpoints that say none. */
  readonly locate?: (ip: string) => LatLon | null;
  /** Country of an address by GeoIP, for the same ones: residency rules ask for it. */
  readonly countryOf?: (ip: string) => string | null;
  /** What workers write of requests, and where they put it. */
  readonly accessLog?: (logging: Config['logging']) => AccessLogSpec | null;
}

export class Registry {
  readonly #lanes: number;
  readonly #locate: (ip: string) => LatLon | null;
  readonly #countryOf: (ip: string) => string | null;
  readonly #accessLog: NonNullable<RegistryOptions['accessLog']>;
  readonly #slots = new Slots();
  readonly #routes = new NameList();
  readonly #endpoints = new NameList();
  readonly #pools = new NameList();
  readonly #listeners = new NameList();
  readonly #limits = new Numbers(MAX_RATE_RULES);
  /** Of the last Snapshot that had some. */
  #replays: SharedArrayBuffer | null = null;
  #version = 0;
  /** What the first configuration asked for: the lanes may be fewer where ports cannot be shared. */
  #workers: number | null = null;

  constructor(options: RegistryOptions) {
    if (!Number.isInteger(options.lanes) || options.lanes < 1 || options.lanes > MAX_LANES) {
      throw new RangeError(`expected 1 to ${MAX_LANES} lanes, got ${options.lanes}`);
    }
    this.#lanes = options.lanes;
    this.#locate = options.locate ?? (() => null);
    this.#countryOf = options.countryOf ?? (() => null);
    this.#accessLog = options.accessLog ?? (() => null);
  }

  /**
   * The next Snapshot, version one higher than the last. O(endpoints). Throws a RangeError, with nothing changed, when the
   * slots that older Snapshots still use leave no room: `quiet` makes some. A Snapshot that is never published does no
   * harm: what it left out gets its slots back with the next one.
   */
  compile(config: Config): Compiled {
    const version = this.#version + 1;
    const { relays, missing } = relaysOf(config);
    const firsts = firstsOf(config.pools);
    const all = [
      ...config.pools.flatMap((pool) => pool.endpoints.map((endpoint) => ({ pool, endpoint }))),
      ...relays.map((relay) => pathOf(relay, config.pools, firsts)),
    ];
    const slots = this.#slots.assign(
      all.map(({ pool, endpoint }) => keyOf(pool, endpoint)),
      version,
    );
    this.#version = version;
    const endpoints = all.map(({ endpoint }, i) => this.#endpointOf(endpoint, slots[i]!));
    const behind = all.length - relays.length;
    const pools = config.pools.map((pool, row) => {
      const over = relays.flatMap((relay, i) => (relay.pool === row ? [behind + i] : []));
      return this.#poolOf(pool, row, [...pool.endpoints.map((_, i) => firsts[row]! + i), ...over]);
    });
    const indexOfPool = new Map(config.pools.map(({ name }, i) => [name, i]));
    const rows = new Rows(config.pools, relays, this.#countryOf);
    this.#limits.begin();
    const routes = config.routes.map((route) => this.#routeOf(route, indexOfPool, rows));
    const overlay = overlaySpec(config, firsts, this.#routes, this.#replays);
    this.#replays = overlay?.replays ?? null;
    const listeners =
      config.overlay === null ? config.listeners : [...config.listeners, overlayListener(config.overlay)];
    const structure: Omit<Snapshot, 'table'> = {
      version,
      lanes: this.#lanes,
      nodeId: config.node.id,
      listeners: listeners.map((listener) => ({ ...listener, uid: this.#listeners.uidOf(listener.name) })),
      routes,
      pools,
      rows: rows.specs,
      endpoints,
      limits: config.limits,
      trustedProxies: config.trustedProxies,
      drainDelayMs: config.shutdown.drainDelayMs,
      drainTimeoutMs: config.shutdown.timeoutMs,
      access: config.logging.access,
      accessLog: this.#accessLog(config.logging),
      overlay,
      tracing: config.tracing?.spec ?? null,
    };
    return {
      snapshot: { ...structure, table: newTable(shapeOf(structure)) },
      probes: new Map(config.pools.map(({ name, probe }) => [name, probe])),
      names: this.#names(),
      warnings: [
        ...config.warnings,
        ...this.#warningsOf(config),
        ...warningsOf(routes, rows.specs),
        ...tooMany(missing),
      ],
    };
  }

  /** No worker uses a Snapshot older than `version` any more: slots that were left by then may be used again. */
  quiet(version: number): void {
    this.#slots.release(version);
  }

  #endpointOf(endpoint: EndpointConfig, { slot, generation }: Assigned): EndpointSpec {
    return {
      ...endpoint,
      uid: this.#endpoints.uidOf(endpoint.id),
      slot,
      generation,
      location: endpoint.via === undefined && isPlacedByGeo(endpoint) ? this.#locate(endpoint.host) : endpoint.location,
    };
  }

  #poolOf({ probe: _, discover: __, ...pool }: PoolConfig, row: number, endpoints: readonly number[]): PoolSpec {
    return { ...pool, uid: this.#pools.uidOf(pool.name), endpoints, row };
  }

  #routeOf(route: RouteConfig, indexOfPool: ReadonlyMap<string, number>, rows: Rows): RouteSpec {
    const pool = route.pool === null ? NONE : indexOfPool.get(route.pool);
    if (pool === undefined) throw new TypeError(`expected a checked configuration, got a route to pool ${route.pool}`);
    const row = pool === NONE ? NONE : rows.of(pool, route.residency, modeOf(route));
    const rateLimits = route.rateLimits.map((limit) => this.#limitOf(route.name, limit));
    const locality = localityOf(route, pool, rows);
    return { ...route, uid: this.#routes.uidOf(route.name), pool, row, rateLimits, locality };
  }

  /** Its numbers are part of its identity: by other numbers it is another limit, which begins anew. */
  #limitOf(route: string, limit: RateLimitConfig): RateLimitSpec {
    const identity = JSON.stringify([route, limit.name, limit.ratePerS, limit.burst, limit.key, limit.scope]);
    return { ...limit, identity, index: this.#limits.numberOf(identity) };
  }

  #names(): Names {
    return {
      routes: this.#routes.names,
      endpoints: this.#endpoints.names,
      pools: this.#pools.names,
      listeners: this.#listeners.names,
    };
  }

  #warningsOf({ workers }: Config): string[] {
    this.#workers ??= workers;
    if (workers === this.#workers) return [];
    return [`workers: ${workers} takes a restart; still ${this.#workers}`];
  }
}

/** What only GeoIP could tell, and so `validate` could not. */
function warningsOf(routes: readonly RouteSpec[], rows: readonly RowSpec[]): string[] {
  return routes
    .filter(({ row, residency }) => row !== NONE && residency.length > 0 && rows[row]!.members.length === 0)
    .map(
      ({ name, residency }) => `route ${name}: no endpoint is known to be in ${residency.join(', ')}: it answers 503`,
    );
}

/** Index of each pool's first endpoint. */
function firstsOf(pools: readonly PoolConfig[]): number[] {
  let next = 0;
  return pools.map(({ endpoints }) => {
    next += endpoints.length;
    return next - endpoints.length;
  });
}

function pathOf(relay: Relay, pools: readonly PoolConfig[], firsts: readonly number[]) {
  const pool = pools[relay.pool]!;
  const target = firsts[relay.pool]! + relay.member;
  return { pool, endpoint: relayEndpoint(relay, pool.endpoints[relay.member]!, pool.name, target) };
}

function tooMany(missing: number): string[] {
  if (missing === 0) return [];
  return [`overlay: ${missing} paths over peers too many; those of the pools and endpoints named last are left out`];
}

/** What makes an endpoint the same one after a reload. No part of it holds a NUL. */
function keyOf(pool: PoolConfig, endpoint: EndpointConfig): string {
  const { via, host, port } = endpoint;
  const way = via === undefined ? '' : `\0${via.key} ${host} ${port}`;
  return `${pool.name}\0${endpoint.id}\0${endpoint.url}${way}`;
}
