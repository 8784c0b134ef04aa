// Server term W: what an endpoint takes to answer beyond the way to it, and its unloaded level S0. Traffic moves W; the
// probes' first byte and the quiet moments of traffic give S0. Times come from the caller; nothing here knows a clock.

/** A rise is believed within this time, a fall takes ten times as long. */
const RISE_TAU_MS = 300;
const FALL_TAU_MS = 3000;
/** However long ago the last sample was, one alone moves W no further than this: noise is not news. */
const RISE_GAIN = 0.3;
const FALL_GAIN = 0.1;
/** S0 is never below this, so that ratios to it stay sane. */
export const MIN_BASE_MS = 0.1;
/** One sample counts for at most this many times the present level (and some ms): a single slow page is not a brownout. */
export const CLIP_RATIO = 4;
export const CLIP_MS = 20;

/**
 * Weight of a sample that comes `elapsedMs` after the last one. 0…1.
 * Source: Eckner, "Algorithms for unevenly spaced time series: moving averages and other rolling operators", 2012.
 */
export function gainOf(elapsedMs: number, tauMs: number): number {
  return elapsedMs <= 0 ? 0 : 1 - Math.exp(-elapsedMs / tauMs);
}

/**
 * Weight of `count` samples that came over `elapsedMs`, in W and in the mean in-flight that belongs to it. 0…1. Quick up,
 * slow down; not "the peak at once" as in Finagle: with mixed jobs one slow request would drive all traffic away from a
 * sound home (DESIGN: never by latency of one).
 * Source: Finagle PeakEwma; asymmetric weights as in expectiles, Newey & Powell 1987.
 */
export function peakGainOf(elapsedMs: number, rises: boolean, count: number): number {
  // Samples of one burst may carry one time stamp; each still counts for something.
  const elapsed = Math.max(elapsedMs, count);
  return rises
    ? Math.min(gainOf(elapsed, RISE_TAU_MS), 1 - (1 - RISE_GAIN) ** count)
    : Math.min(gainOf(elapsed, FALL_TAU_MS), 1 - (1 - FALL_GAIN) ** count);
}

/**
 * W of an endpoint that was not asked for `idleMs`: decays to its unloaded level, from above and from below. Not to 0:
 * that would flatter idle far endpoints, and starve new ones (tower#134); nor stay: then one bad moment starves a server
 * for ever by its own average (traefik#12306).
 */
export function serverIdleMs(levelMs: number, baseMs: number, idleMs: number): number {
  return levelMs + (baseMs - levelMs) * gainOf(idleMs, FALL_TAU_MS);
}

/** How strongly load stretches W: the square root-like .35 when nothing waits, proportional once waiting dominates. */
export function gammaOf(serverMs: number, baseMs: number): number {
  return Math.min(Math.max(serverMs / Math.max(baseMs, MIN_BASE_MS) - 1, 0.35), 1);
}

/** W at the load of this moment: measured under `mean` in flight, now `inflight`. ms. */
export function serverAtMs(serverMs: number, inflight: number, mean: number, gamma: number): number {
  const ratio = (1 + inflight) / (1 + mean);
  if (ratio === 1) return serverMs;
  return serverMs * (gamma === 1 ? ratio : ratio ** gamma);
}

/**
 * The unloaded level seen in traffic: falls to a lower sample in a few, rises over minutes, so that a load of minutes is
 * not taken for the nature of the server. ms.
 */
export function quietAfterMs(quietMs: number, sampleMs: number, elapsedMs: number): number {
  const x = Math.max(sampleMs, 0);
  if (x < quietMs) return quietMs + (x - quietMs) * 0.1;
  return quietMs + (Math.min(x, quietMs * 2 + 1) - quietMs) * gainOf(elapsedMs, 60_000);
}
