// Figures over weighted observations: quantiles, and what another policy would have met with, estimated from what this one
// happened to try. Pure.

export interface Weighted {
  readonly value: number;
  readonly weight: number;
}

/** NaN for none. */
export function meanOf(all: readonly Weighted[]): number {
  let sum = 0;
  let weights = 0;
  for (const { value, weight } of all) {
    sum += value * weight;
    weights += weight;
  }
  return sum / weights;
}

/** The least value with at least this part of the weight at or below it; NaN for none. 0 < `part` ≤ 1. */
export function quantileOf(all: readonly Weighted[], part: number): number {
  const sorted = [...all].sort((a, b) => a.value - b.value);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  let below = 0;
  for (const { value, weight } of sorted) {
    below += weight;
    if (below >= total * part) return value;
  }
  return Number.NaN;
}

/** At most `count` values that stand for all: evenly spaced quantiles. */
export function thinned(values: readonly number[], count: number): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length <= count) return sorted;
  return Array.from({ length: count }, (_, i) => sorted[Math.floor(((i + 0.5) / count) * sorted.length)]!);
}

/** What one request met with, and how likely it was to go there: then, and under the other policy. */
export interface Trial {
  readonly value: number;
  /** It stands for so many. */
  readonly weight: number;
  readonly propensity: number;
  readonly otherPropensity: number;
}

export interface OffPolicy {
  /** Of the other policy, self-normalised; NaN when it would have gone nowhere that was tried. */
  readonly mean: number;
  readonly count: number;
  /** How many plain observations of the other policy these are worth (Kish). */
  readonly effective: number;
  /** The part of the other policy's choices that the tried ones stand for; 0…1. */
  readonly covered: number;
  /** Enough is known for the mean to mean something. */
  readonly isSupported: boolean;
}

/** Fewer effective observations, or less of the policy covered, and the mean is chance. */
const LEAST_EFFECTIVE = 50;
const LEAST_COVERED = 0.8;

/**
 * Mean under a policy that was not run: every observation counts by how much likelier that policy makes it.
 * Sources: Horvitz & Thompson, "A generalization of sampling without replacement", 1952; self-normalised, since single weights
 * are wild: Swaminathan & Joachims, "The self-normalized estimator for counterfactual learning", 2015; effective size: Kish 1965.
 */
export function offPolicy(trials: readonly Trial[]): OffPolicy {
  let sum = 0;
  let weights = 0;
  let squares = 0;
  let plain = 0;
  for (const { value, weight, propensity, otherPropensity } of trials) {
    const w = (weight * otherPropensity) / propensity;
    sum += w * value;
    weights += w;
    squares += w * w;
    plain += weight;
  }
  const effective = squares === 0 ? 0 : weights ** 2 / squares;
  const covered = plain === 0 ? 0 : Math.min(weights / plain, 1);
  const isSupported = effective >= LEAST_EFFECTIVE && covered >= LEAST_COVERED;
  return { mean: sum / weights, count: trials.length, effective, covered, isSupported };
}
