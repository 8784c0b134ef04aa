// Every answer that Fermat makes itself because something went wrong: stable code → status → Proxy-Status error type
// (RFC 9209 section 2.3). The one place where a refusal becomes words for a client.

import type { RouteSpec } from '../core/snapshot.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';

export interface Problem {
  readonly status: number;
  readonly code: string;
  /** RFC 9209 proxy error type. */
  readonly type: string;
  readonly message: string;
  /** Seconds; 0 = no Retry-After. */
  readonly retryAfterS: number;
  /** Goes into Proxy-Status where the type alone does not tell; left out = none. Quotable as it stands. */
  readonly details?: string;
}

function problem(status: number, code: string, type: string, message: string, retryAfterS = 0): Problem {
  return { status, code, type, message, retryAfterS };
}

export const PROBLEM = {
  noRoute: problem(404, 'no_route', 'destination_not_found', 'no route matches this host and path'),
  ambiguousPath: problem(400, 'ambiguous_path', 'http_request_error', 'the path can be read in more than one way'),
  requestTimeout: problem(408, 'request_timeout', 'http_request_error', 'the request did not arrive in time'),
  bodyTooLarge: problem(413, 'body_too_large', 'http_request_denied', 'the request body is larger than allowed'),
  misdirected: problem(
    421,
    'misdirected',
    'http_request_denied',
    'the certificate of this connection is for other hosts',
  ),
  expectation: problem(417, 'expectation_failed', 'http_request_denied', 'only 100-continue can be expected'),
  loop: problem(508, 'loop', 'proxy_loop_detected', 'this request has passed here before'),
  redirectLoop: problem(508, 'redirect_loop', 'proxy_loop_detected', 'this would redirect to the very same address'),
  noEndpoint: problem(503, 'no_healthy_endpoint', 'destination_unavailable', 'no endpoint is healthy', 1),
  noEndpointInResidency: {
    ...problem(
      503,
      'no_endpoint_in_residency',
      'destination_unavailable',
      'no endpoint inside its residency is healthy',
      1,
    ),
    details: 'residency',
  },
  noEndpointAtPlace: {
    ...problem(503, 'no_endpoint_at_data', 'destination_unavailable', 'no endpoint is healthy where the data is', 1),
    details: 'locality',
  },
  localityUnknown: {
    ...problem(503, 'locality_unknown', 'destination_unavailable', 'where the data is, is not known here yet', 1),
    details: 'locality: no directory',
  },
  overload: problem(503, 'overload', 'connection_limit_reached', 'too many requests are waiting for this endpoint', 1),
  tooManyRequests: {
    ...problem(429, 'too_many_requests', 'http_request_denied', 'too many requests of yours are under way', 1),
    details: 'client',
  },
  rateLimited: problem(429, 'rate_limited', 'http_request_denied', 'too many requests in this time', 1),
  limitShut: problem(503, 'rate_limit_unknown', 'http_request_denied', 'the limit on requests cannot be kept now', 1),
  noLimitKey: problem(400, 'no_limit_key', 'http_request_denied', 'the request lacks what it would be limited by'),
  notATunnel: problem(501, 'no_tunnel', 'http_request_denied', 'nobody here takes an upgrade of this path'),
  connectRefused: problem(502, 'connect_failed', 'connection_refused', 'the endpoint refused the connection'),
  connectTimeout: problem(
    504,
    'connect_timeout',
    'connection_timeout',
    'the endpoint did not accept the connection in time',
  ),
  tlsFailed: problem(502, 'tls_failed', 'tls_protocol_error', 'the TLS handshake with the endpoint failed'),
  certificateBad: problem(
    502,
    'tls_certificate',
    'tls_certificate_error',
    "the endpoint's certificate is not to be trusted",
  ),
  dnsFailed: problem(502, 'dns_failed', 'dns_error', "the endpoint's name could not be resolved"),
  reset: problem(
    502,
    'endpoint_reset',
    'connection_terminated',
    'the endpoint closed the connection before its answer was whole',
  ),
  refused: problem(503, 'endpoint_refused', 'connection_limit_reached', 'the endpoint takes no more requests', 1),
  relayFailed: problem(
    502,
    'relay_failed',
    'destination_unavailable',
    'the edge on the way did not reach the endpoint',
  ),
  badResponse: problem(502, 'bad_response', 'http_protocol_error', 'the endpoint broke HTTP'),
  responseTimeout: problem(504, 'endpoint_timeout', 'http_response_timeout', 'the endpoint did not answer in time'),
  internal: problem(500, 'internal', 'proxy_internal_error', 'something went wrong inside the proxy'),
} as const satisfies Record<string, Problem>;

/** A refusal by the codec (wire/fault.ts) in the same form. */
export function problemOfFault(status: number, detail: string, type: string): Problem {
  return { status, code: 'bad_request', type, message: detail, retryAfterS: 0 };
}

/** Header lines (without framing) and body of a problem; JSON when the client asks for it. latin1. */
export function renderProblem(p: Problem, asJson: boolean): { fields: string; body: string } {
  const body = asJson
    ? `${JSON.stringify({ error: { code: p.code, message: p.message } })}\n`
    : `${p.status} ${p.message}\n`;
  const retry = p.retryAfterS > 0 ? `Retry-After: ${p.retryAfterS}\r\n` : '';
  const type = asJson ? 'application/json' : 'text/plain; charset=utf-8';
  const fields = `Content-Type: ${type}\r\n${retry}${proxyStatusLine(p)}Cache-Control: no-store\r\n`;
  return { fields, body };
}

/** RFC 9209. */
export function proxyStatusLine({ type, details }: Problem): string {
  return `Proxy-Status: fermat; error=${type}${details === undefined ? '' : `; details="${details}"`}\r\n`;
}

function shed(details: string, message: string): Problem {
  return { ...problem(503, 'overload', 'http_request_denied', message, 1), details };
}

/** By SHED code (core/cells.ts). */
export const SHED_PROBLEM: readonly Problem[] = [
  shed('loop', 'this proxy has more to do than it can'),
  shed('memory', 'this proxy is short of memory'),
  shed('requests', 'too many requests are under way here'),
  PROBLEM.tooManyRequests,
  shed('pool', 'too many requests are under way for this service'),
  PROBLEM.overload,
];

/** By CONNECT_FAILURE code (sides.ts). */
export const CONNECT_PROBLEM: readonly Problem[] = [
  PROBLEM.connectRefused,
  PROBLEM.connectTimeout,
  PROBLEM.tlsFailed,
  PROBLEM.dnsFailed,
  PROBLEM.certificateBad,
  PROBLEM.certificateBad,
  PROBLEM.certificateBad,
  PROBLEM.tlsFailed,
  PROBLEM.connectTimeout,
  PROBLEM.overload,
];

/** Nothing can be picked for a route. */
export function noEndpointOf({ residency }: RouteSpec): Problem {
  return residency.length === 0 ? PROBLEM.noEndpoint : PROBLEM.noEndpointInResidency;
}

/** The client prefers JSON to plain text. */
export function wantsJson(head: RequestHead): boolean {
  const at = head.find(FIELD.ACCEPT);
  return at >= 0 && /\bapplication\/(?:[a-z.-]+\+)?json\b/i.test(head.value(at));
}
