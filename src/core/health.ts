// Active health: what the probes of one endpoint add up to. Rise and fall in a row, so that one odd probe changes nothing;
// but one success is enough for an endpoint that was never up, since waiting helps nobody then. Passive: core/outlier.ts.

export type HealthState = 'unknown' | 'healthy' | 'unhealthy';

export interface Health {
  state: HealthState;
  /** In a row. */
  good: number;
  bad: number;
  wasHealthy: boolean;
  /** Kind of the last failure, or null. */
  failure: string | null;
  /** When the state was entered. */
  sinceMs: number;
  readonly rise: number;
  readonly fall: number;
}

/** Failures that show that nothing listens there: no patience with them at start. */
const NOBODY_THERE = ['connect', 'dns', 'tls'];

export function newHealth(rise: number, fall: number, nowMs: number): Health {
  return { state: 'unknown', good: 0, bad: 0, wasHealthy: false, failure: null, sinceMs: nowMs, rise, fall };
}

/** Takes one verdict of a probe in. Gives whether the state changed. */
export function probed(health: Health, ok: boolean, failure: string | null, nowMs: number): boolean {
  if (ok) {
    health.good++;
    health.bad = 0;
    const needed = health.wasHealthy ? health.rise : 1;
    if (health.state === 'healthy' || health.good < needed) return false;
    return enter(health, 'healthy', nowMs);
  }
  health.bad++;
  health.good = 0;
  health.failure = failure;
  const isAbsent = health.state === 'unknown' && failure !== null && NOBODY_THERE.includes(failure);
  if (health.state === 'unhealthy' || (health.bad < health.fall && !isAbsent)) return false;
  return enter(health, 'unhealthy', nowMs);
}

function enter(health: Health, state: HealthState, nowMs: number): boolean {
  health.state = state;
  health.sinceMs = nowMs;
  if (state === 'healthy') {
    health.wasHealthy = true;
    health.failure = null;
  }
  return true;
}
