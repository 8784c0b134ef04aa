// Whether a request is let in at all, once its route is known: turned away it costs a look at a few numbers and one write, so
// that what was let in stays quick. Low routes leave a fifth of each limit on requests to others, and where there are high
// routes under it, normal ones leave them a tenth. While nothing is limited and nobody is shed, one look at
// `isOpen` is all.

import { CELL, EVENT, SHED } from '../core/cells.ts';
import { Census } from '../core/census.ts';
import { NONE, type Snapshot } from '../core/snapshot.ts';
import { PROBLEM, type Problem, SHED_PROBLEM } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Overload } from './overload.ts';
import type { Plane } from './plane.ts';
import { clientAddress } from './request.ts';

/** Of a limit on requests. */
const LOW_SHARE = 0.8;
const NORMAL_SHARE = 0.9;

/** RouteRuntime.rank: the higher, the longer it is served. */
export const RANK = { low: 0, normal: 1, high: 2 } as const;
type Rank = (typeof RANK)[keyof typeof RANK];

/** Bits of Exchange.ticket: what a request is counted in. */
const TICKET = { NODE: 1, CLIENT: 2, POOL: 4 } as const;

/** After the last request that was shed for a reason, it counts as a reason for this long. */
const FADE_MS = 5000;

export class Admission {
  readonly #plane: Plane;
  readonly #census: Census;
  readonly #overload: Overload;
  #hasLimits = false;
  #hasHigh = false;
  /** By uid: pools that high routes lead to. */
  readonly #highPools = new Set<number>();
  /** Portions of requests to be shed, still to be made whole: by rank. */
  readonly #debt = new Float64Array(3);
  /** By SHED code. */
  readonly #lastShedMs = new Float64Array(16).fill(Number.NEGATIVE_INFINITY);

  constructor(plane: Plane, census: Census, overload: Overload) {
    this.#plane = plane;
    this.#census = census;
    this.#overload = overload;
  }

  install({ limits, pools, routes }: Snapshot): void {
    this.#hasLimits = limits.requests > 0 || limits.requestsPerClient > 0 || pools.some(({ requests }) => requests > 0);
    const high = routes.filter(({ priority }) => priority === 'high');
    this.#hasHigh = high.length > 0;
    this.#highPools.clear();
    for (const { pool } of high) if (pool !== NONE) this.#highPools.add(pools[pool]!.uid);
  }

  /** Nobody is turned away, nothing is counted. */
  get isOpen(): boolean {
    return !this.#hasLimits && this.#overload.pressure === 0;
  }

  /** Why the request must not go further, or null: then `leave` is due at its end. */
  admit(ex: Exchange): Problem | null {
    const { pressure } = this.#overload;
    const rank = ex.route!.rank as Rank;
    if (pressure > rank && this.#isShed(rank, pressure)) {
      return this.shed(ex, this.#overload.isMemory ? SHED.MEMORY : SHED.LOOP);
    }
    return this.#hasLimits ? this.#count(ex, rank) : null;
  }

  leave(ex: Exchange): void {
    const { ticket } = ex;
    ex.ticket = 0;
    if ((ticket & TICKET.NODE) !== 0) this.#census.countRequest(-1);
    if ((ticket & TICKET.CLIENT) !== 0) this.#census.countRequestOf(ex.clientKey, -1);
    if ((ticket & TICKET.POOL) !== 0) this.#census.countRequestIn(ex.route!.pool!.spec.uid, -1);
  }

  /** Writes down that a request is turned away. */
  shed(ex: Exchange, reason: number): Problem {
    this.#plane.lane.count(CELL.EVENTS, EVENT.SHED, ex.route!.spec.uid, reason);
    this.#lastShedMs[reason] = this.#plane.wheel.nowMs;
    return SHED_PROBLEM[reason] ?? PROBLEM.overload;
  }

  /** The reasons for which requests were shed lately, a bit for each SHED code. */
  reasonsAt(nowMs: number): number {
    let bits = 0;
    for (let i = 0; i < this.#lastShedMs.length; i++) if (nowMs - this.#lastShedMs[i]! < FADE_MS) bits |= 1 << i;
    return bits;
  }

  /** Evenly: of a third, every third one. */
  #isShed(rank: Rank, pressure: number): boolean {
    const debt = this.#debt[rank]! + Math.min(1, pressure - rank);
    this.#debt[rank] = debt >= 1 ? debt - 1 : debt;
    return debt >= 1;
  }

  #count(ex: Exchange, rank: Rank): Problem | null {
    const census = this.#census;
    const { limits } = ex.generation.snapshot;
    const pool = ex.route!.pool?.spec ?? null;
    if (limits.requests > 0 && census.requests >= shareOf(limits.requests, rank, this.#hasHigh)) {
      return this.shed(ex, SHED.REQUESTS);
    }
    if (pool !== null && pool.requests > 0) {
      const share = shareOf(pool.requests, rank, this.#highPools.has(pool.uid));
      if (census.requestsIn(pool.uid) >= share) return this.shed(ex, SHED.POOL);
    }
    const client = limits.requestsPerClient > 0 ? clientAddress(ex) : '';
    if (client !== '') {
      const key = this.#keyOf(ex, client);
      if (census.requestsOf(key) >= limits.requestsPerClient) return this.shed(ex, SHED.CLIENT);
      census.countRequestOf(key, 1);
      ex.ticket |= TICKET.CLIENT;
    }
    if (limits.requests > 0) {
      census.countRequest(1);
      ex.ticket |= TICKET.NODE;
    }
    if (pool !== null && pool.requests > 0) {
      census.countRequestIn(pool.uid, 1);
      ex.ticket |= TICKET.POOL;
    }
    return null;
  }

  /** Mostly the next request of a connection is the same client's. */
  #keyOf(ex: Exchange, address: string): number {
    if (ex.clientKey !== 0 && ex.keyedAddress === address) return ex.clientKey;
    ex.keyedAddress = address;
    ex.clientKey = Census.keyOf(address);
    return ex.clientKey;
  }
}

/** How much of a limit a class may use up. */
function shareOf(limit: number, rank: Rank, hasHigh: boolean): number {
  if (rank === RANK.low) return Math.ceil(limit * LOW_SHARE);
  return rank === RANK.normal && hasHigh ? Math.ceil(limit * NORMAL_SHARE) : limit;
}
