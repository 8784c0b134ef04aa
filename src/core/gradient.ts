// How many requests an endpoint of unknown capacity is given at once: as many as it answers about as quickly as when it had
// little to do. Like a TCP congestion window, but steered by latency: once a queue builds up inside the endpoint, more
// requests make each of them slower and none of them earlier.
//
//   gradient = clamp(TOLERANCE · base / mean of the window, 0.5, 1)         limit ← gradient · limit + headroom
//
// Source: Netflix concurrency-limits (Gradient2Limit: mean, tolerance, app-limited growth) and Envoy's gradient controller
// (windows, headroom √limit, a new base when the limit lies at its minimum). `base` differs from both: Gradient2 takes a
// long average, which an overload of minutes pulls up; Envoy strangles the traffic from time to time to measure. Here it falls
// with quicker windows, and rises slowly in those that used little of the limit, where no queue is our doing. An endpoint that
// has become slower for good is found where fewer requests at once are no quicker, or at the minimum of the limit: what is
// measured there is the new base. The mean, since where quick and slow requests are about as many a median is either by chance.

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
/** … and towards a quicker one: the luck of one window is no base. */
const BASE_FALL = 0.1;
/** So much fewer at once should be as much quicker, were there a queue … */
const LESS = 0.7;
/** … and if they are not in so many windows in a row, there is none. */
const VAIN_WINDOWS = 5;
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
  /** Since latency is too high: the most requests at once, the highest latency then, and how many windows with fewer were as slow. */
  crowd: number;
  crowdMs: number;
  inVain: number;
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
    crowd: 0,
    crowdMs: 0,
    inVain: 0,
  };
}

/** A request was answered, or given up, after `ms`; `inflight` of them were under way, itself included. Amortised O(1). */
export function observe(g: Gradient, ms: number, inflight: number, nowMs: number): void {
  if (inflight > g.peak) g.peak = inflight;
  g.samples[g.count % MAX_SAMPLES] = ms;
  g.count++;
  if (g.count < WINDOW_SAMPLES || nowMs - g.sinceMs < WINDOW_MS) return;
  turn(g, meanOf(g));
  g.sinceMs = nowMs;
  g.count = 0;
  g.peak = 0;
}

function turn(g: Gradient, meanMs: number): void {
  const usesHalf = g.peak >= g.limit / 2;
  if (Number.isNaN(g.baseMs)) g.baseMs = meanMs;
  else if (meanMs < g.baseMs) g.baseMs += BASE_FALL * (meanMs - g.baseMs);
  else if (!usesHalf) g.baseMs = Math.min(meanMs, g.baseMs * (1 + BASE_RISE));
  const gradient = Math.max(MIN_GRADIENT, Math.min(1, (TOLERANCE * g.baseMs + GRAIN_MS) / (meanMs + GRAIN_MS)));
  learnFromLess(g, meanMs, gradient < 1);
  const headroom = Math.sqrt(g.limit);
  // A limit that is far above what is used would have to fall for long before it mattered.
  const from = gradient < 1 ? Math.min(g.limit, 2 * g.peak) : g.limit;
  const next = gradient * from + (gradient < MIN_GRADIENT + 0.01 ? 0 : headroom);
  if (next < g.limit || usesHalf) g.limit = Math.max(MIN_LIMIT, Math.min(g.max, Math.round(next)));
  g.atFloor = g.limit === MIN_LIMIT ? g.atFloor + 1 : 0;
  if (g.atFloor < FLOOR_WINDOWS) return;
  g.baseMs = meanMs;
  g.atFloor = 0;
}

/**
 * Fewer at once, and none the quicker: then it is no queue that takes the time. The endpoint has become slower, or is asked for
 * other things, and its base is measured anew.
 */
function learnFromLess(g: Gradient, meanMs: number, isSlow: boolean): void {
  if (!isSlow) {
    g.crowd = 0;
    g.crowdMs = 0;
    g.inVain = 0;
  } else if (g.peak > LESS * g.crowd) {
    g.crowd = Math.max(g.crowd, g.peak);
    g.crowdMs = Math.max(g.crowdMs, meanMs);
    g.inVain = 0;
  } else if (meanMs < LESS * g.crowdMs) g.inVain = 0;
  else if (++g.inVain === VAIN_WINDOWS) {
    g.baseMs = meanMs;
    g.crowd = 0;
    g.crowdMs = 0;
    g.inVain = 0;
  }
}

function meanOf(g: Gradient): number {
  const n = Math.min(g.count, MAX_SAMPLES);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += g.samples[i]!;
  return sum / n;
}
