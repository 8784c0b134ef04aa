// Where the traffic of a row lives. Home moves only for a good reason, so that noise does not drag a region's requests to and
// fro: a challenger has to be clearly better for a while, and until then it is held back. Ranking itself is rank.ts's.

import type { Ranked, RankSpec } from './rank.ts';

/** The incumbent of a row: where its traffic lives, so that noise does not move it. */
export interface Home {
  /** Key of Ranked.home, or null before the first ranking. */
  key: string | null;
  sinceMs: number;
  /** Its usual score: a slow average, against which a sudden rise is told. NaN at first. */
  usualMs: number;
  usualAtMs: number;
  /** Since when another has been clearly better; NaN = none is. */
  aheadSinceMs: number;
  /** Moves for latency's sake, fading: the flapping that widens the margin. */
  flaps: number;
  /** Until when it is free to move: the measurements are only just coming in, or it was left in a hurry. */
  freeUntilMs: number;
  /** Where it was before a move for latency's sake: not free to go back there. */
  left: string | null;
  /** What requests pay while there is not room for all at home (price.ts); NaN = there is. */
  priceMs: number;
  pricedAtMs: number;
}

export type SwitchReason = 'start' | 'health' | 'recovery' | 'degraded' | 'faster';

const DWELL_MS = 10_000;
/** A challenger must have been ahead for this long: two ticks. */
const AHEAD_MS = 250;
const DEGRADED_RATIO = 1.5;
/** A home left in a hurry: the load that comes along shakes the new one too, and only then it shows which is the best. */
const HURRY_MS = 3000;
const USUAL_TAU_MS = 30_000;
const FLAP_TAU_MS = 60_000;
const MAX_FLAPS = 3;

export function newHome(nowMs: number, freeMs: number): Home {
  return {
    key: null,
    sinceMs: nowMs,
    usualMs: Number.NaN,
    usualAtMs: nowMs,
    aheadSinceMs: Number.NaN,
    flaps: 0,
    freeUntilMs: nowMs + freeMs,
    left: null,
    priceMs: Number.NaN,
    pricedAtMs: nowMs,
  };
}

/** What a challenger has to be better by. Doubles with every recent move for latency's sake. ms. */
function marginMs(scoreMs: number, spec: RankSpec, home: Home): number {
  return Math.max(scoreMs * spec.bandRatio, spec.bandMs) * 2 ** Math.min(Math.floor(home.flaps), MAX_FLAPS);
}

/**
 * Lets home move, or not: only to one that has been better by the margin on two ticks, ten seconds after the last move.
 * That damps challengers that improved; a home that got worse itself is left at once, and health waits for nothing.
 * `chosen` is sorted by score.
 */
export function settleHome(
  candidates: readonly Ranked[],
  chosen: readonly number[],
  spec: RankSpec,
  home: Home,
  nowMs: number,
): SwitchReason | null {
  const isFree = nowMs < home.freeUntilMs;
  const best = candidates[chosen.find((i) => !(isFree && candidates[i]!.home === home.left)) ?? chosen[0]!]!;
  const incumbentAt = chosen.find((i) => candidates[i]!.home === home.key);
  if (incumbentAt === undefined) {
    const reason = home.key === null || isFree ? 'start' : 'health';
    move(home, best, nowMs, false);
    return reason;
  }
  const incumbent = candidates[incumbentAt]!;
  const usualMs = home.usualMs;
  track(home, incumbent.scoreMs, nowMs);
  if (incumbent.home === best.home || best.scoreMs >= incumbent.scoreMs - marginMs(incumbent.scoreMs, spec, home)) {
    home.aheadSinceMs = Number.NaN;
    return null;
  }
  const reason = reasonToMove(best, incumbent, usualMs, spec, home, nowMs);
  if (reason === null) return null;
  if (isFree) resettle(home, best, nowMs);
  else move(home, best, nowMs, reason === 'faster' || reason === 'degraded');
  if (reason === 'degraded') home.freeUntilMs = nowMs + HURRY_MS;
  return reason;
}

function reasonToMove(
  best: Ranked,
  incumbent: Ranked,
  usualMs: number,
  spec: RankSpec,
  home: Home,
  nowMs: number,
): SwitchReason | null {
  if (nowMs < home.freeUntilMs) return 'start';
  if (best.isReturning) return 'recovery';
  if (incumbent.scoreMs > usualMs * DEGRADED_RATIO + spec.bandMs) return 'degraded';
  if (Number.isNaN(home.aheadSinceMs)) home.aheadSinceMs = nowMs;
  const isLong = nowMs - home.aheadSinceMs >= AHEAD_MS && nowMs - home.sinceMs >= DWELL_MS;
  return isLong ? 'faster' : null;
}

/** A move while it is free: the same move, better informed. */
function resettle(home: Home, to: Ranked, nowMs: number): void {
  home.key = to.home;
  home.usualMs = to.scoreMs;
  home.usualAtMs = nowMs;
  home.aheadSinceMs = Number.NaN;
}

function move(home: Home, to: Ranked, nowMs: number, isForLatency: boolean): void {
  home.left = isForLatency ? home.key : null;
  const faded = home.flaps * Math.exp(-(nowMs - home.sinceMs) / FLAP_TAU_MS);
  home.flaps = isForLatency ? faded + 1 : faded;
  // The first move is no flapping; only one that follows another within a minute widens the margin.
  if (isForLatency && faded < 0.3) home.flaps = 0.9;
  home.key = to.home;
  home.sinceMs = nowMs;
  home.usualMs = to.scoreMs;
  home.usualAtMs = nowMs;
  home.aheadSinceMs = Number.NaN;
}

/** Falls are the new usual at once; rises only over half a minute. */
function track(home: Home, scoreMs: number, nowMs: number): void {
  const gain = 1 - Math.exp(-(nowMs - home.usualAtMs) / USUAL_TAU_MS);
  home.usualMs = scoreMs > home.usualMs ? home.usualMs + (scoreMs - home.usualMs) * gain : scoreMs;
  home.usualAtMs = nowMs;
}

/**
 * A challenger that has to wait stands just outside the band of home: at the head of the overflow, should home be full. Not
 * the home that was left: what it can still carry is its to carry, at the price its live score names.
 */
export function hold(
  candidates: readonly Ranked[],
  chosen: readonly number[],
  spec: RankSpec,
  home: Home,
  holdMs: Float64Array,
): void {
  const incumbent = candidates[chosen.find((i) => candidates[i]!.home === home.key) ?? chosen[0]!]!;
  const least = incumbent.scoreMs - marginMs(incumbent.scoreMs, spec, home);
  const outside = incumbent.scoreMs * (1 + spec.bandRatio) + spec.bandMs + 0.01;
  for (const i of chosen) {
    const c = candidates[i]!;
    if (c.home !== home.key && c.home !== home.left && c.scoreMs < least && c.standbyMs === 0)
      holdMs[i] = outside - c.scoreMs;
  }
}
