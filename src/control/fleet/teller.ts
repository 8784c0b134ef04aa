// Tells the world what the fleet found: events for people, counts for the metrics. Decides nothing.

import type { EjectReason } from '../../core/outlier.ts';
import { OUTCOME, type Outcome } from '../../core/sample.ts';
import type { EventLog } from '../types.ts';
import type { Known } from './known.ts';
import type { RowState } from './ranking.ts';
import { stateOf } from './views.ts';

/** What the fleet counts, in the words of the metrics. */
export interface FleetCounters {
  stateChanged(endpointId: string, to: string, reason: string): void;
  probed(endpointId: string, ok: boolean, failure: string | null): void;
  switched(poolName: string, reason: string): void;
  locationLie(endpointId: string): void;
  /** An attempt over another edge has settled. */
  relayed?(poolName: string, peerId: string, outcome: Outcome): void;
}

export class Teller {
  readonly #events: EventLog;
  readonly #counters: FleetCounters;

  constructor(events: EventLog, counters: FleetCounters) {
    this.#events = events;
    this.#counters = counters;
  }

  /** The endpoint is in another state now; `why` is for people, `reason` a label. */
  changed(k: Known, pool: string, why: string, reason: string, nowMs: number): void {
    const to = stateOf(k);
    k.why = why;
    k.sinceMs = nowMs;
    this.#counters.stateChanged(k.spec.id, to, reason);
    const known = to === 'unhealthy' || to === 'ejected' ? 'warn' : 'info';
    // A peer that goes takes as many ways with it as there are endpoints: what there is to tell is told of the peer.
    const level = k.spec.via === undefined ? known : 'debug';
    const fields = { endpoint: k.spec.id, pool, to, reason };
    this.#events.emit(level, 'endpoint.state', `${k.spec.id} is ${to}: ${why}`, fields);
  }

  /**
   * Most traffic of a pool lives elsewhere now: in a region, or at an endpoint without one. `reason` is core/home.ts's: health
   * (the old home is no candidate), recovery, degraded (it got worse), faster (the new one has long been better).
   */
  switched(row: RowState, pool: string, before: string | null, reason: string): void {
    const from = nameOf(before);
    const to = nameOf(row.home.key);
    const fromMs = bestMs(row, before);
    const toMs = bestMs(row, row.home.key);
    this.#counters.switched(pool, reason);
    const message = `${pool} moves from ${from} (${msText(fromMs)}) to ${to} (${msText(toMs)}): ${reason}`;
    this.#events.emit('info', 'route.switch', message, { pool, home: to, reason, from, to, fromMs, toMs });
  }

  lied(k: Known): void {
    this.#counters.locationLie(k.spec.id);
    const fields = { endpoint: k.spec.id, distanceKm: Math.round(k.distanceKm ?? 0), firstByteMs: k.smallestMs };
    const what = 'answers faster than light could from where it is said to be; its location is not used';
    this.#events.emit('warn', 'endpoint.location', `${k.spec.id} ${what}`, fields);
  }
}

/** A home as people call it: the region, or the endpoint that has none. */
function nameOf(home: string | null): string | null {
  return home?.replace(/^#/, '') ?? null;
}

/** The least score of a home's candidates, as ranked just now: ms to a thousandth; null when none of them may be chosen. */
function bestMs({ ranked }: RowState, home: string | null): number | null {
  const scores = ranked.filter((r) => r.home === home && r.isEligible).map((r) => r.scoreMs);
  return scores.length === 0 ? null : Math.round(Math.min(...scores) * 1000) / 1000;
}

function msText(ms: number | null): string {
  return ms === null ? 'no candidate' : `${ms.toFixed(1)} ms`;
}

const OUTCOMES: Readonly<Record<Outcome, string>> = {
  [OUTCOME.OK]: 'ok',
  [OUTCOME.CLIENT_GONE]: 'client gone',
  [OUTCOME.OUTRUN]: 'outrun by another attempt',
  [OUTCOME.TOO_MANY]: 'too many requests',
  [OUTCOME.CONNECT_FAILED]: 'connect failed',
  [OUTCOME.RESET]: 'connection reset',
  [OUTCOME.TIMEOUT]: 'no answer in time',
  [OUTCOME.BAD_RESPONSE]: 'broke HTTP',
  [OUTCOME.STATUS_5XX]: 'status 5xx',
};

/** Why an endpoint was ejected, for people. */
export function whyOf(reason: EjectReason, outcome: Outcome, status: number): string {
  const last = outcome === OUTCOME.STATUS_5XX ? `status ${status}` : OUTCOMES[outcome];
  return reason === 'ratio' ? `at least half of its requests fail, the last: ${last}` : `failures in a row: ${last}`;
}
