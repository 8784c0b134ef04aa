// Quantiles of very many weighted times in little room: counts in buckets that grow by a fiftieth each, so that a quantile is right
// to a hundredth of itself, and neither adding nor asking ever takes long.
// Source: Masson, Rim and Lee, "DDSketch", VLDB 2019.

/** The first bucket ends here, ms … */
const LEAST_MS = 0.05;
/** … and each next one so much later: the last one after half an hour. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);
const BUCKETS = 880;

export class Spread {
  readonly #weights = new Float64Array(BUCKETS);
  #total = 0;

  /** `ms` ≥ 0, `weight` > 0. */
  add(ms: number, weight: number): void {
    const bucket = ms <= LEAST_MS ? 0 : Math.min(Math.ceil(Math.log(ms / LEAST_MS) / LOG_GROWTH), BUCKETS - 1);
    this.#weights[bucket]! += weight;
    this.#total += weight;
  }

  /** What a part of the times stayed below, to a tenth of a millisecond; null when there are none. 0 < `part` < 1. */
  quantile(part: number): number | null {
    if (this.#total === 0) return null;
    let below = 0;
    let bucket = 0;
    for (; bucket < BUCKETS - 1; bucket++) {
      below += this.#weights[bucket]!;
      if (below >= this.#total * part) break;
    }
    // The middle of the bucket.
    return Math.round(LEAST_MS * GROWTH ** (bucket - 0.5) * 10) / 10;
  }
}
