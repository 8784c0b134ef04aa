// A router that knows everything at the moment of choice: the round trips, what every server has before it including what
// is still on its way, who is slow and who fails. It is what the others are measured against, and it tells of every choice
// of theirs whether it was a wrong one. It does not know the future, nor how long this very request will take.
// A server with c workers and one queue starts the next job when the first worker is free (Kiefer and Wolfowitz, 1955).

import { WORKERS } from './server.ts';

/** What an error counts. ms. */
export const ERROR_MS = 1000;

export class Oracle {
  /** When each worker of each endpoint will be free, given all that was sent; and the first of them. */
  readonly #freeMs: Float64Array;
  readonly #firstMs: Float64Array;
  readonly #first: Int32Array;
  /** Tokens of the rate limits, less what is on its way. */
  readonly #tokens: Float64Array;
  readonly #tokensAtMs: Float64Array;
  readonly limitPerS: Float64Array;

  constructor(endpoints: number) {
    this.#freeMs = new Float64Array(endpoints * WORKERS);
    this.#firstMs = new Float64Array(endpoints);
    this.#first = new Int32Array(endpoints);
    this.#tokens = new Float64Array(endpoints);
    this.#tokensAtMs = new Float64Array(endpoints);
    this.limitPerS = new Float64Array(endpoints).fill(Number.POSITIVE_INFINITY);
  }

  /** How long a request that arrives at `atMs` would wait. ms. */
  waitMs(e: number, atMs: number): number {
    return Math.max(this.#firstMs[e]! - atMs, 0);
  }

  /** Whether the rate limit would let one more through. */
  admits(e: number, nowMs: number): boolean {
    const limit = this.limitPerS[e]!;
    if (limit === Number.POSITIVE_INFINITY) return true;
    const tokens = this.#tokens[e]! + ((nowMs - this.#tokensAtMs[e]!) * limit) / 1000;
    this.#tokens[e] = Math.min(tokens, limit * 0.1);
    this.#tokensAtMs[e] = nowMs;
    return this.#tokens[e]! >= 1;
  }

  /** A request was sent that arrives at `atMs` and takes a worker for `serviceMs`. */
  sent(e: number, atMs: number, serviceMs: number): void {
    if (this.limitPerS[e]! !== Number.POSITIVE_INFINITY && this.#tokens[e]! >= 1) this.#tokens[e]!--;
    const from = e * WORKERS;
    this.#freeMs[from + this.#first[e]!] = Math.max(atMs, this.#firstMs[e]!) + serviceMs;
    this.#findFirst(e);
  }

  /** What was to come takes `ratio` times as long from now on; 0 = it is gone. */
  rescale(e: number, nowMs: number, ratio: number): void {
    for (let i = e * WORKERS; i < (e + 1) * WORKERS; i++) {
      this.#freeMs[i] = nowMs + Math.max(this.#freeMs[i]! - nowMs, 0) * ratio;
    }
    this.#findFirst(e);
  }

  #findFirst(e: number): void {
    const from = e * WORKERS;
    let first = 0;
    for (let i = 1; i < WORKERS; i++) if (this.#freeMs[from + i]! < this.#freeMs[from + first]!) first = i;
    this.#first[e] = first;
    this.#firstMs[e] = this.#freeMs[from + first]!;
  }
}
