// Takes registrations that come over HTTP: whether they are signed, fresh and well formed. Who is who is told by the signature
// alone, so a caller without the token learns nothing here, not even which pools there are.

import { parseDuration } from '../config/values.ts';
import type { Refusal } from '../types.ts';
import type { Book } from './book.ts';
import { judge } from './entries.ts';
import type { RegistrySource } from './registry.ts';
import { isSignedBy, MAX_SKEW_MS, MAX_TTL_MS, type Message, MIN_TTL_MS } from './signing.ts';
import type { DiscoverSpec } from './spec.ts';

const DEFAULT_TTL_MS = 10_000;

/** A request as it came. What it asks for is told by its path, which is signed. */
export interface Registration {
  readonly method: string;
  /** As it stands in the request line: /api/v1/register/POOL, or /api/v1/deregister/POOL. */
  readonly path: string;
  /** X-Fermat-Timestamp and X-Fermat-Signature; null = missing. */
  readonly timestamp: string | null;
  readonly signature: string | null;
  readonly body: string;
}

export interface Registered {
  readonly pool: string;
  readonly url: string;
  /** 0 = it has left. */
  readonly ttlMs: number;
}

/** Where a pool's registrations go. */
export interface Desk {
  readonly spec: DiscoverSpec;
  readonly book: Book;
  readonly source: RegistrySource;
}

export interface Now {
  /** Monotonic, ms. */
  readonly nowMs: number;
  /** Wall clock, ms. */
  readonly wallMs: number;
}

const UNAUTHORIZED: Refusal = {
  status: 401,
  code: 'unauthorized',
  message: 'no pool of this name takes registrations that are signed like this',
};
/** So that an unknown pool takes as long as a wrong signature. */
const NOBODYS = { token: 'nobody', otherToken: null } as const;

/** A message that a client sends. Never throws. */
export function take(request: Registration, deskOf: (pool: string) => Desk | null, now: Now): Registered | Refusal {
  return judged(request, deskOf, now, false);
}

/** One that another edge was sent, and which may be nearly as old as its TTL: only what is left of that is given. Never throws. */
export function takeShared(
  request: Registration,
  deskOf: (pool: string) => Desk | null,
  now: Now,
): Registered | Refusal {
  return judged(request, deskOf, now, true);
}

function judged(
  request: Registration,
  deskOf: (pool: string) => Desk | null,
  now: Now,
  isShared: boolean,
): Registered | Refusal {
  const { method, path, body, signature } = request;
  const { action, pool } = meantBy(path);
  const desk = deskOf(pool);
  const atMs = /^\d{13}$/.test(request.timestamp ?? '') ? Number(request.timestamp) : Number.NaN;
  const message: Message = { method, path, atMs, body };
  const { token, otherToken } = desk?.spec.from.kind === 'registry' ? desk.spec.from : NOBODYS;
  const isSigned =
    isSignedBy(token, message, signature ?? '') ||
    (otherToken !== null && isSignedBy(otherToken, message, signature ?? ''));
  if (!isSigned || desk === null || action === null) return UNAUTHORIZED;
  const told = readBody(body);
  if ('status' in told) return told;
  const { endpoint } = told;
  const { endpoints, problems } = judge([{ at: 'registration', endpoint }], desk.spec);
  const [found] = endpoints;
  if (found === undefined) return unfit(problems[0] ?? 'no endpoint');
  const { url } = found;
  const aheadMs = atMs - now.wallMs;
  const oldestMs = isShared ? Math.max(told.ttlMs, MAX_SKEW_MS) : MAX_SKEW_MS;
  const isFresh = aheadMs <= MAX_SKEW_MS && aheadMs >= -oldestMs;
  if (!isFresh && (isShared || !desk.book.isInStep(url, atMs, now.nowMs))) return skewed(aheadMs);
  const ttlMs = isShared ? told.ttlMs + Math.min(aheadMs, 0) : told.ttlMs;
  if (action === 'deregister') return leave(desk, { pool, url, ttlMs: 0 }, atMs, now.nowMs);
  return ttlMs > 0 ? register(desk, { pool, url, ttlMs }, endpoint, atMs, now.nowMs) : skewed(aheadMs);
}

/** `action` null: nothing of ours. */
function meantBy(path: string): { action: 'register' | 'deregister' | null; pool: string } {
  const match = /^\/api\/v1\/(register|deregister)\/([^/?#]+)$/.exec(path);
  try {
    if (match !== null) return { action: match[1] as 'register' | 'deregister', pool: decodeURIComponent(match[2]!) };
  } catch {
    // A path that cannot be decoded names no pool.
  }
  return { action: null, pool: '' };
}

function register(
  desk: Desk,
  registered: Registered,
  endpoint: Record<string, unknown>,
  atMs: number,
  nowMs: number,
): Registered | Refusal {
  const { book, source } = desk;
  const before = book.endpointAt(registered.url);
  const taken = book.register(registered.url, endpoint, registered.ttlMs, atMs, nowMs);
  if (taken !== 'taken') return refused(taken);
  if (before !== null && JSON.stringify(before) === JSON.stringify(endpoint)) source.renewed();
  else source.changed();
  return registered;
}

function leave({ book, source }: Desk, registered: Registered, atMs: number, nowMs: number): Registered | Refusal {
  const taken = book.leave(registered.url, atMs, nowMs);
  if (taken !== 'taken') return refused(taken);
  source.changed(registered.url);
  return registered;
}

function readBody(body: string): { ttlMs: number; endpoint: Record<string, unknown> } | Refusal {
  let told: unknown;
  try {
    told = JSON.parse(body);
  } catch {
    return unfit('the body is not JSON');
  }
  if (typeof told !== 'object' || told === null || Array.isArray(told)) return unfit('the body is not a JSON object');
  const { ttl, ...endpoint } = told as Record<string, unknown>;
  const ttlMs = ttl === undefined ? DEFAULT_TTL_MS : parseDuration(ttl);
  if (ttlMs !== null && ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS) return { ttlMs, endpoint };
  return unfit('ttl: expected a duration from 1s to 10m');
}

function skewed(aheadMs: number): Refusal {
  const by = Number.isFinite(aheadMs)
    ? `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
    : 'not told to';
  return {
    status: 401,
    code: 'clock_skew',
    message: `the sender's clock is ${by} this edge's; at most ${MAX_SKEW_MS / 1000} s are taken`,
  };
}

function refused(why: 'replayed' | 'full'): Refusal {
  if (why === 'full')
    return { status: 409, code: 'pool_full', message: 'the pool has as many endpoints as it can take' };
  return { status: 409, code: 'replayed', message: 'a later message of this endpoint has been taken already' };
}

function unfit(message: string): Refusal {
  return { status: 422, code: 'bad_registration', message };
}
