// The steady estimate behind the server term: the samples of one tick as one figure, and a level that knows how sure it is
// of itself. A tick's mean moves the level quickly only when it stands out of what the ticks' means do anyway; else noise
// would be taken for news, and equal endpoints would take turns at looking best. No clock: times come from the caller.

import { CLIP_MS, CLIP_RATIO, gainOf, peakGainOf } from './server.ts';

/** The samples of one endpoint since the last tick. */
export interface Batch {
  /** The last ones, at most `values.length`; times of the server, ms. */
  readonly values: Float64Array;
  count: number;
  /** Of those that count for the unloaded level: answers that were good. */
  goodCount: number;
  goodSum: number;
  inflightSum: number;
}

/** What one batch says. ms, ms². */
export interface BatchFigure {
  readonly count: number;
  readonly meanMs: number;
  /** Of single samples around their mean. */
  readonly variance: number;
  readonly meanInflight: number;
  /** Mean of the good ones; NaN without any. */
  readonly goodMs: number;
}

/** A level and its uncertainty. `ms` is NaN until the first figure. */
export interface Steady {
  ms: number;
  /** Usual square of the distance between a tick's mean and the level: whatever the ticks have in common is in it. */
  tickVariance: number;
  /** Of single samples. */
  variance: number;
  /** Ticks and samples so far. */
  ticks: number;
  samples: number;
  /** Of the level itself: below twice its root, a difference is none. */
  levelVariance: number;
}

const KEPT = 256;
/** Distances from the level, in standard errors: from here on a rise begins to be one, and here it is beyond doubt. */
const DOUBT = 1.5;
const SURE = 3.5;
const VARIANCE_TAU_MS = 5000;
/** The least error assumed of a tick: timers and scheduling are not independent from sample to sample. */
const FLOOR_RATIO = 0.01;
const FLOOR_MS = 0.05;

export function newBatch(): Batch {
  return { values: new Float64Array(KEPT), count: 0, goodCount: 0, goodSum: 0, inflightSum: 0 };
}

export function newSteady(): Steady {
  return { ms: Number.NaN, tickVariance: 0, variance: 0, ticks: 0, samples: 0, levelVariance: 0 };
}

/** Files a sample: `isGood` when it tells what an answer takes. Never throws; of a flood the last ones stay. */
export function batchAdd(batch: Batch, ms: number, inflight: number, isGood: boolean): void {
  batch.values[batch.count++ % KEPT] = ms;
  batch.inflightSum += inflight;
  if (!isGood) return;
  batch.goodCount++;
  batch.goodSum += ms;
}

/** What came together, and empties the batch. `levelMs` bounds what a single sample may say; NaN = no level yet. */
export function batchTake(batch: Batch, levelMs: number): BatchFigure {
  const kept = Math.min(batch.count, KEPT);
  const values = batch.values.subarray(0, kept);
  // One slow page is not a brownout: it counts for a few times the level at most.
  const most = clipOf(levelMs, values);
  let sum = 0;
  let squares = 0;
  for (const ms of values) sum += Math.min(ms, most);
  const meanMs = kept === 0 ? Number.NaN : sum / kept;
  for (const ms of values) squares += (Math.min(ms, most) - meanMs) ** 2;
  const figure = {
    count: batch.count,
    meanMs,
    variance: kept > 1 ? squares / (kept - 1) : 0,
    meanInflight: batch.inflightSum / Math.max(batch.count, 1),
    goodMs: batch.goodCount === 0 ? Number.NaN : batch.goodSum / batch.goodCount,
  };
  batch.count = 0;
  batch.goodCount = 0;
  batch.goodSum = 0;
  batch.inflightSum = 0;
  return figure;
}

function clipOf(levelMs: number, values: Float64Array): number {
  let level = levelMs;
  if (Number.isNaN(level)) {
    level = Number.POSITIVE_INFINITY;
    for (const ms of values) level = Math.min(level, ms);
  }
  return level * CLIP_RATIO + CLIP_MS;
}

/**
 * Takes a tick's figure in. Gives the weight it had, 0…1, for whatever has to move alike (the mean in-flight). Peak-
 * sensitive where it is sure: a rise that stands out is taken over 0.3 s, all else, either way, over 3 s.
 * Source: Finagle PeakEwma for the two speeds; significance as in Page's CUSUM chart, reduced to one step.
 */
export function steadyAfter(level: Steady, figure: BatchFigure, elapsedMs: number): number {
  const { count, meanMs } = figure;
  if (!(count > 0 && Number.isFinite(meanMs))) return 0;
  level.ticks++;
  level.samples += count;
  if (Number.isNaN(level.ms)) {
    level.ms = meanMs;
    level.variance = count > 1 ? figure.variance : (meanMs / 4) ** 2;
    level.tickVariance = level.variance / count;
    level.levelVariance = level.tickVariance;
    return 1;
  }
  const offMs = meanMs - level.ms;
  const single = count > 1 ? (level.variance + figure.variance) / 2 : level.variance;
  const floorMs = level.ms * FLOOR_RATIO + FLOOR_MS;
  const error = Math.max(single / count, Math.min(level.tickVariance, single), floorMs ** 2);
  const isSure = Math.min(Math.max((offMs / Math.sqrt(error) - DOUBT) / (SURE - DOUBT), 0), 1);
  // As many samples as there were weigh as much as they would have one by one.
  const slow = peakGainOf(elapsedMs, false, count);
  const moving = slow + (peakGainOf(elapsedMs, true, count) - slow) * isSure;
  // A level that stands on little gives way to a figure that stands on more (Kalman's gain).
  const learning = level.levelVariance / (level.levelVariance + error);
  const gain = Math.max(moving, Math.min(learning, peakGainOf(Number.POSITIVE_INFINITY, true, count)));
  level.ms += offMs * gain;
  // Plain means at first: what was assumed of a single sample must not last.
  const forget = gainOf(elapsedMs, VARIANCE_TAU_MS);
  const seen = count > 1 ? figure.variance : Math.min(offMs ** 2, 9 * Math.max(single, floorMs ** 2));
  level.tickVariance += (Math.min(offMs ** 2, 9 * error) - level.tickVariance) * Math.max(forget, 1 / level.ticks);
  level.variance += (seen - level.variance) * Math.max(forget * Math.min(count / 4, 1), count / level.samples);
  level.levelVariance = (1 - gain) ** 2 * level.levelVariance + gain ** 2 * error;
  return gain;
}
