// Answers of `mode: redirect`: 307 to the endpoint that is best from where the client is. Nothing is asked of the endpoint,
// so there is no attempt, nothing in flight and no sample; which one it was is counted. Which one it is: core/redirect.ts.

import { CELL } from '../core/cells.ts';
import { type EndpointSpec, type LatLon, NONE } from '../core/snapshot.ts';
import { FIELD } from '../wire/fields.ts';
import { lessDropped } from './answers.ts';
import { noEndpointOf, PROBLEM } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { RouteRuntime } from './generation.ts';
import { BOUND, isServed } from './locality.ts';
import type { Place } from './locate.ts';

/** Of the bytes that are the client's only path and query go out, behind an authority that is the endpoint's. */
export function redirect(ex: Exchange, route: RouteRuntime, address: string): void {
  const { generation, plane } = ex;
  const { spec } = route;
  const { redirector, snapshot } = generation;
  const place = plane.locator.placeNow(address);
  ex.books.place = place;
  if (ex.bound === BOUND.SOFT && !isServed(generation.selector, ex.row)) ex.row = spec.row;
  const index = redirector.choose(ex.row, plane.pick, isOnMap(place) ? place : null, address);
  if (index === NONE) return ex.refuse(ex.bound === BOUND.HARD ? PROBLEM.noEndpointAtPlace : noEndpointOf(spec));
  const endpoint = snapshot.endpoints[index]!;
  if (isSameUrl(ex, endpoint)) return ex.refuse(PROBLEM.redirectLoop);
  ex.books.endpoint = endpoint;
  plane.lane.count(CELL.SELECTIONS, snapshot.pools[spec.pool]!.uid, endpoint.uid, redirector.role);
  ex.reply(307, ex.limitLines + fieldsOf(ex, route, endpoint), '');
}

/** A database of countries alone knows no places. */
function isOnMap(place: Place): place is Place & LatLon {
  return place.latDeg !== null && place.lonDeg !== null;
}

function fieldsOf({ path }: Exchange, route: RouteRuntime, endpoint: EndpointSpec): string {
  // `OPTIONS *` has no path to carry over (RFC 9112, 3.2.4).
  const location = `Location: ${originOf(endpoint)}${path === '*' ? '' : path}\r\n`;
  // The next client, or this one elsewhere, gets another answer: no cache may keep it, so that no Vary is needed.
  const lines = lessDropped(`${location}Cache-Control: no-store\r\n`, route.responseDrops);
  const debug = route.spec.serverTiming ? `X-Fermat-Endpoint: ${endpoint.id}\r\n` : '';
  return `${lines}${debug}${route.responseLines}`;
}

/** h2 is https to a client: which HTTP it speaks there is settled by ALPN. */
function originOf({ scheme, authority }: EndpointSpec): string {
  return `${scheme === 'https' || scheme === 'h2' ? 'https' : 'http'}://${authority}`;
}

/** The endpoint is what the client asked just now: it would come back, and again. */
function isSameUrl(ex: Exchange, { scheme, host, port }: EndpointSpec): boolean {
  const { head } = ex;
  // With a prefix stripped the next request is another one.
  if (ex.path !== head.path) return false;
  if (head.host !== (host.includes(':') ? `[${host}]` : host)) return false;
  const isTls = isTlsAtClient(ex);
  if (isTls !== (scheme === 'https' || scheme === 'h2')) return false;
  return port === (head.port || (isTls ? 443 : 80));
}

function isTlsAtClient({ head, down: { peer } }: Exchange): boolean {
  const at = peer.isTrusted ? head.find(FIELD.X_FORWARDED_PROTO) : NONE;
  return at < 0 ? peer.tls !== null : head.value(at).toLowerCase() === 'https';
}
