// A router that knows everything at the moment of choice: the round trips, what every server has before it including what
// is still on its way, who is slow and who fails. It is what the others are measured against, and it tells of every choice
// of theirs whether it was a wrong one. It does not know the future, nor how long this very request will take.
// A server with c workers and one queue starts the next job when the first worker is free (Kiefer and Wolfowitz, 1955).

import { NONE } from '../../../src/core/snapshot.ts';
import type { Network } from './network.ts';
import { BURST_S, type Server, WORKERS } from './server.ts';

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
  /** 0 = not there yet. */
  readonly isPresent: Uint8Array;
  readonly #network: Network;
  readonly #servers: readonly Server[];
  readonly #serviceMs: number;

  /** `serviceMs`: of the mean job at a server that is not slow. */
  constructor(network: Network, servers: readonly Server[], serviceMs: number) {
    const endpoints = servers.length;
    this.#network = network;
    this.#servers = servers;
    this.#serviceMs = serviceMs;
    this.isPresent = new Uint8Array(endpoints).fill(1);
    this.#freeMs = new Float64Array(endpoints * WORKERS);
    this.#firstMs = new Float64Array(endpoints);
    this.#first = new Int32Array(endpoints);
    this.#tokens = new Float64Array(endpoints);
    this.#tokensAtMs = new Float64Array(endpoints);
  }

  /** What a request from `edge` to `e` costs, all told; its wait charged `charged` times. ms. */
  costOf(edge: number, e: number, nowMs: number, charged: number): number {
    const rttMs = this.#network.usualMs(edge, e);
    const server = this.#servers[e]!;
    if (!server.isUp || !this.admits(e, nowMs)) return rttMs + ERROR_MS;
    const waitMs = this.waitMs(e, nowMs + rttMs / 2);
    return rttMs + this.#serviceMs * server.slowness + charged * waitMs + ERROR_MS * server.failing;
  }

  /** The endpoint of least cost, or NONE. O(endpoints). */
  best(edge: number, nowMs: number, charged: number): number {
    let best: number = NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let e = 0; e < this.isPresent.length; e++) {
      if (this.isPresent[e] === 0) continue;
      const cost = this.costOf(edge, e, nowMs, charged);
      if (cost < least) {
        best = e;
        least = cost;
      }
    }
    return best;
  }

  /** How long a request that arrives at `atMs` would wait. ms. */
  waitMs(e: number, atMs: number): number {
    return Math.max(this.#firstMs[e]! - atMs, 0);
  }

  /** Whether the rate limit would let one more through. */
  admits(e: number, nowMs: number): boolean {
    const limit = this.#servers[e]!.limitPerS;
    if (limit === Number.POSITIVE_INFINITY) return true;
    const tokens = this.#tokens[e]! + ((nowMs - this.#tokensAtMs[e]!) * limit) / 1000;
    this.#tokens[e] = Math.min(tokens, limit * BURST_S);
    this.#tokensAtMs[e] = nowMs;
    return this.#tokens[e]! >= 1;
  }

  /** A request was sent that arrives at `atMs` and takes a worker for `serviceMs`. */
  sent(e: number, atMs: number, serviceMs: number): void {
    if (this.#servers[e]!.limitPerS !== Number.POSITIVE_INFINITY && this.#tokens[e]! >= 1) this.#tokens[e]!--;
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
