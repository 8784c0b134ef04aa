// Passive health: what the traffic says about one endpoint. Counts failures, says when they are reason enough to eject it,
// and keeps its sentence. Whether it may be ejected (never the last that answers) depends on the whole pool: mayEject().
// Latency never ejects, it only weighs; what a client causes never counts, or one client could eject them all.

import { OUTCOME, type Outcome } from './sample.ts';
import type { OutlierSpec } from './snapshot.ts';

export type EjectReason = 'connect' | 'reset' | 'timeout' | 'status' | 'ratio' | 'success-rate';

export interface Outlier {
  /** Failures in a row, and failed connects in a row. */
  failures: number;
  connects: number;
  /** Requests and failures in the last ten parts of the window; `part` is the number of the newest. */
  readonly total: Float64Array;
  readonly bad: Float64Array;
  part: number;
  /** How often it was ejected, less one for each time it behaved since. */
  times: number;
  isEjected: boolean;
  reason: EjectReason | null;
  atMs: number;
  untilMs: number;
  /** Good probes since the ejection. */
  good: number;
}

const PARTS = 10;
/** Failed connects in a row that are enough: nothing else is as certain, and nothing was lost but a moment. */
const CONNECTS = 3;
const MIN_REQUESTS = 20;
const MIN_RATIO = 0.5;
/** For so long, times the ejections before, good probes end no sentence, ms. */
const AGAIN_MS = 10_000;
/** Up to this much longer, so that endpoints ejected together do not return together. */
const JITTER = 0.1;

export function newOutlier(): Outlier {
  return {
    failures: 0,
    connects: 0,
    total: new Float64Array(PARTS),
    bad: new Float64Array(PARTS),
    part: 0,
    times: 0,
    isEjected: false,
    reason: null,
    atMs: 0,
    untilMs: 0,
    good: 0,
  };
}

/** Takes one attempt's outcome in. Gives why the endpoint should be ejected now, or null. */
export function settled(o: Outlier, outcome: Outcome, spec: OutlierSpec, atMs: number): EjectReason | null {
  if (outcome !== OUTCOME.OK && outcome < OUTCOME.CONNECT_FAILED) return null;
  turn(o, spec, atMs);
  const part = o.part % PARTS;
  o.total[part]!++;
  if (outcome === OUTCOME.OK) {
    o.failures = 0;
    o.connects = 0;
    return null;
  }
  o.bad[part]!++;
  o.failures++;
  o.connects = outcome === OUTCOME.CONNECT_FAILED ? o.connects + 1 : 0;
  if (o.isEjected) return null; // late answers to what was sent before
  if (o.connects >= Math.min(CONNECTS, spec.consecutive)) return 'connect';
  if (o.failures >= spec.consecutive) return reasonOf(outcome);
  const total = sumOf(o.total);
  return total >= MIN_REQUESTS && sumOf(o.bad) >= total * MIN_RATIO ? 'ratio' : null;
}

/** What an attempt that failed like this ejects for. */
export function reasonOf(outcome: Outcome): EjectReason {
  switch (outcome) {
    case OUTCOME.CONNECT_FAILED:
      return 'connect';
    case OUTCOME.RESET:
      return 'reset';
    case OUTCOME.TIMEOUT:
      return 'timeout';
    default:
      return 'status';
  }
}

/** Drops the parts of the window that have passed. */
function turn(o: Outlier, spec: OutlierSpec, atMs: number): void {
  const part = Math.floor((atMs * PARTS) / Math.max(spec.intervalMs, PARTS));
  if (part <= o.part) return;
  const passed = Math.min(part - o.part, PARTS);
  for (let i = 1; i <= passed; i++) {
    const at = (o.part + i) % PARTS;
    o.total[at] = 0;
    o.bad[at] = 0;
  }
  // The parts that were just cleared end at the old one + passed; beyond a whole window all are clear anyway.
  o.part = part;
}

function sumOf(parts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < parts.length; i++) sum += parts[i]!;
  return sum;
}

