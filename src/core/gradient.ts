// How many requests an endpoint of unknown capacity is given at once: as many as it answers about as quickly as when it had
// little to do. Like a TCP congestion window, but steered by latency: once a queue builds up inside the endpoint, more
// requests make each of them slower and none of them earlier.
//
//   gradient = clamp(TOLERANCE · base / median of the window, 0.5, 1)         limit ← gradient · limit + headroom
//
// Source: Netflix concurrency-limits (Gradient2Limit: tolerance, app-limited growth) and Envoy's gradient controller (median
// of a window, headroom √limit, a new base when the limit lies at its minimum). `base` differs from both: Gradient2 takes a
// long average, which an overload of minutes pulls up; Envoy strangles the traffic from time to time to measure. Here it falls
// with the quickest window at once, and rises slowly in windows that used little of the limit, where no queue is our doing.
// An endpoint that has become slower for good is found at the minimum of the limit: what is measured there is the new base.

/** How much slower than `base` is no sign of a queue yet. */
const TOLERANCE = 1.5;
/** Below this, ms, latencies differ by chance: a base of 0.2 ms and a median of 0.5 ms are the same endpoint. */
const GRAIN_MS = 2;
/** No window takes away more than half. */
const MIN_GRADIENT = 0.5;
const WINDOW_MS = 100;
const WINDOW_SAMPLES = 10;
const MAX_SAMPLES = 128;
/** Of itself: how far the base goes towards a slower window that we did not crowd. */
const BASE_RISE = 0.02;
/** So many windows in a row at the minimum, and the base is measured anew. */
const FLOOR_WINDOWS = 5;
export const MIN_LIMIT = 3;

export interface Gradient {
  /** Requests at once, whole, MIN_LIMIT … `max`. */
  limit: number;
  readonly max: number;
  /** Latency of the endpoint when it has little to do, ms; NaN = not known yet. */
  baseMs: number;
  sinceMs: number;
  readonly samples: Float64Array;
  count: number;
  /** Most requests in flight within the window. */
  peak: number;
  atFloor: number;
}

/** Begins at `max`: nobody is limited before there is a reason to. */
export function newGradient(max: number, nowMs: number): Gradient {
  const limit = Math.max(MIN_LIMIT, max);
  return {
    limit,
    max: limit,
    baseMs: Number.NaN,
    sinceMs: nowMs,
    samples: new Float64Array(MAX_SAMPLES),
    count: 0,
    peak: 0,
    atFloor: 0,
  };
}

/** A request was answered, or given up, after `ms`; `inflight` of them were under way, itself included. Amortised O(1). */
export function observe(g: Gradient, ms: number, inflight: number, nowMs: number): void {
  if (inflight > g.peak) g.peak = inflight;
  g.samples[g.count % MAX_SAMPLES] = ms;
  g.count++;
  if (g.count < WINDOW_SAMPLES || nowMs - g.sinceMs < WINDOW_MS) return;
  turn(g, medianOf(g));
  g.sinceMs = nowMs;
  g.count = 0;
  g.peak = 0;
}

function turn(g: Gradient, medianMs: number): void {
  const usesHalf = g.peak >= g.limit / 2;
  if (!(medianMs >= g.baseMs)) g.baseMs = medianMs;
  else if (!usesHalf) g.baseMs = Math.min(medianMs, g.baseMs * (1 + BASE_RISE));
  const gradient = Math.max(MIN_GRADIENT, Math.min(1, (TOLERANCE * g.baseMs + GRAIN_MS) / (medianMs + GRAIN_MS)));
  const headroom = Math.sqrt(g.limit);
  // A limit that is far above what is used would have to fall for long before it mattered.
  const from = gradient < 1 ? Math.min(g.limit, 2 * g.peak) : g.limit;
  const next = gradient * from + (gradient < MIN_GRADIENT + 0.01 ? 0 : headroom);
  if (next < g.limit || usesHalf) g.limit = Math.max(MIN_LIMIT, Math.min(g.max, Math.round(next)));
  g.atFloor = g.limit === MIN_LIMIT ? g.atFloor + 1 : 0;
  if (g.atFloor < FLOOR_WINDOWS) return;
  g.baseMs = medianMs;
  g.atFloor = 0;
}

function medianOf(g: Gradient): number {
  const n = Math.min(g.count, MAX_SAMPLES);
  const sorted = g.samples.subarray(0, n).sort();
  return sorted[n >> 1]!;
}
