// When a second attempt beside the first is due, and what it may cost: one of these a pool that hedges, per worker. What "slow"
// means is learned, for each endpoint and for the pool as a whole. The attempt itself: hedge.ts.
// Source: Dean and Barroso, "The tail at scale", CACM 2013: hedged requests, deferred to a quantile.

import { type Budget, newBudget } from '../core/budget.ts';
import { newTimes, type Times, timesAdd, timesQuantile } from '../core/quantile.ts';
import { OUTCOME, type Outcome } from '../core/sample.ts';
import type { HedgeSpec } from '../core/snapshot.ts';
import { NEVER } from './wheel.ts';

/** So many answers have to lie beyond a quantile before it is believed. */
const BEYOND = 2;
/** Tokens that are left to those who have waited longer: what a second attempt gains most for. */
const RESERVE = 10;

export class Hedging {
  readonly spec: HedgeSpec;
  readonly budget: Budget;
  /** The quantile that the budget can pay for: beyond an earlier one are more requests than it has tokens. */
  readonly #latest: number;
  readonly #all: Times;
  readonly #bySlot: (Times | undefined)[] = [];

  constructor(spec: HedgeSpec, nowMs: number) {
    this.spec = spec;
    // A pool with few requests saves up for one hedge, however long that takes.
    this.budget = newBudget(spec.budgetRatio, 0, nowMs, 1);
    this.#latest = Math.max(spec.quantile, 1 - spec.budgetRatio);
    this.#all = newTimes(nowMs);
  }

  /** Takes over what was learned of an endpoint before a reload. */
  inherit(before: Hedging, slot: number): void {
    this.#bySlot[slot] = before.#bySlot[slot];
  }

  /**
   * What one attempt at the endpoint in `slot` teaches. `firstByteMs` -1 = none came within `waitedMs`, and then the wait
   * was longer: that counts where it is longer than usual anyway, or the answers that nobody waited for would be missing among
   * the slow ones.
   */
  learn(slot: number, outcome: Outcome, firstByteMs: number, waitedMs: number, nowMs: number): void {
    const times = this.#timesOf(slot, nowMs);
    if (firstByteMs >= 0) {
      if (outcome >= OUTCOME.TOO_MANY) return; // failing quickly is no merit
      timesAdd(times, firstByteMs, nowMs);
      timesAdd(this.#all, firstByteMs, nowMs);
    } else if (outcome === OUTCOME.OUTRUN || outcome === OUTCOME.TIMEOUT || outcome === OUTCOME.CLIENT_GONE) {
      if (waitedMs > timesQuantile(times, this.spec.quantile)) timesAdd(times, waitedMs, nowMs);
      if (waitedMs > timesQuantile(this.#all, this.spec.quantile)) timesAdd(this.#all, waitedMs, nowMs);
    }
  }

  /** How long to wait for the endpoint in `slot` at least before another is asked, ms; NEVER while too little is known. */
  delayMs(slot: number): number {
    const { quantile } = this.spec;
    const own = this.#bySlot[slot];
    if (own !== undefined && isKnown(own, quantile)) return timesQuantile(own, quantile);
    return isKnown(this.#all, quantile) ? timesQuantile(this.#all, quantile) : NEVER;
  }

  /**
   * How much longer one that has waited for `waitedMs` has to; 0 = it may be now, if there is a token. Who has just passed
   * the quantile may have what is plenty, the rest is for those beyond the one that the budget can pay for.
   */
  moreMs(slot: number, waitedMs: number): number {
    const earlyMs = this.delayMs(slot) - waitedMs;
    if (earlyMs > 0 || this.budget.tokens > RESERVE) return Math.max(0, earlyMs);
    const own = this.#bySlot[slot];
    const latestMs = timesQuantile(own !== undefined && isKnown(own, this.#latest) ? own : this.#all, this.#latest);
    return Math.max(0, latestMs - waitedMs);
  }

  #timesOf(slot: number, nowMs: number): Times {
    const times = this.#bySlot[slot];
    if (times !== undefined) return times;
    while (this.#bySlot.length < slot) this.#bySlot.push(undefined); // never an array with holes
    const fresh = newTimes(nowMs);
    this.#bySlot[slot] = fresh;
    return fresh;
  }
}

function isKnown(times: Times, quantile: number): boolean {
  return times.total * (1 - quantile) >= BEYOND;
}
