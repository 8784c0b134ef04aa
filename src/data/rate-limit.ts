// Limits on the rate of requests (docs/limits.md): a request takes one out of the bucket of each limit of its route, or is turned
// away and takes none. The buckets are core/limit/table.ts's, shared by all workers; what other nodes let through is settled by
// the control plane, never from here.

import { CELL, EVENT } from '../core/cells.ts';
import { KeyHash } from '../core/key-hash.ts';
import { newRateTable, type RateRule, RateTable, rateRule, SHUT } from '../core/limit/table.ts';
import type { RateLimitSpec, RouteSpec } from '../core/snapshot.ts';
import { PROBLEM, type Problem, renderProblem, wantsJson } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { renderCallProblem } from './grpc.ts';
import { addKey } from './keyed.ts';
import { clientAddress } from './request.ts';
import { ENDING } from './settle.ts';

/** One limit of a route, ready to be asked. */
export interface RateLimit {
  readonly spec: RateLimitSpec;
  readonly rule: RateRule;
  /** What the names of its keys begin with. */
  readonly seedHi: number;
  readonly seedLo: number;
  readonly asksClient: boolean;
}

/** null = none, which costs a request one compare. */
export function rateLimitsOf({ rateLimits }: RouteSpec): readonly RateLimit[] | null {
  if (rateLimits.length === 0) return null;
  return rateLimits.map((spec) => {
    const { hi, lo } = new KeyHash().of(spec.identity);
    const rule = rateRule(spec.index, spec.ratePerS, spec.burst, spec.scope === 'fleet');
    return { spec, rule, seedHi: hi, seedLo: lo, asksClient: spec.key.kind === 'client' };
  });
}

/** Limits of one route at most. */
export const MAX_LIMITS = 8;

export class RateLimits {
  readonly #table: RateTable;
  readonly #hash = new KeyHash();
  /** Of the request in hand: what each limit has given it. */
  readonly #at = new Int32Array(MAX_LIMITS);
  readonly #took = new Int32Array(MAX_LIMITS);

  constructor(buffer: SharedArrayBuffer | null) {
    this.#table = new RateTable(buffer ?? newRateTable());
  }

  /**
   * Takes one out of every limit of the route. False = the request has been answered. On routes whose limits ask for it,
   * `ex.limitLines` tells the client how it stands.
   */
  admit(ex: Exchange, limits: readonly RateLimit[]): boolean {
    const table = this.#table;
    const { nowMs } = ex.plane.wheel;
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i]!;
      this.#at[i] = -1;
      if (!this.#name(ex, limit)) {
        if (limit.spec.onMissingKey === 'pass') continue;
        if (limit.spec.onMissingKey === 'refuse') return this.#refuse(ex, limits, i, PROBLEM.noLimitKey);
      }
      const isIn = table.take(limit.rule, this.#hash.hi, this.#hash.lo, nowMs);
      this.#at[i] = table.lastAt;
      this.#took[i] = table.lastInterval;
      if (!isIn) return this.#refuse(ex, limits, i, table.waitMs === SHUT ? PROBLEM.limitShut : PROBLEM.rateLimited);
      if (limit.spec.headers) ex.limitLines += linesOf(limit, table);
    }
    return true;
  }

  /** False = the request has no key; then the name is that of all who have none. */
  #name(ex: Exchange, limit: RateLimit): boolean {
    const hash = this.#hash;
    hash.begin(limit.seedHi, limit.seedLo);
    const isThere = addKey(hash, limit.spec.key, ex.head, limit.asksClient ? clientAddress(ex) : '');
    hash.end();
    return isThere;
  }

  /** What the limits before this one gave goes back: who is turned away has used nothing. */
  #refuse(ex: Exchange, limits: readonly RateLimit[], i: number, problem: Problem): false {
    const table = this.#table;
    const { waitMs } = table;
    const limit = limits[i]!;
    const lines = problem === PROBLEM.rateLimited ? linesOf(limit, table) : '';
    for (let k = 0; k < i; k++) table.giveBack(limits[k]!.rule, this.#at[k]!, this.#took[k]!);
    ex.limitLines = '';
    ex.plane.lane.count(CELL.EVENTS, EVENT.LIMITED, ex.route!.spec.uid, 0);
    const retryAfterS = problem === PROBLEM.rateLimited ? Math.max(secondsOf(waitMs), 1) : problem.retryAfterS;
    tell(ex, { ...problem, retryAfterS, details: limit.spec.name }, lines);
    return false;
  }
}

function tell(ex: Exchange, problem: Problem, lines: string): void {
  ex.books.ending = ENDING.REFUSED;
  ex.books.problem = problem;
  if (ex.isCall) return ex.reply(problem.status, renderCallProblem(problem) + lines, '', 200);
  const { fields, body } = renderProblem(problem, wantsJson(ex.head));
  ex.reply(problem.status, fields + lines, body);
}

/** Whole seconds, rounded up, but for what is only the rounding of a division. */
function secondsOf(ms: number): number {
  return Math.ceil(ms / 1000 - 1e-6);
}

/**
 * The bucket as the client may know it: the policy is what it holds and how long it takes to fill, the state what is left and
 * when it will be full. Source: draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.
 */
function linesOf({ spec }: RateLimit, table: RateTable): string {
  const { name, burst, fillS } = spec;
  const fullS = secondsOf(table.fullMs);
  return `RateLimit-Policy: "${name}";q=${burst};w=${fillS}\r\nRateLimit: "${name}";r=${table.left};t=${fullS}\r\n`;
}
