// What would happen to a request, without sending it: the route that the router gives, the cohort of the client, and every
// candidate of the pool with the terms of its score. It asks the code that routes real requests and has no opinion of its
// own, so it cannot say one thing while the proxy does another.

import { type CohortPath, cohortName, cohortPath, EDGE_COHORT, pathOf } from '../core/cohort.ts';
import { canonicalIp } from '../core/ip.ts';
import { Redirector } from '../core/redirect.ts';
import { AMBIGUOUS, compileRouter, type Router } from '../core/router.ts';
import { type LatLon, NONE, type PoolSpec, type RouteSpec, type Snapshot } from '../core/snapshot.ts';
import type { Directory } from './locality/directory.ts';
import { placedBy } from './locality/explained.ts';
import { redirected } from './redirects.ts';
import type { CandidateView, CohortView, ExplainQuery, Explanation, Refusal } from './types.ts';

/** The part of a GeoIP record that an explanation shows. */
interface PlaceOfClient {
  readonly country: string | null;
  /** Absent = not known. */
  readonly asn?: number | null;
  readonly city: string | null;
  readonly latDeg: number | null;
  readonly lonDeg: number | null;
}

export interface ExplainSources {
  readonly snapshot: () => Snapshot;
  readonly fleet: {
    /** By index into `Snapshot.rows`; of the row that serves this client, and the key of the cohort whose that is. */
    candidates(
      row: number,
      client: CohortPath,
    ): {
      readonly candidates: readonly CandidateView[];
      readonly chosen: string | null;
      readonly cohort?: number;
    };
  };
  /** A directory of where data is; left out = there is none. */
  readonly directory?: (name: string) => Directory | null;
  /** null = no database. A function where the reader is replaced while the node runs. */
  readonly geo: GeoLookup | (() => GeoLookup | null) | null;
}

interface GeoLookup {
  lookup(ip: string): PlaceOfClient | null;
}

/** Longest host and path that are looked at; the data plane refuses longer heads anyway. */
const MAX_TEXT = 8192;
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]{1,64}$/;

/** The answer never throws: what cannot be explained is a Refusal that says why. */
export function createExplain(sources: ExplainSources): (query: ExplainQuery) => Explanation | Refusal {
  let compiled: { readonly snapshot: Snapshot; readonly router: Router; redirector?: Redirector } | null = null;

  return (query) => {
    const client = canonicalIp(query.client.trim());
    const bad = client === null ? `client: expected an IP address, got ${show(query.client)}` : unfit(query);
    if (client === null || bad !== null) return { status: 400, code: 'bad_request', message: bad ?? '' };

    const snapshot = sources.snapshot();
    if (compiled?.snapshot !== snapshot) compiled = { snapshot, router: compileRouter(snapshot.routes) };
    const found = routeOf(snapshot, compiled.router, hostOf(query.host), bytesOf(query.path));
    if ('status' in found) return found;

    const geo = typeof sources.geo === 'function' ? sources.geo() : sources.geo;
    const place = geo?.lookup(client) ?? null;
    const { name, mode, residency } = found.route;
    const answer = { route: name, mode, residency, cohort: cohortOf(EDGE_COHORT, place) };
    const pool = snapshot.pools[found.route.pool];
    if (pool === undefined) {
      const status = found.route.respond?.status ?? 404;
      const note = join(found.note, `Fermat answers ${status} itself, no endpoint is asked`);
      return { ...answer, pool: null, policy: null, candidates: [], chosen: null, note };
    }
    const path = pathOf(client, place?.country ?? null, place?.asn ?? null);
    // A redirect is ranked from the client's own place: no cohort's row has a part in it.
    const asked = mode === 'redirect' ? cohortPath(EDGE_COHORT, EDGE_COHORT, EDGE_COHORT) : path;
    const { locality } = found.route;
    const directory = locality === null ? null : (sources.directory?.(locality.directory) ?? null);
    const placed = placedBy(found.route, query.key ?? null, directory);
    const route = placed === null ? found.route : { ...found.route, row: placed.row };
    const where = placed === null ? {} : { locality: placed.view };
    if (route.row === NONE) {
      const note = join(found.note, placed!.note);
      return { ...answer, ...where, pool: pool.name, policy: pool.policy, candidates: [], chosen: null, note };
    }
    const there = sources.fleet.candidates(route.row, asked);
    // As workers do it: any endpoint is better than none at the place.
    const isElsewhere = placed?.view.mode === 'soft' && !there.candidates.some(({ healthy }) => healthy);
    const seenFrom = isElsewhere ? sources.fleet.candidates(found.route.row, asked) : there;
    const { candidates, chosen, cohort = EDGE_COHORT } = seenFrom;
    const common = { ...answer, ...where, cohort: cohortOf(cohort, place), pool: pool.name, policy: pool.policy };
    if (mode === 'redirect') {
      compiled.redirector ??= new Redirector(snapshot);
      compiled.redirector.isThorough = true;
      const seen = redirected(compiled.redirector, snapshot, route, candidates, latLonOf(place), client);
      const note = join(
        found.note,
        placed?.note ?? null,
        seen.note,
        unusual(found.route, pool, seen.candidates, seen.chosen),
      );
      return { ...common, candidates: seen.candidates, chosen: seen.chosen, note };
    }
    const note = join(found.note, placed?.note ?? null, unusual(found.route, pool, candidates, chosen));
    return { ...common, candidates, chosen, note };
  };
}

