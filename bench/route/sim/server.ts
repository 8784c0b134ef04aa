// An endpoint that exists as numbers: some workers, one queue in order of arrival, a slow-down, failures, a rate limit. It
// keeps no clock and no calendar: whoever runs it says what time it is and hears what is to be begun.

import { NONE } from '../../../src/core/snapshot.ts';

export const WORKERS = 8;
/** Beyond this many waiting a request is refused with a 503. */
const QUEUE = 1000;
const RING = 1024;
/** A rate limit lets so much of a second's worth through at once. */
export const BURST_S = 0.1;

export class Server {
  /** Service takes so many times the usual. */
  slowness = 1;
  /** Chance of a 503, which comes at once. */
  failing = 0;
  /** Requests/s beyond which it answers 429; Infinity = no limit. */
  limitPerS = Number.POSITIVE_INFINITY;
  isUp = true;
  /** Counts up when it goes down: what was begun before is lost. */
  life = 0;
  busy = 0;
  #tokens = 0;
  #tokensAtMs = 0;
  readonly #queue = new Int32Array(RING);
  #head = 0;
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  get isFull(): boolean {
    return this.#waiting >= QUEUE;
  }

  /** Whether the rate limit lets one more through now; takes its token. */
  admits(nowMs: number): boolean {
    if (this.limitPerS === Number.POSITIVE_INFINITY) return true;
    const most = this.limitPerS * BURST_S;
    this.#tokens = Math.min(most, this.#tokens + ((nowMs - this.#tokensAtMs) * this.limitPerS) / 1000);
    this.#tokensAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  enqueue(id: number): void {
    this.#queue[(this.#head + this.#waiting++) & (RING - 1)] = id;
  }

  /** The one that has waited longest, or NONE. */
  dequeue(): number {
    if (this.#waiting === 0) return NONE;
    this.#waiting--;
    return this.#queue[this.#head++ & (RING - 1)]!;
  }

  /** Goes down or comes back. What waits must be dequeued by the caller first; what is being served is lost. */
  turn(isUp: boolean): void {
    this.isUp = isUp;
    this.life++;
    this.busy = 0;
  }
}
