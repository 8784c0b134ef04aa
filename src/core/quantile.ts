// Which time so many of the late answers of an endpoint stayed below: what "slow" means there, learned as answers come. Counts
// in buckets that grow by a tenth each, so that every quantile is right to a tenth of itself whatever the distribution, and
// that age by halving, so that the endpoint of an hour ago is forgotten. P² and frugal streaming hold less, but know one
// quantile each, and a heavy tail, which this is for, leads both astray.
// Source: Masson, Rim and Lee, "DDSketch", VLDB 2019; halving: Einziger, Friedman and Manes, "TinyLFU", 2017.

export interface Times {
  readonly counts: Float64Array;
  /** Sum of the counts. */
  total: number;
  halvedMs: number;
}

/** The first bucket ends here, ms … */
const LEAST_MS = 0.1;
/** … and each next one so much later. */
const GROWTH = 1.1;
const LOG_GROWTH = Math.log(GROWTH);
/** Up to 0.1 ms · 1.1^143, a minute and a half; the last one takes the rest. */
const BUCKETS = 144;
/** Halved at this count: then 2,048 are left, of which 41 lie above the 98th percentile. */
const MOST = 4096;
/** Halved after this time, too, as long as so many are left that a quantile still means something. */
const HALF_LIFE_MS = 30_000;
const KEPT = 256;

export function newTimes(nowMs: number): Times {
  return { counts: new Float64Array(BUCKETS), total: 0, halvedMs: nowMs };
}

/** Takes one time in; ms, ≥ 0. O(1) but for the halving, and allocates nothing. */
export function timesAdd(times: Times, ms: number, nowMs: number): void {
  const isOld = times.total >= 2 * KEPT && nowMs - times.halvedMs >= HALF_LIFE_MS;
  if (isOld || times.total >= MOST) halve(times, nowMs);
  times.counts[bucketOf(ms)]! += 1;
  times.total += 1;
}

function bucketOf(ms: number): number {
  if (!(ms > LEAST_MS)) return 0;
  return Math.min(Math.ceil(Math.log(ms / LEAST_MS) / LOG_GROWTH), BUCKETS - 1);
}

function halve(times: Times, nowMs: number): void {
  const { counts } = times;
  for (let i = 0; i < BUCKETS; i++) counts[i]! /= 2;
  times.total /= 2;
  times.halvedMs = nowMs;
}

/** What a part `quantile` (0…1) of the times stayed below; ms, at most a tenth too much. 0 when there are none. */
export function timesQuantile(times: Times, quantile: number): number {
  const { counts, total } = times;
  if (total === 0) return 0;
  let above = total * (1 - quantile);
  let i = BUCKETS - 1;
  // From above: the slow ones are fewer, and asked for.
  for (; i > 0; i--) {
    above -= counts[i]!;
    if (above < 0) break;
  }
  return LEAST_MS * GROWTH ** i;
}