function unfit({ host, path, method }: ExplainQuery): string | null {
  if (!TOKEN.test(method)) return `method: expected a token, got ${show(method)}`;
  if (path !== '*' && !path.startsWith('/')) return `path: expected to begin with "/", got ${show(path)}`;
  if (path.length > MAX_TEXT || /[\x00-\x20\x7f]/.test(path))
    return 'path: too long, or with spaces or control characters';
  if (host !== null && (host.length > MAX_TEXT || /[\s/@?#]/.test(host)))
    return `host: expected a name, with a port or not, got ${show(host)}`;
  return null;
}

/** As the listener hands it to the router: lower case, no port. */
function hostOf(host: string | null): string {
  return (host ?? '').toLowerCase().replace(/:\d*$/, '');
}

/** As it comes over the wire, where a request line is bytes: what is not ASCII was typed as UTF-8. */
function bytesOf(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

interface Found {
  readonly route: RouteSpec;
  readonly note: string | null;
}

/** The query names no listener: the first one that leads anywhere, and a note when that is not plainly the first. */
function routeOf(snapshot: Snapshot, router: Router, host: string, path: string): Found | Refusal {
  const names = snapshot.listeners.map((listener) => listener.name);
  for (const name of names.length === 0 ? [''] : names) {
    const index = router.match(host, path, name);
    if (index === AMBIGUOUS) {
      const message = 'this path can be read in two ways that lead to different routes: it is refused with 400';
      return { status: 400, code: 'ambiguous_path', message };
    }
    const route = index === NONE ? undefined : snapshot.routes[index];
    if (route !== undefined) return { route, note: name === names[0] || name === '' ? null : `on listener ${name}` };
  }
  return { status: 404, code: 'no_route', message: `no route for host ${show(host)} and path ${show(path)}` };
}

/** Whose row serves this client, and where it is. */
function cohortOf(cohort: number, place: PlaceOfClient | null): CohortView {
  return {
    key: cohortName(cohort),
    country: place?.country ?? null,
    city: place?.city ?? null,
    lat: place?.latDeg ?? null,
    lon: place?.lonDeg ?? null,
  };
}

function latLonOf(place: PlaceOfClient | null): LatLon | null {
  if (place === null || place.latDeg === null || place.lonDeg === null) return null;
  return { latDeg: place.latDeg, lonDeg: place.lonDeg };
}

function unusual(
  { mode, residency }: RouteSpec,
  pool: PoolSpec,
  candidates: readonly CandidateView[],
  chosen: string | null,
): string | null {
  if (candidates.length === 0) {
    return residency.length === 0 ? 'the pool has no endpoints' : `no endpoint is in ${residency.join(', ')}: 503`;
  }
  if (candidates.every(({ state }) => state === 'draining')) return 'every endpoint is drained: 503 at once';
  if (!candidates.some((candidate) => candidate.healthy)) {
    return pool.whenAllDown === 'fail' || (mode === 'redirect' && chosen === null)
      ? 'no endpoint is healthy: 503 at once'
      : 'no endpoint is healthy: trial requests only';
  }
  return chosen === null ? 'no endpoint can be chosen now' : null;
}

function join(...notes: readonly (string | null)[]): string | null {
  return notes.filter((note) => note !== null).join('; ') || null;
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
