// Whether a series rises: a straight line through means of whole cycles (within a cycle the same things happen in the same order,
// so that neighbouring samples say nearly the same and would make the error look small), and the error of its slope.

export interface Trend {
  /** Per hour, in the unit of the values. */
  readonly slope: number;
  /** Standard error of the slope; NaN with fewer than three cycles. */
  readonly error: number;
  /** What the line says of the whole time. */
  readonly growth: number;
  readonly mean: number;
  readonly cycles: number;
}

const HOUR_MS = 3_600_000;

/** `sizes`: values of one cycle go into one point. Values that are NaN are left out. */
export function trendOf(samples: readonly { readonly atMs: number; readonly value: number }[], cycleMs: number): Trend {
  const startMs = samples[0]?.atMs ?? 0;
  const bins = new Map<number, { sum: number; n: number }>();
  for (const { atMs, value } of samples) {
    if (Number.isNaN(value)) continue;
    const cycle = Math.floor((atMs - startMs) / cycleMs);
    const bin = bins.get(cycle) ?? { sum: 0, n: 0 };
    bins.set(cycle, { sum: bin.sum + value, n: bin.n + 1 });
  }
  const points = [...bins].map(([cycle, { sum, n }]) => [((cycle + 0.5) * cycleMs) / HOUR_MS, sum / n] as const);
  const n = points.length;
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const middle = points.reduce((sum, [x]) => sum + x, 0) / n;
  const spread = points.reduce((sum, [x]) => sum + (x - middle) ** 2, 0);
  if (n < 3) return { slope: 0, error: Number.NaN, growth: 0, mean, cycles: n };
  const slope = points.reduce((sum, [x, y]) => sum + (x - middle) * (y - mean), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - mean - slope * (x - middle)) ** 2, 0);
  const error = Math.sqrt(rest / (n - 2) / spread);
  return { slope, error, growth: (slope * (n * cycleMs)) / HOUR_MS, mean, cycles: n };
}

/** Rises by more than its error lets one doubt, and by more than `least` of its mean over the whole time. */
export function isRising({ slope, error, growth, mean }: Trend, least: number): boolean {
  return slope > 3 * error && growth > least * mean;
}
