// How often somebody may try to log in. Counted by network: counted for all together, whoever kept guessing would keep the
// operator out. That guessers have many addresses is no reason against it, since a token is a secret that is too long to be
// guessed, here or in an Authorization field, which nothing slows. Bounded, and forgotten as soon as it says nothing any more.

import { canonicalIp, parseCidr } from '../../core/ip.ts';

/** Tries a second, and as many at once. */
const TRIES_PER_S = 5;
/** Networks that are told apart; the others share one measure. As many as there may be connections. */
const MAX_NETWORKS = 256;
const OTHERS = 'others';

interface Bucket {
  left: number;
  atMs: number;
}

export class Tries {
  readonly #buckets = new Map<string, Bucket>();

  /** Whether there is one left for who comes from this address; then it is used up. `dateMs` may go back. */
  take(from: string, dateMs: number): boolean {
    const bucket = this.#bucketOf(networkOf(from), dateMs);
    bucket.left = leftOf(bucket, dateMs);
    bucket.atMs = dateMs;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  #bucketOf(network: string, dateMs: number): Bucket {
    const known = this.#buckets.get(network);
    if (known !== undefined) return known;
    if (this.#buckets.size >= MAX_NETWORKS) this.#forget(dateMs);
    if (this.#buckets.size >= MAX_NETWORKS && network !== OTHERS) return this.#bucketOf(OTHERS, dateMs);
    const bucket = { left: TRIES_PER_S, atMs: dateMs };
    this.#buckets.set(network, bucket);
    return bucket;
  }

  /** Those that are as if they were new. */
  #forget(dateMs: number): void {
    for (const [network, bucket] of this.#buckets) {
      if (leftOf(bucket, dateMs) >= TRIES_PER_S) this.#buckets.delete(network);
    }
  }
}

function leftOf({ left, atMs }: Bucket, dateMs: number): number {
  return Math.min(left + (Math.max(dateMs - atMs, 0) / 1000) * TRIES_PER_S, TRIES_PER_S);
}

/** Who has one IPv6 address has all 2⁶⁴ of its network. */
export function networkOf(address: string): string {
  const ip = canonicalIp(address) ?? address;
  return ip.includes(':') ? (parseCidr(`${ip}/64`)?.text ?? ip) : ip;
}
