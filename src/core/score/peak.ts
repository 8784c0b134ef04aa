// Peak-sensitive time of an endpoint, for the policy `peak-ewma`: the whole way, network and server in one.

/** A fall is believed over this time; the rest of the world uses ten seconds too. */
const DECAY_MS = 10_000;

/**
 * `levelMs` (NaN = none yet) after an answer in `sampleMs` that came `elapsedMs` after the last one: a rise is taken at
 * once, a fall over ten seconds. ms.
 * Source: Finagle PeakEwma; uneven series: Eckner, "Algorithms for unevenly spaced time series".
 */
export function peakAfter(levelMs: number, sampleMs: number, elapsedMs: number): number {
  if (!(levelMs >= sampleMs)) return sampleMs;
  return sampleMs + (levelMs - sampleMs) * Math.exp(-Math.max(elapsedMs, 0) / DECAY_MS);
}

/**
 * After `elapsedMs` without any answer it goes back to what an idle endpoint takes. Not to 0, as in Finagle: that flatters
 * idle far endpoints.
 */
export function peakIdleMs(levelMs: number, idleMs: number, elapsedMs: number): number {
  if (Number.isNaN(levelMs)) return idleMs;
  return idleMs + (levelMs - idleMs) * Math.exp(-Math.max(elapsedMs, 0) / DECAY_MS);
}
