// What is decided about a request before an endpoint is chosen: refused, answered here, or let through. Pure looks at the
// head; the answers are given by the exchange.

import { coversHost } from '../core/certificate.ts';
import { decodedRoute, upperTriplets } from '../core/path.ts';
import { AMBIGUOUS } from '../core/router.ts';
import { FRAMING } from '../wire/body.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';
import { PROBLEM, type Problem } from './errors.ts';
import type { Generation, RouteRuntime } from './generation.ts';
import { joined, maxForwardsOf } from './headers.ts';
import type { PeerTls } from './sides.ts';

/** Why a request must not go further, or null. */
export function refusalOf(head: RequestHead, loopId: string, bodyLimit: number, tls: PeerTls | null): Problem | null {
  if (tls !== null && head.host !== tls.coveredHost && isMisdirected(head.host, tls)) return PROBLEM.misdirected;
  if (head.expectOther) return PROBLEM.expectation;
  // RFC 8586: a loop is known by the random id of this process, never by Via: an edge may front a sidecar.
  if (head.find(FIELD.CDN_LOOP) >= 0 && joined(head, FIELD.CDN_LOOP).includes(loopId)) return PROBLEM.loop;
  if (bodyLimit > 0 && head.framing === FRAMING.LENGTH && head.length > bodyLimit) return PROBLEM.bodyTooLarge;
  return null;
}

/**
 * A client may ask a connection only for what it was shown a certificate of (RFC 9110, 7.4): for other hosts it opens
 * another one, which may end elsewhere. HTTP/1.0 need not name a host.
 */
function isMisdirected(host: string, tls: PeerTls): boolean {
  if (host === '') return false;
  if (!coversHost(tls.names, host)) return true;
  tls.coveredHost = host;
  return false;
}

/** The route of a request, or why there is none. */
export function routeOf(generation: Generation, head: RequestHead, listener: string): RouteRuntime | Problem {
  // `OPTIONS *` speaks of the host as a whole: it goes where "/" goes.
  const path = head.path === '*' ? '/' : head.path;
  const index = generation.router.match(head.host, path, listener);
  if (index >= 0) return generation.routes[index]!;
  return index === AMBIGUOUS ? PROBLEM.ambiguousPath : PROBLEM.noRoute;
}

export function isProblem(value: RouteRuntime | Problem): value is Problem {
  return 'code' in value;
}

/** OPTIONS or TRACE that must not be forwarded any more (RFC 9110, 7.6.2). */
export function isLastHop(head: RequestHead): boolean {
  if (head.methodId !== 7 && head.methodId !== 8) return false;
  const at = head.find(FIELD.MAX_FORWARDS);
  return at >= 0 && maxForwardsOf(head.value(at)) === 0;
}

/** `path` less the route's prefix; null when the bytes spell the prefix in another way than the route does. */
export function stripped(path: string, prefix: string): string | null {
  if (prefix === '/') return path;
  const whole = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (path.startsWith(whole)) return restOf(path, whole.length);
  if (!whole.includes('%')) return null;
  // What has to be encoded may come in lower case (`%c3`), or as it is.
  if (upperTriplets(path.slice(0, whole.length)) === whole) return restOf(path, whole.length);
  const raw = decodedRoute(whole);
  return raw !== null && path.startsWith(raw) ? restOf(path, raw.length) : null;
}

function restOf(path: string, cut: number): string | null {
  const rest = path.slice(cut);
  if (rest === '' || rest.startsWith('?')) return `/${rest}`;
  return rest.startsWith('/') ? rest : null;
}
