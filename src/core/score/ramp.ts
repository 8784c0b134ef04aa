// Slow start: how much of its draws an endpoint takes that has just come (back): caches are cold, and every edge saw it
// return at the same moment.

/** Where the ramp starts: enough to be measured. */
const MIN_SHARE = 0.1;

/**
 * 0.1…1. The root of the time passed, not the time: the first seconds are what a cold server needs, and home should be
 * home again before the ramp's last tenth. 1 when there is none (`slowStartMs` 0).
 * Source: Envoy's slow start, aggression 2.
 */
export function rampShare(sinceMs: number, slowStartMs: number): number {
  if (sinceMs >= slowStartMs) return 1;
  return Math.max(MIN_SHARE, Math.sqrt(Math.max(sinceMs, 0) / slowStartMs));
}
