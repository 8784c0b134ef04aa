// Error term E: what the failures of an endpoint cost, in ms. A fast 503 must not look like a fast answer
// (linkerd2-proxy#4537), and an endpoint that asked for a pause (429 or 503 with Retry-After) gets one.

/** Fading counts: of answers and of bad ones among them. */
export interface Errors {
  total: number;
  bad: number;
  /** Of the bad ones, those where nobody answered: connect, reset, time-out. */
  absent: number;
  atMs: number;
  /** Until when, and since when, the endpoint asked to be spared. */
  retryUntilMs: number;
  retryFromMs: number;
}

/** Under traffic counts fade with this: what was, is replaced by what is. */
const BUSY_TAU_MS = 3000;
/** Without any they fade with this: silence is no proof of recovery, and every wrong return costs real errors. */
const IDLE_TAU_MS = 40_000;
/** What is remembered is no more than so many answers, so that silence can end it. */
const MAX_TOTAL = 20;
/** A gap between answers beyond this is silence. */
const GAP_MS = 250;
/**
 * An endpoint is sound or broken. Sound ones fail rarely (as if half a failure in 500 had been seen), broken ones at any
 * ratio, and few are broken; which this one is, its failures tell.
 */
const SOUND = { bad: 0.5, good: 500 };
const BROKEN = { bad: 1, good: 2 };
const LN_ODDS_BROKEN = Math.log(0.001);
const ERROR_COST_MS = 1000;
const MAX_RATIO = 0.9;
/** What a fresh Retry-After weighs, as a ratio of failures; and how long one is believed. */
const RETRY_RATIO = 0.5;
const RETRY_MAX_MS = 60_000;

export function newErrors(nowMs: number): Errors {
  return { total: 0, bad: 0, absent: 0, atMs: nowMs, retryUntilMs: 0, retryFromMs: 0 };
}

export function errorsAfter(e: Errors, isBad: boolean, isAbsent: boolean, retryAfterMs: number, atMs: number): void {
  const keep = keepOf(atMs - e.atMs) * Math.min(1, MAX_TOTAL / (e.total + 1));
  e.total = e.total * keep + 1;
  e.bad = e.bad * keep + (isBad ? 1 : 0);
  e.absent = e.absent * keep + (isBad && isAbsent ? 1 : 0);
  e.atMs = Math.max(e.atMs, atMs);
  if (retryAfterMs > 0 && atMs + Math.min(retryAfterMs, RETRY_MAX_MS) > e.retryUntilMs) {
    e.retryFromMs = atMs;
    e.retryUntilMs = atMs + Math.min(retryAfterMs, RETRY_MAX_MS);
  }
}

/**
 * It answers again, says a probe. That nobody was there is history; that what was there answered badly is not: a probe does
 * not see what requests see.
 */
export function forgiveAbsence(e: Errors): void {
  e.total -= e.absent;
  e.bad -= e.absent;
  e.absent = 0;
}

/** 0…1: of these, those that the endpoint itself answered, or asked to be spared for; whatever the way to it. */
export function answeredRatio(e: Errors, nowMs: number): number {
  return errorRatio({ ...e, total: e.total - e.absent, bad: e.bad - e.absent }, nowMs);
}

/** What is left of the counts after `elapsedMs` without an answer. 0…1. */
function keepOf(elapsedMs: number): number {
  const busyMs = Math.min(Math.max(elapsedMs, 0), GAP_MS);
  return Math.exp(-busyMs / BUSY_TAU_MS - Math.max(elapsedMs - GAP_MS, 0) / IDLE_TAU_MS);
}

/** 0…1: the failures to expect of the next request. */
export function errorRatio(e: Errors, nowMs: number): number {
  const keep = keepOf(nowMs - e.atMs);
  const left = e.retryUntilMs - nowMs;
  const asked = left > 0 ? (RETRY_RATIO * left) / (e.retryUntilMs - e.retryFromMs) : 0;
  return Math.max(failureRatio(e.total * keep, e.bad * keep), asked);
}

/**
 * The ratio of failures to believe in after `bad` of `total`; both may be fractions. One failure of a few is hardly news,
 * four of fifteen leave no doubt: with one prior for all (DESIGN: half of fifty) the one would cost too much or the other
 * too little. 0 without any failure, or an endpoint without traffic would carry more than one with it, and new ones would
 * starve (tower#134).
 * Source: mixtures of conjugate priors, Diaconis & Ylvisaker 1985 ("spike and slab").
 */
export function failureRatio(total: number, bad: number): number {
  if (!(bad > 1e-6)) return 0;
  const good = Math.max(total - bad, 0);
  const lnOdds = LN_ODDS_BROKEN + lnLikelihood(BROKEN, bad, good) - lnLikelihood(SOUND, bad, good);
  const broken = 1 / (1 + Math.exp(-lnOdds));
  const ifBroken = (bad + Math.min(bad, BROKEN.bad)) / (total + BROKEN.bad + BROKEN.good);
  const ifSound = bad / (total + SOUND.good);
  return broken * ifBroken + (1 - broken) * ifSound;
}

/** Of `bad` failures and `good` answers, when the ratio is spread as Beta(`of.bad`, `of.good`). */
function lnLikelihood(of: { readonly bad: number; readonly good: number }, bad: number, good: number): number {
  return lnBeta(of.bad + bad, of.good + good) - lnBeta(of.bad, of.good);
}

function lnBeta(a: number, b: number): number {
  return lnGamma(a) + lnGamma(b) - lnGamma(a + b);
}

/** x > 0; exact to 1e-10. Source: Stirling's series after shifting x above 8; Abramowitz & Stegun 6.1.41. */
function lnGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 8; z++) shift += Math.log(z);
  const inverse = 1 / z;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return (z - 0.5) * Math.log(z) - z + 0.9189385332046727 + series - shift;
}

/** Factor on the time: on average 1/(1−p) attempts are needed for one success. ≥ 1, ≤ 10. */
export function errorFactor(ratio: number): number {
  return 1 / (1 - Math.min(ratio, MAX_RATIO));
}

/** Added to the time: what the failure itself is worth. ms. */
export function errorAddMs(ratio: number): number {
  return ERROR_COST_MS * ratio;
}
