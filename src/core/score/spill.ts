// Spill: what part of its draws an endpoint takes when more would come than it can carry. What it does not take goes to the
// next best, before a queue has to grow to say so. What it can carry is configured (`capacity`), or learned from its own
// refusals (429, or 503 with Retry-After): a rate limit is not a failure, and below it the endpoint is as good as ever.

export interface Spill {
  /** 0…1. */
  share: number;
  /** Requests a second that would come at a share of 1; NaN before any tick. */
  demandPerS: number;
  /** Learned from refusals; Infinity = never refused, or long ago. */
  limitPerS: number;
}

/** Of the capacity: at nine tenths of it a queue is longer than most detours (Erlang C, eight workers). */
const TARGET_RATIO = 0.85;
const DEMAND_TAU_MS = 1000;
/** Enough is left to be seen by. */
const MIN_SHARE = 0.02;
/** So many refusals, of so many, are a limit; fewer are the affair of a client that asks too much. A known one shows in less. */
const NEW_LIMIT = { refused: 2, ratio: 0.1 };
const KNOWN_LIMIT = { refused: 1, ratio: 0.03 };
/** After a refusal the limit is this part of what was accepted; then it is tried upwards by this part a second. */
const BACK_OFF = 0.95;
const GROWTH_PER_S = 0.03;
/** A limit this far above the demand is none. */
const FREE_RATIO = 2;

export function newSpill(): Spill {
  return { share: 1, demandPerS: Number.NaN, limitPerS: Number.POSITIVE_INFINITY };
}

/**
 * A tick of `elapsedMs` in which `requests` settled, `refused` of them by the endpoint itself. `capacity`: configured,
 * requests/s; 0 = unknown. Never throws.
 * Source: additive increase, multiplicative decrease: Chiu & Jain 1989, as in TCP.
 */
export function spillAfter(s: Spill, requests: number, refused: number, capacity: number, elapsedMs: number): void {
  if (!(elapsedMs > 0)) return;
  const perS = (requests * 1000) / elapsedMs;
  const demand = perS / s.share;
  const gain = 1 - Math.exp(-elapsedMs / DEMAND_TAU_MS);
  s.demandPerS = Number.isNaN(s.demandPerS) ? demand : s.demandPerS + (demand - s.demandPerS) * gain;
  const sign = s.limitPerS === Number.POSITIVE_INFINITY ? NEW_LIMIT : KNOWN_LIMIT;
  const isLimit = refused >= sign.refused && refused >= requests * sign.ratio && refused < requests;
  if (isLimit) {
    // Of one tick, and so by chance too low now and then: that costs a detour, too high costs refusals.
    const accepted = ((requests - refused) * 1000) / elapsedMs;
    s.limitPerS = Math.min(s.limitPerS, accepted * BACK_OFF);
  } else if (s.limitPerS !== Number.POSITIVE_INFINITY) {
    s.limitPerS *= 1 + (GROWTH_PER_S * elapsedMs) / 1000;
    if (s.limitPerS > s.demandPerS * FREE_RATIO) s.limitPerS = Number.POSITIVE_INFINITY;
  }
  s.share = untilFull(sustainedPerS(s, capacity), s.demandPerS);
}

/** Requests a second that are to come at most, by what was learned and `capacity`, 0 = unknown; Infinity = any. */
export function sustainedPerS({ limitPerS }: Spill, capacity: number): number {
  return Math.min(capacity > 0 ? capacity * TARGET_RATIO : Number.POSITIVE_INFINITY, limitPerS);
}

/** The part of its draws to be taken, 0…1, where `demandPerS` would come at a share of 1. */
export function untilFull(mayPerS: number, demandPerS: number): number {
  return Math.min(Math.max(mayPerS / Math.max(demandPerS, 1e-9), MIN_SHARE), 1);
}
