// What is picked from: the rows of a Snapshot. Each is a set of a pool's endpoints that is ranked by itself; which sets there are
// follows from what routes ask for (residency, a place, ways over other edges). The ranker and the workers know rows only by index.

import { type LocalitySpec, NONE, type OverlayMode, type RowSpec } from '../core/snapshot.ts';
import type { EndpointConfig, PoolConfig, RouteConfig } from './config/config.ts';
import { isInside, residencyOf } from './config/residency.ts';
import { isAt, PLACES, placeNumber } from './locality/places.ts';
import { isPeerInside, modeOf, type Relay } from './overlay/compile.ts';

/**
 * Snapshot.rows: every pool as a whole, then one for each pool, residency, place and use of other edges that a route asks for. Paths
 * over other edges stand behind all endpoints of their pool, in rows of routes that want them and in no other.
 */
export class Rows {
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
export function localityOf(route: RouteConfig, pool: number, rows: Rows): LocalitySpec | null {
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
