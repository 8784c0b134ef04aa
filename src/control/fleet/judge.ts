// Verdicts from traffic: who is ejected and for how long, and how fast requests come. The rules are core's (outlier.ts);
// here they are applied to the pools, and the teller is told. Probes' verdicts are the fleet's own.

import {
  type EjectReason,
  eject,
  mayEject,
  reasonOf,
  settled,
  successRateOutliers,
  waited,
  windowOf,
} from '../../core/outlier.ts';
import { OUTCOME, type Outcome } from '../../core/sample.ts';
import { isConfirmed } from '../../core/share/opinion.ts';
import type { Known } from './known.ts';
import type { PoolState } from './ranking.ts';
import { type Teller, whyOf } from './teller.ts';
import { isEligible } from './terms.ts';

const RATE_TAU_MS = 5000;
const PEERS_EVERY_MS = 1000;

export class Judge {
  readonly #teller: Teller;
  readonly #random: () => number;
  #judgedMs = 0;

  constructor(teller: Teller, random: () => number) {
    this.#teller = teller;
    this.#random = random;
  }

  /** One attempt has settled at a member of `state`. */
  settled(state: PoolState, k: Known, outcome: Outcome, status: number, atMs: number, nowMs: number): void {
    const reason = settled(k.outlier, outcome, state.spec.outlier, atMs);
    if (reason !== null) this.#eject(state, k, reason, whyOf(reason, outcome, status), nowMs);
    else if (outcome >= OUTCOME.CONNECT_FAILED && k.peers !== null) this.#confirm(state, k, outcome, status, nowMs);
  }

  /** It failed here, and others have ejected it: sooner than by our own failures alone. */
  #confirm(state: PoolState, k: Known, outcome: Outcome, status: number, nowMs: number): void {
    const { out, judging } = k.peers!;
    if (k.outlier.isEjected || !isConfirmed(k.outlier.failures, k.peers!)) return;
    const reason = reasonOf(outcome);
    const why = `${whyOf(reason, outcome, status)}; ${out} of ${judging} other nodes have taken it out`;
    this.#eject(state, k, reason, why, nowMs);
  }

  /** What is judged by the clock: sentences that end, peers compared, rates. Once a tick. */
  tick(pools: readonly PoolState[], elapsedMs: number, nowMs: number): void {
    const isDue = nowMs - this.#judgedMs >= PEERS_EVERY_MS;
    if (isDue) this.#judgedMs = nowMs;
    for (const state of pools) {
      for (const k of state.members) {
        if (waited(k.outlier, nowMs) && !k.isDraining)
          this.#teller.changed(k, state.spec.name, 'ejection is over', 'time', nowMs);
        const rate = ((k.requests - k.ratedRequests) * 1000) / elapsedMs;
        k.ratedRequests = k.requests;
        k.requestsPerSecond += (rate - k.requestsPerSecond) * (1 - Math.exp(-elapsedMs / RATE_TAU_MS));
      }
      if (isDue) this.#judgePeers(state, nowMs);
    }
  }

  #judgePeers(state: PoolState, nowMs: number): void {
    const windows = state.members.map((k) =>
      k.outlier.isEjected || k.spec.via !== undefined
        ? { total: 0, bad: 0 }
        : windowOf(k.outlier, state.spec.outlier, nowMs),
    );
    const worse = successRateOutliers(
      windows.map((w) => w.total),
      windows.map((w) => w.bad),
    );
    for (const i of worse) {
      const percent = Math.round((100 * windows[i]!.bad) / windows[i]!.total);
      const why = `${percent} % failures, far more than its peers`;
      this.#eject(state, state.members[i]!, 'success-rate', why, nowMs);
    }
  }

  /** Ejects if the pool can do without it. */
  #eject({ members, spec }: PoolState, k: Known, reason: EjectReason, why: string, nowMs: number): void {
    if (k.outlier.isEjected || k.isDraining) return;
    // A way over another edge can be done without as long as there is a direct one; and it is nobody to fall back on.
    const direct = members.filter((m) => m.spec.via === undefined);
    const ejected = direct.filter((m) => m.outlier.isEjected).length;
    const answering = direct.filter((m) => m !== k && isEligible(m)).length;
    const isVia = k.spec.via !== undefined;
    if (!isVia && !mayEject(reason, direct.length, ejected, answering, spec.outlier.maxEjectedRatio)) return;
    eject(k.outlier, reason, spec.outlier, nowMs, this.#random);
    this.#teller.changed(k, spec.name, why, reason, nowMs);
  }
}
