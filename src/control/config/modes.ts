// What `mode: redirect` and `residency` ask of a route and of its pool, which neither can know alone. Like check.ts it works
// on the tree as it was read, and passes over what has the wrong shape.

import { findRegion } from '../../../geoip/regions.ts';
import type { Path, Problem } from './problems.ts';
import { isInside, mayBeAnywhere, type Placed } from './residency.ts';
import { parseEndpointUrl } from './values.ts';

type Tree = Readonly<Record<string, unknown>>;

/** Policies that say where a client should go; the others spread what comes here. */
const REDIRECTING: readonly unknown[] = ['fastest', 'nearest', undefined];

/** `hasOwnDatabases`: GeoIP files of the operator's are named. */
export function modeProblems(routes: readonly Tree[], pools: Tree, hasOwnDatabases: boolean): Problem[] {
  return routes.flatMap((route, i) => {
    const { pool: name } = route;
    const pool = typeof name === 'string' && Object.hasOwn(pools, name) ? mapping(pools[name]) : {};
    const endpoints = Array.isArray(pool.endpoints) ? pool.endpoints.map(mapping) : [];
    const at: Path = ['routes', i];
    return [
      ...(route.mode === 'redirect' ? redirectProblems(route, at, pool, endpoints) : []),
      // Where found endpoints are is told when they are found.
      ...(isFound(pool) ? [] : residencyProblems(route, at, endpoints, hasOwnDatabases)),
    ];
  });
}

function isFound({ discover }: Tree): boolean {
  return Array.isArray(discover) && discover.length > 0;
}

/** A client is sent to the endpoint itself: it must be able to go there, and nothing of ours goes with it. */
function redirectProblems(route: Tree, at: Path, pool: Tree, endpoints: readonly Tree[]): Problem[] {
  const problems: Problem[] = [];
  if (route.respond !== undefined) {
    problems.push({ path: [...at, 'mode'], what: 'nothing to redirect to', expected: 'a pool, or respond alone' });
  }
  const { policy } = mapping(pool.balance);
  if (!REDIRECTING.includes(policy)) {
    const what = `policy ${String(policy)} of pool ${String(route.pool)} cannot say where a client should go`;
    problems.push({ path: [...at, 'mode'], what, expected: 'a pool with the policy fastest or nearest' });
  }
  for (const { url } of endpoints) {
    const parsed = typeof url === 'string' ? parseEndpointUrl(url) : null;
    if (parsed === null || typeof parsed === 'string') continue;
    if (parsed.socketPath === null && parsed.scheme !== 'h2c') continue;
    const what = `clients cannot be redirected to ${url}`;
    problems.push({ path: [...at, 'mode'], what, expected: 'a pool of http and https endpoints' });
    break;
  }
  const unused = { hostHeader: 'preserve', requestHeaders: {} };
  for (const [key, none] of Object.entries(unused)) {
    if (route[key] === undefined || isEmptyEdit(route[key], none)) continue;
    const what = 'has no effect with mode redirect, where the client asks the endpoint itself';
    problems.push({ path: [...at, key], what, expected: 'it left out', isKey: true });
  }
  const { set, remove } = mapping(route.responseHeaders);
  const names = [...Object.keys(mapping(set)), ...(Array.isArray(remove) ? remove : [])];
  if (names.some((name) => String(name).toLowerCase() === 'location')) {
    const path = [...at, 'responseHeaders'];
    problems.push({ path, what: 'Location is what mode redirect sets', expected: 'other fields', isKey: true });
  }
  return problems;
}

/** As the effective configuration writes out what nobody asked for. */
function isEmptyEdit(value: unknown, none: unknown): boolean {
  if (typeof none === 'string') return value === none;
  const { set, remove } = mapping(value);
  return Object.keys(mapping(set)).length === 0 && (!Array.isArray(remove) || remove.length === 0);
}

/** A route that can never be answered is a mistake. What only GeoIP can tell is said at start, as a warning. */
function residencyProblems(
  { residency, pool, respond }: Tree,
  at: Path,
  endpoints: readonly Tree[],
  hasOwnDatabases: boolean,
): Problem[] {
  const wanted = Array.isArray(residency) ? residency.filter((place) => typeof place === 'string') : [];
  if (wanted.length === 0) return [];
  const path = [...at, 'residency'];
  if (respond !== undefined && pool === undefined) {
    return [{ path, what: 'nothing that could be inside', expected: 'a pool, or respond alone', isKey: true }];
  }
  if (endpoints.length === 0) return [];
  const places = endpoints.map(placedOf);
  const isPossible = places.some(
    (place) => place === null || mayBeAnywhere(place, hasOwnDatabases) || isInside(place, wanted, () => null),
  );
  if (isPossible) return [];
  const expected = `an endpoint whose region is in one of ${wanted.join(', ')} (without a region its place is unknown)`;
  return [{ path, what: `no endpoint of pool ${String(pool)} is inside`, expected, got: 'none' }];
}

/** null when it is malformed: that is told elsewhere. */
function placedOf({ url, region, location }: Tree): Placed | null {
  const parsed = typeof url === 'string' ? parseEndpointUrl(url) : null;
  if (parsed === null || typeof parsed === 'string') return null;
  if (region !== undefined && (typeof region !== 'string' || findRegion(region) === null)) return null;
  return { region: region ?? null, hasLocation: location !== undefined, host: parsed.host };
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}
