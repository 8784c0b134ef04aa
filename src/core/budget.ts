// The budget of a pool for requests beyond its clients': retries may add only so much to the load of endpoints that already
// fail, hedges only so much to that of all. A token bucket over ten seconds, per worker: each request puts in a fraction, each
// extra one takes a token, and a trickle lets quiet pools retry. Where most attempts fail an extra one costs more: in a total
// outage, what was put in while all was well would be a fifth of ten seconds' load more, at once and for nothing.
// Source: Finagle's RetryBudget; retries that cost more when they are of less use: the retry quota of the AWS SDKs.

export interface Budget {
  tokens: number;
  atMs: number;
  /** Tokens per request. */
  readonly ratio: number;
  /** Tokens per second on top. */
  readonly perSecond: number;
  /** So many tokens, once put in, are kept for as long as it takes. */
  readonly kept: number;
  /** The part of the last attempts that was well, 0…1. */
  good: number;
}

/** What is put in is forgotten after this time if it was not used. */
const WINDOW_S = 10;

/** So many attempts are "the last" ones: few enough that an outage shows before the bucket is empty. */
const JUDGED = 16;
/** As long as this part is well, an extra one costs one token … */
const ENOUGH = 0.5;
/** … and at most so many when none is: it still has to be tried now and then. */
const MAX_COST = 20;

/** `ratio`: tokens per request. `perSecond`: on top; workers divide it among them, they cannot see each other's bucket. */
export function newBudget(ratio: number, perSecond: number, nowMs: number, kept = 0): Budget {
  return { tokens: perSecond * WINDOW_S, atMs: nowMs, ratio, perSecond, kept, good: 1 };
}

/** Fading is reckoned in steps: an exponential per request would cost more than the rest of the budget. */
const STEP_S = 0.05;

/** A request has come. */
export function deposit(budget: Budget, nowMs: number): void {
  settle(budget, nowMs);
  budget.tokens += budget.ratio;
}

/** An attempt has ended, well or not. */
export function judge(budget: Budget, isGood: boolean): void {
  budget.good += ((isGood ? 1 : 0) - budget.good) / JUDGED;
}

/** Takes one extra attempt out; false when the budget is spent. */
export function take(budget: Budget, nowMs: number): boolean {
  if (!affords(budget, nowMs)) return false;
  budget.tokens -= costOf(budget);
  return true;
}

/** Whether one could be taken out. */
export function affords(budget: Budget, nowMs: number): boolean {
  settle(budget, nowMs);
  // A thousandth of slack: five deposits of 0.2 are one token, whatever binary fractions say.
  return budget.tokens >= costOf(budget) - 0.001;
}

function costOf({ good }: Budget): number {
  return good >= ENOUGH ? 1 : Math.min(ENOUGH / good, MAX_COST);
}

/** What was taken was not needed after all. */
export function giveBack(budget: Budget): void {
  budget.tokens += 1;
}

/**
 * Deposits fade over the window instead of falling out of it one by one, the trickle flows in: at rest the bucket holds
 * ten seconds' worth of it.
 */
function settle(budget: Budget, nowMs: number): void {
  const elapsedS = (nowMs - budget.atMs) / 1000;
  if (elapsedS < STEP_S) return;
  const restAt = Math.max(budget.perSecond * WINDOW_S, Math.min(budget.tokens, budget.kept));
  budget.tokens = restAt + (budget.tokens - restAt) * Math.exp(-elapsedS / WINDOW_S);
  budget.atMs = nowMs;
}
