// The budget of a pool for requests beyond its clients': retries may add only so much to the load of endpoints that already
// fail, hedges only so much to that of all. A token bucket over ten seconds, per worker: each request puts in a fraction, each
// extra one takes a token, and a trickle lets quiet pools retry. A retry that fails, too, takes more: where all endpoints fail
// alike, the budget that a partial failure needs would be a fifth more load for nothing.
// Source: Finagle's RetryBudget; the price of failing: the retry quota of the AWS SDKs (five a retry, given back on success).

export interface Budget {
  tokens: number;
  atMs: number;
  /** Tokens per request. */
  readonly ratio: number;
  /** Tokens per second on top. */
  readonly perSecond: number;
  /** So many tokens, once put in, are kept for as long as it takes. */
  readonly kept: number;
}

/** What is put in is forgotten after this time if it was not used. */
const WINDOW_S = 10;

/** What a retry costs that fails, too; one when it began, the rest when it turns out. */
const FAILED_COST = 5;

/** `ratio`: tokens per request. `perSecond`: on top; workers divide it among them, they cannot see each other's bucket. */
export function newBudget(ratio: number, perSecond: number, nowMs: number, kept = 0): Budget {
  return { tokens: perSecond * WINDOW_S, atMs: nowMs, ratio, perSecond, kept };
}

/** Fading is reckoned in steps: an exponential per request would cost more than the rest of the budget. */
const STEP_S = 0.05;

/** A request has come. */
export function deposit(budget: Budget, nowMs: number): void {
  settle(budget, nowMs);
  budget.tokens += budget.ratio;
}

/** Takes one retry out; false when the budget is spent. */
export function take(budget: Budget, nowMs: number): boolean {
  settle(budget, nowMs);
  // A thousandth of slack: five deposits of 0.2 are one token, whatever binary fractions say.
  if (budget.tokens < 0.999) return false;
  budget.tokens -= 1;
  return true;
}

/** What was taken was of no use: it failed, too. */
export function fine(budget: Budget): void {
  budget.tokens = Math.max(0, budget.tokens - (FAILED_COST - 1));
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
