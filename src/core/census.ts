// How many client connections the node holds, per client and in all, without a lock: every worker writes a row of its
// own and sums over all rows. Clients are counted by a hash of their address (IPv4 whole, IPv6 by /64), so two may share
// a count now and then; the limit is a fence against floods, not an account.

import { parseCidr } from './ip.ts';

const BUCKETS = 16_384; // a power of two; two of 100 busy clients collide with a chance of about 1/160 each

/** Room for `lanes` rows, zeroed. */
export function newCensus(lanes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(lanes * (BUCKETS + 1) * 4);
}

/** Forgets what a dead worker held. */
export function clearCensus(buffer: SharedArrayBuffer, lane: number): void {
  new Int32Array(buffer, lane * (BUCKETS + 1) * 4, BUCKETS + 1).fill(0);
}

export class Census {
  readonly #all: Int32Array;
  readonly #own: Int32Array;
  readonly #lanes: number;

  constructor(buffer: SharedArrayBuffer, lane: number) {
    this.#all = new Int32Array(buffer);
    this.#own = this.#all.subarray(lane * (BUCKETS + 1), (lane + 1) * (BUCKETS + 1));
    this.#lanes = this.#all.length / (BUCKETS + 1);
  }

  /** The key that `enter` and `leave` take. 1 … 16384. */
  static keyOf(address: string): number {
    // The name of the /64, not the text before it: `::` may stand for any of its groups.
    const text = address.includes(':') ? (parseCidr(`${address}/64`)?.text ?? address) : address;
    let hash = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return ((hash ^ (hash >>> 15)) & (BUCKETS - 1)) + 1;
  }

  /** Counts one connection in, unless that would pass a limit (0 = none). Another worker may count one at the same moment. */
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

  #sum(at: number): number {
    let n = 0;
    for (let lane = 0; lane < this.#lanes; lane++) n += this.#all[lane * (BUCKETS + 1) + at]!;
    return n;
  }
}
