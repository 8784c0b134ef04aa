// Who may ask the admin API what. Three dangers: a web page in the operator's browser that sends requests here (foreign
// Origin), one whose name was re-bound to our address (foreign Host), and anybody at all when the address is not
// loopback (token, or the session that somebody who had it began). Judged on the bare request before anything else.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { canonicalIp } from '../../core/ip.ts';
import type { Refusal } from '../types.ts';
import { isConsole } from './console.ts';
import { hasCookie, type Sessions } from './session.ts';

/** What machines ask without a secret: probes of the orchestrator, and Prometheus. */
const OPEN_PATHS: readonly string[] = ['/livez', '/readyz', '/metrics'];
/** What is signed with a secret of its own: an app that may register an endpoint may not, for that, drain others. */
const SIGNED_PATHS = /^\/api\/v1\/(de)?register\//;
/** Where a browser that has no session begins one, or ends it. */
const DOOR_PATHS: readonly string[] = ['/ui/login', '/ui/logout'];

export interface Gate {
  /** null = may pass. `path` without its query. Never throws. */
  refuse(request: IncomingMessage, path: string): Refusal | null;
}

/** Whether only this machine can connect there. A name other than localhost is not trusted to resolve to loopback. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const ip = canonicalIp(host);
  return ip !== null && (ip === '::1' || ip.startsWith('127.'));
}

/** `host`: as configured, '' for all addresses; `token` and `sessions` null = none. */
export function createGate(host: string, token: string | null, sessions: Sessions | null): Gate {
  const onLoopback = isLoopback(host);
  const isWildcard = host === '' || canonicalIp(host) === '0.0.0.0' || canonicalIp(host) === '::';
  const digest = token === null ? null : sha256(token);
  const ownNames = new Set([host, hostname().toLowerCase()]);
  const isOwn = (name: string, localAddress: string | undefined) => {
    if (isLoopback(name) || ownNames.has(name)) return true;
    const ip = canonicalIp(name);
    return ip !== null && (ip === canonicalIp(host) || ip === canonicalIp(localAddress ?? ''));
  };

  return {
    refuse(request, path) {
      const isOpen = OPEN_PATHS.includes(path) || SIGNED_PATHS.test(path);
      const { headers } = request;
      // Which of them a proxy before us has judged is not known (RFC 9112, 3.2).
      if ((request.headersDistinct.host?.length ?? 0) > 1) return refusal(400, 'bad_request', 'more than one Host');
      // Beyond loopback the open paths are there for whoever can connect; and when all addresses are listened to we cannot
      // know our names, but then the token guards the rest, and a re-bound page does not have it.
      if ((onLoopback || !(isOpen || isWildcard)) && headers.host !== undefined) {
        const name = hostnameOf(headers.host);
        if (name === null || !isOwn(name, request.socket.localAddress)) {
          return refusal(403, 'forbidden_host', 'this Host is not one of the admin API: use its address or localhost');
        }
      }
      if (isForeign(request, path)) {
        return refusal(403, 'forbidden_origin', 'requests from pages of another origin are refused');
      }
      if (digest === null || isOpen || isDoor(request, path)) return null;
      if (carries(headers.authorization, digest)) return null;
      if ((sessions?.expiryOf(headers.cookie, Date.now()) ?? null) === null) {
        return refusal(401, 'unauthorized', 'needs the admin token: Authorization: Bearer TOKEN');
      }
      return isByOurPage(request)
        ? null
        : refusal(403, 'forbidden_origin', 'a session may change things from the console alone: use the token');
    },
  };
}

/** The form of the login sends what was typed to the address that it was shown at. */
function isDoor({ method }: IncomingMessage, path: string): boolean {
  return DOOR_PATHS.includes(path) || (method === 'POST' && isConsole(path));
}

/** A request that a browser made for a page that is not ours. Browsers add Origin to every POST. */
function isForeign({ headers, method }: IncomingMessage, path: string): boolean {
  const { origin } = headers;
  if (origin !== undefined) return hostOf(origin) !== headers.host?.toLowerCase();
  const site = headers['sec-fetch-site'];
  if (site !== 'cross-site' && site !== 'same-site') return false;
  // Following a link to the console is not a request by the other page: it cannot read the answer.
  const isNavigation = method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
  return !(isNavigation && isConsole(path));
}

/**
 * Of a request that the browser put the session on: whether it changes nothing, or our own page sent it. Browsers say which one
 * did, in one field or the other, so a change without either is none of a browser's, and its cookie was taken from one.
 * Source: OWASP, "Cross-Site Request Forgery Prevention", verifying the origin with standard headers.
 */
function isByOurPage({ headers, method }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  return headers.origin !== undefined || headers['sec-fetch-site'] === 'same-origin';
}

/**
 * What a 401 may ask for. Basic makes a browser ask for a password in a window of its own: right for whoever types the address of
 * the API, wrong for the console, which has a page for that, and for what its script asks when the session is over.
 */
export function challengesOf({ headers }: IncomingMessage, path: string): readonly string[] {
  const { accept = '', cookie } = headers;
  const isPage = isConsole(path) ? accept.includes('text/html') : path.startsWith('/ui/');
  const isAsked = headers['sec-fetch-site'] !== undefined && headers['sec-fetch-mode'] !== 'navigate';
  const isScript = isAsked || hasCookie(cookie) || SCRIPTS_TAKE.test(accept);
  return isPage || isScript ? [BEARER] : [BEARER, BASIC];
}

/** What a script of ours says that it takes; browsers say neither of what they open. */
const SCRIPTS_TAKE = /^(text\/event-stream|application\/json)/;
const BEARER = 'Bearer realm="fermat"';
const BASIC = 'Basic realm="fermat", charset="UTF-8"';

/** host[:port] of an origin as a Host header would have it; null for `null` and other nonsense. */
function hostOf(origin: string): string | null {
  return /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1]?.toLowerCase() ?? null;
}

/** Lower case, without port, brackets and final dot; null when it is no host. */
function hostnameOf(hostHeader: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(hostHeader);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? null : name.toLowerCase().replace(/\.$/, '');
}

/**
 * Bearer for programs; Basic (any user, the token as password) for `curl -u` and for browsers that open a path of the API. Basic is
 * sent along by the browser on its own: that is what `isForeign` is for.
 */
function carries(authorization: string | undefined, digest: Buffer): boolean {
  const match = /^(bearer|basic) +(\S+) *$/i.exec(authorization ?? '');
  if (match === null) return false;
  let given = match[2]!;
  if (match[1]!.toLowerCase() === 'basic') {
    const pair = Buffer.from(given, 'base64').toString();
    given = pair.slice(pair.indexOf(':') + 1);
  }
  // Of digests, so that neither content nor length shows in the time it takes.
  return timingSafeEqual(sha256(given), digest);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refusal(status: number, code: string, message: string): Refusal {
  return { status, code, message };
}
