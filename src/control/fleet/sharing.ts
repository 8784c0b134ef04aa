// Between what this node knows of an endpoint and what the fleet does: what it tells, and what others' opinions do to its terms.
// The rules are core/share's; here they meet Known. What is measured here comes first everywhere.

import { errorRatio } from '../../core/score/errors.ts';
import type { SharedEndpoint } from '../../core/share/digest.ts';
import { leaned, sharedServerMs } from '../../core/share/opinion.ts';
import type { Peers } from '../../core/share/peers.ts';
import { type Known, measuredNetworkMs } from './known.ts';

/** Others' failures count as so many answers, until so many of our own have come lately. */
const ERROR_WEIGHT = 4;
const OWN_ANSWERS = 10;

/** What the others may know of it; null = it is not there for all (a path over another edge). */
export function sharedOf(k: Known, nowMs: number): SharedEndpoint | null {
  if (k.shareKey === null) return null;
  const network = measuredNetworkMs(k);
  return {
    key: k.shareKey,
    // That an operator drained it here says nothing of it.
    state: k.outlier.isEjected ? 'ejected' : k.health.state,
    reason: k.outlier.isEjected ? k.outlier.reason : null,
    ageMs: Math.max(nowMs - k.timedAtMs, 0),
    networkMs: network,
    serverMs: k.server.ms,
    baseMs: Number.isNaN(k.offsetMs) ? Number.NaN : Math.max((k.probeQuietMs || 0) + k.offsetMs, 0),
    // Without a probe's first byte the offset is the whole term.
    offsetMs: Number.isNaN(k.probeQuietMs) ? Number.NaN : k.offsetMs,
    inflight: k.inflight,
    perS: k.dispatchPerMs * 1000,
    errorRatio: errorRatio(k.errors, nowMs),
    samples: k.offsetCount,
  };
}

/** Brings what others say of it up to date. Once a tick. */
export function takeOpinion(k: Known, peers: Peers, nowMs: number): void {
  k.peers = k.shareKey === null ? null : peers.opinionOf(k.shareKey, k.spec.location, nowMs);
}

/** What requests take beyond a quiet probe: own answers and the others'; null = others do not know. ms. */
export function sharedOffsetMs(k: Known): number | null {
  const o = k.peers;
  if (o === null || Number.isNaN(o.offsetMs) || !(o.serverWeight > 0)) return null;
  return leaned(k.offsetMs, k.offsetCount, o.offsetMs, o.serverWeight);
}

/** W with what others wait there. ms. */
export function sharedServer(k: Known, serverMs: number, baseMs: number): number {
  return k.peers === null ? serverMs : sharedServerMs(serverMs, baseMs, k.dispatchPerMs * 1000, k.peers);
}

/** 0…1: our own failures; others' where we have not seen answers lately. */
export function sharedErrorRatio(k: Known, nowMs: number): number {
  const own = errorRatio(k.errors, nowMs);
  if (k.peers === null) return own;
  const weight = Math.min(k.peers.errorWeight, ERROR_WEIGHT) * Math.max(1 - k.errors.total / OWN_ANSWERS, 0);
  return Math.max(own, leaned(own, k.errors.total + 1, k.peers.errorRatio, weight));
}
