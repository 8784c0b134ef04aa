// What one node tells the others: for each endpoint what it measured and what it has in flight, and who and where it is.
//
// The parts of core/share, for whoever builds on them (the control plane; the simulator of bench/route):
//   digest.ts   Digest, SharedEndpoint, endpointKey(pool, id)             what is told; plain data, ages instead of moments
//   codec.ts    encodeDigest(digest), decodeDigest(bytes)                 as bytes, strictly checked
//   changes.ts  new Changes().take(endpoints, most)                       which endpoints are worth telling of this time
//   peers.ts    new Peers(self).hear(digest, nowMs), .opinionOf(key, …)   all that others told, fading with its age
//   merge.ts    how many nodes' figures become one                        by age and likeness
//   opinion.ts  Opinion and what becomes of it: priors, a confirmed ejection, the load of others
// A node keeps one Peers and gives it to its Fleet (FleetOptions.peers); Fleet.shared() is what it tells the others.

import type { EjectReason } from '../outlier.ts';
import type { LatLon } from '../snapshot.ts';

/** Of a digest's form. Another one is not read: nodes of two versions share nothing until all are replaced. */
export const VERSION = 1;
export const MAX_ENDPOINTS = 4096;
export const MAX_COHORTS = 64;
export const MAX_NAME = 64;

export interface Digest {
  /** Random, of one process: a restarted node is another one. 16 hexadecimal digits. */
  readonly instance: string;
  /** Of the configuration; for people. At most MAX_NAME bytes of UTF-8. */
  readonly node: string;
  readonly region: string | null;
  readonly place: LatLon | null;
  /** Counts up with every digest of the instance; 32 bits. */
  readonly sequence: number;
  /** What it tells is fresh for three of these. ms; 1 … 65,535. */
  readonly intervalMs: number;
  /** It tells of every endpoint it has; else only of those that changed. */
  readonly isWhole: boolean;
  /** What it does not tell of is as it was told before: nothing was left out for want of room. */
  readonly isComplete: boolean;
  readonly endpoints: readonly SharedEndpoint[];
  readonly cohorts: readonly SharedCohort[];
}

export type SharedState = 'unknown' | 'healthy' | 'unhealthy' | 'ejected';

/** What a node knows of one endpoint. NaN = not measured. */
export interface SharedEndpoint {
  /** endpointKey of it. */
  readonly key: number;
  readonly state: SharedState;
  /** Why it was ejected. */
  readonly reason: EjectReason | null;
  /** How old the newest measurement is. ms */
  readonly ageMs: number;
  /** Round trip from this node. */
  readonly networkMs: number;
  /** W, and its unloaded level S0: beyond the network, so the same from anywhere, more or less. */
  readonly serverMs: number;
  readonly baseMs: number;
  /** What requests take beyond a quiet probe; may be negative. */
  readonly offsetMs: number;
  /** Requests this node has there now, and sends there in a second. */
  readonly inflight: number;
  readonly perS: number;
  /** Of failures, 0…1. */
  readonly errorRatio: number;
  /** Good answers that stand behind it. */
  readonly samples: number;
}

/** What the clients of a country get from an endpoint beside everybody: ln of the ratio. */
export interface SharedCohort {
  readonly cohort: number;
  readonly endpoint: number;
  readonly ln: number;
  readonly count: number;
}

/**
 * 48 bits that stand for an endpoint on every node: its pool and its id (by default host:port), whatever its slot and by
 * whatever address a node reaches it. An integer ≥ 0.
 */
export function endpointKey(pool: string, id: string): number {
  const text = `${pool}\0${id}`;
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  return (mixed(a ^ b) & 0xffff) * 2 ** 32 + mixed(a + Math.imul(b, 31));
}

/** Source: MurmurHash3's finaliser. 32 bits, ≥ 0. */
function mixed(h: number): number {
  let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
