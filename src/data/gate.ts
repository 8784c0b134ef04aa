// How many requests an endpoint is given at once, and who waits for his turn. The number is stated (an even share of it for
// each worker, since a worker cannot wake those that wait in another), or found out (core/gradient.ts: each worker finds its own
// share). Who waits is served by the priority of his route, then in the order of coming; low routes fill half of the queue only.
// Connections are the business of the groups (h1/group.ts, h2/group.ts, named.ts), which own a gate each and ask it first.

import { type Gradient, newGradient, observe } from '../core/gradient.ts';
import type { EndpointSpec, PoolSpec } from '../core/snapshot.ts';
import type { Plane } from './plane.ts';
import type { UpstreamEvents } from './sides.ts';

const LOW_QUEUE_SHARE = 0.5;
/** RouteRuntime.rank of a route that says nothing. */
export const NORMAL_RANK = 1;

export class Gate {
  readonly #plane: Plane;
  readonly #spec: EndpointSpec;
  #pool: PoolSpec;
  #limit = Number.POSITIVE_INFINITY;
  #gradient: Gradient | null = null;
  /** By rank. */
  readonly #waiting: readonly UpstreamEvents[][] = [[], [], []];
  #length = 0;

  constructor(plane: Plane, spec: EndpointSpec, pool: PoolSpec) {
    this.#plane = plane;
    this.#spec = spec;
    this.#pool = pool;
    this.#setLimit(pool);
  }

  /** As the Snapshot of now has it. What was found out stays. */
  install(pool: PoolSpec): void {
    const old = this.#pool;
    this.#pool = pool;
    const isSame =
      old.requestsPerEndpoint === pool.requestsPerEndpoint &&
      old.connectionsPerEndpoint === pool.connectionsPerEndpoint;
    if (!isSame) this.#setLimit(pool);
  }

  #setLimit({ requestsPerEndpoint, connectionsPerEndpoint }: PoolSpec): void {
    const { lanes, wheel } = this.#plane;
    this.#gradient = null;
    this.#limit = Number.POSITIVE_INFINITY;
    if (requestsPerEndpoint === 'auto') {
      // Where it is said what an endpoint can take, its share of the traffic is made by that.
      if (this.#spec.capacity > 0) return;
      this.#gradient = newGradient(Math.ceil(connectionsPerEndpoint / lanes), wheel.nowMs);
      this.#limit = this.#gradient.limit;
    } else if (requestsPerEndpoint > 0) this.#limit = Math.ceil(requestsPerEndpoint / lanes);
  }

  /** Requests at once; Infinity = as many as there are connections for. */
  get limit(): number {
    return this.#limit;
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** Whether one more request may go out. Whoever is not waiting yet has been counted in flight already. */
  hasRoom(isWaiting: boolean): boolean {
    if (this.#limit === Number.POSITIVE_INFINITY) return true;
    const out = this.#plane.lane.inflight[this.#spec.slot]! - this.#length;
    return isWaiting ? out < this.#limit : out <= this.#limit;
  }

  /** Whether the queue takes another one of this rank. */
  hasPlace(rank: number): boolean {
    const { queue } = this.#pool;
    return this.#length < (rank < NORMAL_RANK ? Math.ceil(queue * LOW_QUEUE_SHARE) : queue);
  }

  await(user: UpstreamEvents, rank: number): void {
    this.#waiting[rank]!.push(user);
    this.#length++;
  }

  /** Whose turn it is; undefined = nobody's. */
  next(): UpstreamEvents | undefined {
    if (this.#length === 0) return undefined; // shifting nothing is dear, too
    this.#length--;
    return this.#waiting[2]!.shift() ?? this.#waiting[1]!.shift() ?? this.#waiting[0]!.shift();
  }

  /** Takes a waiter out of the queue. */
  cancel(user: UpstreamEvents): void {
    for (const list of this.#waiting) {
      const at = list.indexOf(user);
      if (at < 0) continue;
      list.splice(at, 1);
      this.#length--;
      return;
    }
  }

  /**
   * A request has ended that took `ms` to its first byte, or to its failure; negative = that says nothing. A failure says
   * something only when it was slow: an endpoint that turns requests away at once is not what it is when it is well.
   */
  learn(ms: number, nowMs: number, isGood: boolean): void {
    const g = this.#gradient;
    if (g === null || ms < 0 || (!isGood && !(ms >= g.baseMs))) return;
    observe(g, ms, this.#plane.lane.inflight[this.#spec.slot]! - this.#length + 1, nowMs);
    this.#limit = g.limit;
  }
}
