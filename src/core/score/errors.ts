// Error term E: what the failures of an endpoint cost, in ms. A fast 503 must not look like a fast answer
// (linkerd2-proxy#4537), and an endpoint that asked for a pause (429 or 503 with Retry-After) gets one.

/** Fading counts: of answers and of bad ones among them. */
export interface Errors {
  total: number;
  bad: number;
  atMs: number;
  /** Until when, and since when, the endpoint asked to be spared. */
  retryUntilMs: number;
  retryFromMs: number;
}

/** Counts fade with this, so that a repaired home is found again within seconds. */
const FADE_TAU_MS = 3000;
/** As many good answers are assumed beforehand: one failure of one request is not 100 %. */
const PRIOR_TOTAL = 50;
const ERROR_COST_MS = 1000;
const MAX_RATIO = 0.9;
/** What a fresh Retry-After weighs, as a ratio of failures; and how long one is believed. */
const RETRY_RATIO = 0.5;
const RETRY_MAX_MS = 60_000;

export function newErrors(nowMs: number): Errors {
  return { total: 0, bad: 0, atMs: nowMs, retryUntilMs: 0, retryFromMs: 0 };
}

export function errorsAfter(e: Errors, isBad: boolean, retryAfterMs: number, atMs: number): void {
  const keep = Math.exp(-Math.max(atMs - e.atMs, 0) / FADE_TAU_MS);
  e.total = e.total * keep + 1;
  e.bad = e.bad * keep + (isBad ? 1 : 0);
  e.atMs = Math.max(e.atMs, atMs);
  if (retryAfterMs > 0 && atMs + Math.min(retryAfterMs, RETRY_MAX_MS) > e.retryUntilMs) {
    e.retryFromMs = atMs;
    e.retryUntilMs = atMs + Math.min(retryAfterMs, RETRY_MAX_MS);
  }
}

/**
 * 0…1: bad of all, leaning on 50 good ones, fading. The prior is purely good on purpose: with DESIGN's half a failure in
 * fifty an endpoint without traffic would carry 10 ms that one with traffic does not, and new ones would starve.
 */
export function errorRatio(e: Errors, nowMs: number): number {
  const keep = Math.exp(-Math.max(nowMs - e.atMs, 0) / FADE_TAU_MS);
  const counted = (e.bad * keep) / (e.total * keep + PRIOR_TOTAL);
  const left = e.retryUntilMs - nowMs;
  const asked = left > 0 ? (RETRY_RATIO * left) / (e.retryUntilMs - e.retryFromMs) : 0;
  return Math.max(counted, asked);
}

/** Factor on the time: on average 1/(1−p) attempts are needed for one success. ≥ 1, ≤ 10. */
export function errorFactor(ratio: number): number {
  return 1 / (1 - Math.min(ratio, MAX_RATIO));
}

/** Added to the time: what the failure itself is worth. ms. */
export function errorAddMs(ratio: number): number {
  return ERROR_COST_MS * ratio;
}
