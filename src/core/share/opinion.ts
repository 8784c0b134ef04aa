// What others know of an endpoint, in one figure each, and how far it is to be believed. What a node measures itself always
// comes first: others' figures stand in where it has none, lean with its few, and fade behind its many.

import type { EjectReason } from '../outlier.ts';

/** Of all others together; NaN and weight 0 = nobody knows. */
export interface Opinion {
  /** Nodes that told of it lately. */
  nodes: number;
  /** Round trip as from here: of near nodes, else moved by the distance. `networkWeight`: as so many probes of our own. */
  networkMs: number;
  networkWeight: number;
  /** Unloaded server term, and what requests take beyond a quiet probe. `serverWeight`: as so many answers of our own. */
  baseMs: number;
  offsetMs: number;
  serverWeight: number;
  /** What requests wait there now beyond the unloaded level (W − S0), and how many answers a second say so, faded by age. */
  waitMs: number;
  waitPerS: number;
  /** Of failures; faded with age. */
  errorRatio: number;
  /** Requests of others there, faded with age. */
  inflight: number;
  /** Requests a second that others send there. */
  perS: number;
  /** Nodes that have taken it out now (ejected, or probes find it down), of how many that judge it. */
  out: number;
  judging: number;
  /** Why the most recent of them ejected it. */
  reason: EjectReason | null;
}

export function noOpinion(): Opinion {
  return {
    nodes: 0,
    networkMs: Number.NaN,
    networkWeight: 0,
    baseMs: Number.NaN,
    offsetMs: Number.NaN,
    serverWeight: 0,
    waitMs: Number.NaN,
    waitPerS: 0,
    errorRatio: 0,
    inflight: 0,
    perS: 0,
    out: 0,
    judging: 0,
    reason: null,
  };
}

/** Failures in a row of our own that are enough when others have taken an endpoint out; alone it takes five. */
const SUSPICION = 2;

/**
 * Whether our own `failures` in a row, with what others say, are reason to eject. Others alone never are: from here it may be
 * well. One failure is enough when most of at least two others that judge it have it out; else two.
 */
export function isConfirmed(failures: number, { out, judging }: Opinion): boolean {
  if (out === 0 || failures === 0) return false;
  return failures >= SUSPICION || (out >= 2 && out * 2 > judging);
}

/** A figure of our own from `count` samples and another's, which counts as `weight` of them. NaN where neither is known. */
export function leaned(own: number, count: number, other: number, weight: number): number {
  if (Number.isNaN(other) || !(weight > 0)) return own;
  if (Number.isNaN(own) || !(count > 0)) return other;
  return (own * count + other * weight) / (count + weight);
}

/** Our part of a capacity that is everybody's: by what each of us sends. Requests/s; 0 = unknown stays unknown. */
export function capacityShare(capacityPerS: number, ownPerS: number, othersPerS: number): number {
  if (!(othersPerS > 0) || !(capacityPerS > 0)) return capacityPerS;
  // Who sends nothing yet may begin: as if it sent a request a second.
  const own = Math.max(ownPerS, 1);
  return capacityPerS * Math.max(own / (own + othersPerS), LEAST_SHARE);
}

const LEAST_SHARE = 0.01;

/**
 * The server term with what others wait there: the same queue, seen by more. ms. `ownPerS`: answers a second that our own level
 * stands on. What we see ourselves is never talked down, since others are a second behind: only a queue that we have not
 * felt is added.
 */
export function sharedServerMs(serverMs: number, baseMs: number, ownPerS: number, o: Opinion): number {
  if (!(o.waitPerS > 0)) return serverMs;
  const own = Math.max(serverMs - baseMs, 0);
  const wait = (own * ownPerS + o.waitMs * o.waitPerS) / (ownPerS + o.waitPerS);
  return Math.max(serverMs, baseMs + wait);
}

/** How much the load of others may change a score between two measurements of our own. */
const MOST_FACTOR = 2;
/** Standard deviations. */
const NOISE = 2;

/**
 * Factor on a server term that was measured while others had `meanOthers` in flight there and we `meanOwn`, now that they have
 * `others`: so that not every node sends its next requests to whoever looked idle a second ago. ½…2.
 */
export function loadFactor(meanOwn: number, meanOthers: number, others: number, gamma: number): number {
  const off = others - meanOthers;
  // Requests come by chance (Poisson), and what is told is a second old: less than this is no news.
  const news = Math.sign(off) * Math.max(Math.abs(off) - NOISE * Math.sqrt(meanOthers) - 1, 0);
  const factor = ((1 + meanOwn + meanOthers + news) / (1 + meanOwn + meanOthers)) ** gamma;
  return Math.min(Math.max(factor, 1 / MOST_FACTOR), MOST_FACTOR);
}
