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
  /** What requests wait there now beyond a few times the unloaded level, and how many answers a second say so, faded by age. ms */
  waitMs: number;
  waitPerS: number;
  /** Of failures, where it is not taken out for them; `errorWeight`: as so many answers. */
  errorRatio: number;
  errorWeight: number;
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
    errorWeight: 0,
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

/** Requests of our own from which on their rate is known from them. */
export const KNOWN_REQUESTS = 300;

/** Nobody shares clients out evenly: what comes to us may be so many times what comes to the others. */
const UNEVEN = 2;

/**
 * The rate of requests to expect of an endpoint, per ms, while we have sent no more than `asked` of them anywhere: twice what
 * the others send, on average. A node that has only just started would else take its first ten requests for a queue, and send
 * them far away.
 */
export function expectedPerMs(o: Opinion | null, asked: number): number {
  if (o === null || o.nodes === 0 || asked >= KNOWN_REQUESTS) return 0;
  return ((UNEVEN * o.perS) / o.nodes / 1000) * (1 - asked / KNOWN_REQUESTS);
}

/** Answers a second of our own from which on others' hardly count. */
const FEW_PER_S = 1;

/**
 * The server term with what others wait there: of an endpoint that we hardly ask, in place of the answers we do not have. ms.
 * `ownPerS`: requests a second that we send there. Where we ask enough ourselves, others say nothing: they are a second late,
 * and nodes that all go by the same late figures move as one (in the simulator, a fleet's brownout then costs 1.7 times the
 * best instead of 1.2). For the same reason what others have in flight is no term at all.
 * Source: Mitzenmacher, "How useful is old information?", 2000.
 */
export function sharedServerMs(serverMs: number, baseMs: number, ownPerS: number, o: Opinion): number {
  if (!(o.waitPerS > 0)) return serverMs;
  const weight = FEW_PER_S / (FEW_PER_S + ownPerS);
  // Only a queue that we have not felt is added: nobody talks down what we see.
  return Math.max(serverMs, serverMs + (baseMs + o.waitMs - serverMs) * weight);
}