/** Requests and failures in the window as of `nowMs`. */
export function windowOf(o: Outlier, spec: OutlierSpec, nowMs: number): { total: number; bad: number } {
  turn(o, spec, nowMs);
  return { total: sumOf(o.total), bad: sumOf(o.bad) };
}

/**
 * Whether a pool of `size` of which `ejected` are out already may lose one more, after which `answering` would be left.
 * One whose connects fail is out whatever the limit, as long as another answers: it could serve nobody.
 */
export function mayEject(
  reason: EjectReason,
  size: number,
  ejected: number,
  answering: number,
  maxRatio: number,
): boolean {
  if (answering < 1) return false;
  return reason === 'connect' || ejected < Math.max(1, Math.floor(size * maxRatio));
}

/** Ejects: n-th time, n times as long, with jitter, up to the maximum. */
export function eject(o: Outlier, reason: EjectReason, spec: OutlierSpec, nowMs: number, random: () => number): void {
  o.times++;
  o.isEjected = true;
  o.reason = reason;
  o.atMs = nowMs;
  const ms = Math.min(spec.ejectionMs * o.times, spec.maxEjectionMs);
  o.untilMs = nowMs + ms * (1 + random() * JITTER);
  o.good = 0;
}

/**
 * A probe while it is ejected. Gives whether the sentence ends by it: `rise` good ones in a row end one for connects,
 * resets and time-outs, which a probe can judge; bad statuses are the application's, and run their time. Who was ejected
 * before stays out for ten seconds more each time: one that flaps is not to come back at every turn.
 */
export function probedOutlier(o: Outlier, ok: boolean, rise: number, nowMs: number): boolean {
  if (!o.isEjected) return false;
  o.good = ok ? o.good + 1 : 0;
  const canTell = o.reason === 'connect' || o.reason === 'reset' || o.reason === 'timeout';
  if (!canTell || o.good < rise || nowMs - o.atMs < AGAIN_MS * (o.times - 1)) return false;
  release(o);
  return true;
}

/** Time passes. Gives whether the sentence ends by it; one that behaved as long as it was out is forgiven one time. */
export function waited(o: Outlier, nowMs: number): boolean {
  if (o.isEjected) {
    if (nowMs < o.untilMs) return false;
    release(o);
    o.atMs = nowMs - (o.untilMs - o.atMs);
    o.untilMs = nowMs;
    return true;
  }
  const sentenceMs = o.untilMs - o.atMs;
  if (o.times > 0 && nowMs - o.untilMs > sentenceMs) {
    o.times--;
    o.atMs = nowMs - sentenceMs;
    o.untilMs = nowMs;
  }
  return false;
}

/** Out of ejection with a clean sheet: what it did before is punished, and would eject it again at its first failure. */
function release(o: Outlier): void {
  o.isEjected = false;
  o.failures = 0;
  o.connects = 0;
  o.total.fill(0);
  o.bad.fill(0);
}

const MIN_HOSTS = 5;
const MIN_HOST_REQUESTS = 100;
const SIGMAS = 1.9;
/** Below the mean by at least this: with σ near 0 a single error would be an outlier. */
const MIN_GAP = 0.05;

/**
 * Which of a pool's endpoints succeed clearly less often than their peers: indexes into the two arrays. Below mean − 1.9σ,
 * among at least five with at least 100 requests each in the window.
 * Source: Envoy, success rate outlier detection.
 */
export function successRateOutliers(total: readonly number[], bad: readonly number[]): number[] {
  const judged: number[] = [];
  for (let i = 0; i < total.length; i++) if (total[i]! >= MIN_HOST_REQUESTS) judged.push(i);
  if (judged.length < MIN_HOSTS) return [];
  const rateOf = (i: number) => 1 - bad[i]! / total[i]!;
  const mean = judged.reduce((sum, i) => sum + rateOf(i), 0) / judged.length;
  const variance = judged.reduce((sum, i) => sum + (rateOf(i) - mean) ** 2, 0) / judged.length;
  const least = mean - Math.max(SIGMAS * Math.sqrt(variance), MIN_GAP);
  return judged.filter((i) => rateOf(i) < least);
}
