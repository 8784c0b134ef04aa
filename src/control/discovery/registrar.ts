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

/** A request as it came. */
export interface Registration {
  readonly action: 'register' | 'deregister';
  readonly pool: string;
  readonly method: string;
  /** As it stands in the request line. */
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

const UNAUTHORIZED: Refusal = {
  status: 401,
  code: 'unauthorized',
  message: 'no pool of this name takes registrations that are signed like this',
};
/** So that an unknown pool takes as long as a wrong signature. */
const NOBODYS_TOKEN = 'nobody';

/** `nowMs` monotonic, `wallMs` the wall clock. Never throws. */
export function take(request: Registration, desk: Desk | null, nowMs: number, wallMs: number): Registered | Refusal {
  const { method, path, body, signature, pool } = request;
  const atMs = /^\d{13}$/.test(request.timestamp ?? '') ? Number(request.timestamp) : Number.NaN;
  const message: Message = { method, path, atMs, body };
  const token = desk?.spec.from.kind === 'registry' ? desk.spec.from.token : NOBODYS_TOKEN;
  const isSigned = isSignedBy(token, message, signature ?? '');
  if (!isSigned || desk === null) return UNAUTHORIZED;
  const aheadMs = atMs - wallMs;
  if (!(Math.abs(aheadMs) <= MAX_SKEW_MS)) return skewed(aheadMs);
  const told = readBody(body);
  if ('status' in told) return told;
  const { ttlMs, endpoint } = told;
  const { endpoints, problems } = judge([{ at: 'registration', endpoint }], desk.spec);
  const [found] = endpoints;
  if (found === undefined) return unfit(problems[0] ?? 'no endpoint');
  const { url } = found;
  return request.action === 'register'
    ? register(desk, { pool, url, ttlMs }, endpoint, atMs, nowMs)
    : leave(desk, { pool, url, ttlMs: 0 }, atMs, nowMs);
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
