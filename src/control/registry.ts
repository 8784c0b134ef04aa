// From a Config to a Snapshot, keeping identities: an endpoint that stays keeps its slot and generation over any number of
// reloads, and what was ever named keeps its uid. Slots are few and reused, uids are many and never: statistics live by slot,
// metrics by uid. The one writer of both; nothing here is known to the workers.

import { OTHER } from '../core/cells.ts';
import { MAX_RATE_RULES } from '../core/limit/table.ts';
import {
  type EndpointSpec,
  type LatLon,
  type LocalitySpec,
  MAX_LANES,
  MAX_SLOTS,
  NONE,
  type OverlayMode,
  type PoolSpec,
  type RateLimitSpec,
  type RouteSpec,
  type RowSpec,
  type Snapshot,
} from '../core/snapshot.ts';
import { newTable, shapeOf } from '../core/table.ts';
import type { Config, EndpointConfig, PoolConfig, RateLimitConfig, RouteConfig } from './config/config.ts';
import { isInside, isPlacedByGeo, residencyOf } from './config/residency.ts';
import { isAt, PLACES, placeNumber } from './locality/places.ts';
import { Numbers } from './numbers.ts';
import {
  isPeerInside,
  modeOf,
  overlayListener,
  overlaySpec,
  type Relay,
  relayEndpoint,
  relaysOf,
} from './overlay/compile.ts';
import type { ProbeSpec } from './types.ts';

/** uid → name. Append-only: a name stands at the same index in every later list. */
export interface Names {
  readonly routes: readonly string[];
  readonly endpoints: readonly string[];
  readonly pools: readonly string[];
  readonly listeners: readonly string[];
}

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
}

/** A slot is free (`key` null), held (`leftAt` null), or left by its endpoint and waiting for the workers. */
interface Slot {
  key: string | null;
  generation: number;
  /** The first version without the endpoint. */
  leftAt: number | null;
}

export class Registry {
  readonly #lanes: number;
  readonly #locate: (ip: string) => LatLon | null;
  readonly #countryOf: (ip: string) => string | null;
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
      overlay,
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

/**
 * Snapshot.rows: every pool as a whole, then one for each pool, residency, place and use of other edges that a route asks for. Paths
 * over other edges stand behind all endpoints of their pool, in rows of routes that want them and in no other.
 */
class Rows {
  readonly specs: RowSpec[];
  readonly #pools: readonly PoolConfig[];
  readonly #relays: readonly Relay[];
  readonly #countryOf: (ip: string) => string | null;
  readonly #known = new Map<string, number>();

  constructor(pools: readonly PoolConfig[], relays: readonly Relay[], countryOf: (ip: string) => string | null) {
    this.#pools = pools;
    this.#relays = relays;
    this.#countryOf = countryOf;
    this.specs = pools.map(({ endpoints }, pool) => ({ pool, members: endpoints.map((_, i) => i), residency: [] }));
  }

  /** Index of the row of a pool's endpoints that are inside, and at the place; routes that ask for the same set share it. */
  of(pool: number, written: readonly string[], overlay: OverlayMode, place: string | null = null): number {
    if (written.length === 0 && overlay === 'off' && place === null) return pool;
    const residency = residencyOf(written);
    const key = `${pool} ${overlay} ${residency.join()} ${place ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const all = this.#pools[pool]!.endpoints;
    const isIn = (i: number) =>
      (place === null || isAt(all[i]!.region, place)) &&
      (residency.length === 0 || isInside(placedOf(all[i]!), residency, this.#countryOf));
    const direct = all.map((_, i) => i).filter(isIn);
    const relays = this.#relays.filter((relay) => relay.pool === pool);
    const over = relays.flatMap(({ member, peer }, i) => {
      const mayPass = overlay !== 'off' && isIn(member) && isPeerInside(peer, residency, this.#countryOf);
      return mayPass ? [all.length + i] : [];
    });
    this.#known.set(key, this.specs.length);
    const members = [...direct, ...over];
    const more = { ...(overlay !== 'off' && { overlay }), ...(place !== null && { place }) };
    return this.specs.push({ pool, members, residency, ...more }) - 1;
  }

  /** Regions that endpoints of the pool are in, and their clouds. */
  placesOf(pool: number): Set<string> {
    const regions = this.#pools[pool]!.endpoints.flatMap(({ region }) => (region === null ? [] : [region]));
    return new Set(regions.flatMap((region) => [region, region.slice(0, region.indexOf(':'))]));
  }
}

/** A row for every place where the pool has endpoints. */
function localityOf(route: RouteConfig, pool: number, rows: Rows): LocalitySpec | null {
  const { locality, residency } = route;
  if (locality === null || pool === NONE) return null;
  const { unknown, ...spec } = locality;
  const rowAt = (place: string) => rows.of(pool, residency, modeOf(route), place);
  const byPlace = new Array<number>(PLACES).fill(NONE);
  for (const place of rows.placesOf(pool)) byPlace[placeNumber(place)] = rowAt(place);
  return { ...spec, rows: byPlace, unknownRow: unknown === null ? NONE : rowAt(unknown) };
}

function placedOf({ region, location, host }: EndpointConfig) {
  return { region, hasLocation: location !== null, host };
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

interface Assigned {
  readonly slot: number;
  readonly generation: number;
}

class Slots {
  /** By slot; as long as the highest slot ever used. */
  readonly #slots: Slot[] = [];

  /** Slots for exactly these endpoints, in order; whoever had one and is not among them leaves at `version`. */
  assign(keys: readonly string[], version: number): Assigned[] {
    const known = new Map<string, number>();
    for (const [i, { key }] of this.#slots.entries()) if (key !== null) known.set(key, i);
    const newcomers = keys.reduce((n, key) => (known.has(key) ? n : n + 1), 0);
    const room = MAX_SLOTS - known.size;
    if (newcomers > room) {
      throw new RangeError(
        `expected at most ${room} new endpoints while older ones are still in use, got ${newcomers}`,
      );
    }
    const wanted = new Set(keys);
    for (const slot of this.#slots) {
      if (slot.key !== null && slot.leftAt === null && !wanted.has(slot.key)) slot.leftAt = version;
    }
    let from = 0;
    return keys.map((key) => {
      let at = known.get(key);
      if (at === undefined) at = from = this.#take(key, from);
      const slot = this.#slots[at]!;
      // Back before anybody else had it: exchanges still out there are this endpoint's own.
      slot.leftAt = null;
      return { slot: at, generation: slot.generation };
    });
  }

  release(version: number): void {
    for (const slot of this.#slots) {
      if (slot.leftAt === null || slot.leftAt > version) continue;
      slot.key = null;
      slot.leftAt = null;
    }
  }

  /** The lowest free slot from `from` on; small numbers keep the table small. */
  #take(key: string, from: number): number {
    let at = from;
    while (at < this.#slots.length && this.#slots[at]!.key !== null) at++;
    const generation = (this.#slots[at]?.generation ?? 0) + 1;
    this.#slots[at] = { key, generation, leftAt: null };
    return at;
  }
}

/** Names and the numbers that stand for them in metrics. After OTHER - 1 names, the rest are OTHER. */
class NameList {
  readonly #names: string[] = [];
  readonly #uids = new Map<string, number>();

  /** The live list: grows, never changes. */
  get names(): readonly string[] {
    return this.#names;
  }

  uidOf(name: string): number {
    const known = this.#uids.get(name);
    if (known !== undefined) return known;
    const uid = this.#names.length;
    if (uid >= OTHER) return OTHER;
    this.#names.push(name);
    this.#uids.set(name, uid);
    return uid;
  }
}
