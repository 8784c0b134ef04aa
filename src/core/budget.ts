// The retry budget of a pool: retries may add only so much to the load of endpoints that already fail. A token bucket over
// ten seconds, per worker: each request puts in a fraction, each retry takes one, and a trickle lets quiet pools retry.
// Source: Finagle's RetryBudget; DESIGN section 6.

export interface Budget {
  tokens: number;
  atMs: number;
  /** Tokens per request. */
  readonly ratio: number;
  /** Tokens per second on top. */
  readonly perSecond: number;
}

/** What is put in is forgotten after this time if it was not used. */
const WINDOW_S = 10;

/** `ratio`: tokens per request. `perSecond`: on top; workers divide it among them, they cannot see each other's bucket. */
export function newBudget(ratio: number, perSecond: number, nowMs: number): Budget {
  return { tokens: perSecond * WINDOW_S, atMs: nowMs, ratio, perSecond };
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

/**
 * Deposits fade over the window instead of falling out of it one by one, the trickle flows in: at rest the bucket holds
 * ten seconds' worth of it.
 */
function settle(budget: Budget, nowMs: number): void {
  const elapsedS = (nowMs - budget.atMs) / 1000;
  if (elapsedS < STEP_S) return;
  const restAt = budget.perSecond * WINDOW_S;
  budget.tokens = restAt + (budget.tokens - restAt) * Math.exp(-elapsedS / WINDOW_S);
  budget.atMs = nowMs;
}
