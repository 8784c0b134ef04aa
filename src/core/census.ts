// How many client connections and requests the node holds, per client, per pool and in all, without a lock: every worker
// writes a row of its own and sums over all rows, so that a limit stated per node is one over several workers. Clients are
// counted by a hash of their address (IPv4 whole, IPv6 by /64), so two may share a count now and then; the limit is a fence
// against floods, not an account. Two workers may count one each at the same moment: a limit can be passed by workers - 1.
//
//   row of a worker:   connections │ … by client (BUCKETS) │ requests │ … by client (BUCKETS) │ requests by pool (POOLS)

import { parseCidr } from './ip.ts';

const BUCKETS = 16_384; // a power of two; two of 100 busy clients collide with a chance of about 1/160 each
/** By uid, a power of two. Uids of a process that has known more names than that share a count. */
const POOLS = 4096;
const AT_REQUESTS = BUCKETS + 1;
const AT_POOLS = 2 * (BUCKETS + 1);
const ROW = AT_POOLS + POOLS;

/** Room for `lanes` rows, zeroed. */
export function newCensus(lanes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(lanes * ROW * 4);
}

/** Forgets what a dead worker held. */
export function clearCensus(buffer: SharedArrayBuffer, lane: number): void {
  new Int32Array(buffer, lane * ROW * 4, ROW).fill(0);
}

export class Census {
  readonly #all: Int32Array;
  readonly #own: Int32Array;
  readonly #lanes: number;

  constructor(buffer: SharedArrayBuffer, lane: number) {
    this.#all = new Int32Array(buffer);
    this.#own = this.#all.subarray(lane * ROW, (lane + 1) * ROW);
    this.#lanes = this.#all.length / ROW;
  }

  /** The key that `enter` and `leave` take. 1 … 16384. */
  static keyOf(address: string): number {
    // The name of the /64, not the text before it: `::` may stand for any of its groups.
    const text = address.includes(':') ? (parseCidr(`${address}/64`)?.text ?? address) : address;
    let hash = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return ((hash ^ (hash >>> 15)) & (BUCKETS - 1)) + 1;
  }

  /** Connections in all. */
  get connections(): number {
    return this.#sum(0);
  }

  /** Counts one connection in, unless that would pass a limit (0 = none). */
  enter(key: number, limit: number, clientLimit: number): boolean {
    if (limit > 0 && this.#sum(0) >= limit) return false;
    if (clientLimit > 0 && this.#sum(key) >= clientLimit) return false;
    this.#own[0]! += 1;
    this.#own[key]! += 1;
    return true;
  }

  leave(key: number): void {
    this.#own[0]! -= 1;
    this.#own[key]! -= 1;
  }

  // ── requests in flight: whoever counts one in looks first ────────────────────────────────────────────────────────

  get requests(): number {
    return this.#sum(AT_REQUESTS);
  }

  /** By `by`: 1 or -1. */
  countRequest(by: number): void {
    this.#own[AT_REQUESTS]! += by;
  }

  /** `key` as in `enter`. */
  requestsOf(key: number): number {
    return this.#sum(AT_REQUESTS + key);
  }

  countRequestOf(key: number, by: number): void {
    this.#own[AT_REQUESTS + key]! += by;
  }

  /** `uid` of a pool. */
  requestsIn(uid: number): number {
    return this.#sum(AT_POOLS + (uid & (POOLS - 1)));
  }

  countRequestIn(uid: number, by: number): void {
    this.#own[AT_POOLS + (uid & (POOLS - 1))]! += by;
  }

  #sum(at: number): number {
    let n = 0;
    for (let lane = 0; lane < this.#lanes; lane++) n += this.#all[lane * ROW + at]!;
    return n;
  }
}
