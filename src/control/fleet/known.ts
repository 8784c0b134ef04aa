// Everything that is known of one endpoint: its health, its levels of time, its failures. Plain data with one owner (the
// fleet), and where it is; what probes and requests teach of it is in probed.ts and seen.ts, read by the ranker (terms.ts).

import { boundMs, distanceKm, priorMs } from '../../core/geo.ts';
import { type Health, newHealth } from '../../core/health.ts';
import { newOutlier, type Outlier } from '../../core/outlier.ts';
import { newSizes, type Sizes } from '../../core/score/cost.ts';
import { type Errors, newErrors } from '../../core/score/errors.ts';
import { isLocationLie, type Level, networkMs, newLevel } from '../../core/score/network.ts';
import { newSpill, type Spill } from '../../core/score/spill.ts';
import { type Batch, newBatch, newSteady, type Steady } from '../../core/score/steady.ts';
import type { Opinion } from '../../core/share/opinion.ts';
import type { EndpointSpec, LatLon } from '../../core/snapshot.ts';
import type { ProbeResult, ProbeSpec } from '../types.ts';

export interface Known {
  spec: EndpointSpec;
  pool: number;
  health: Health;
  readonly outlier: Outlier;
  isDraining: boolean;
  /** Why the state is what it is, for people; and since when (monotonic). */
  why: string;
  sinceMs: number;
  /** From probes. */
  readonly connect: Level;
  readonly firstByte: Level;
  lastProbe: ProbeResult | null;
  probeIntervalMs: number;
  /** When anything last told how long the way is: a probe's times, or an answer to a request. */
  timedAtMs: number;
  /** Server term of the probes alone: now, and its quiet level. NaN until one answered. */
  probeMs: number;
  probeQuietMs: number;
  /** Of single first bytes around their level, ms². */
  probeVariance: number;
  probes: number;
  probeAtMs: number;
  /** From traffic: this tick's samples, and W itself. `offsetMs` is what requests take beyond the quiet probe. */
  readonly batch: Batch;
  readonly server: Steady;
  /** When the last sample that W has taken in came. */
  serverAtMs: number;
  batchAtMs: number;
  offsetMs: number;
  /** How many good answers stand behind the offset. */
  offsetCount: number;
  meanInflight: number;
  /** How long requests are in flight: mean, and mean square, in ms; from pick to settle. NaN until one was. */
  holdMs: number;
  holdSquare: number;
  readonly errors: Errors;
  /** Of its good answers' bodies. */
  readonly sizes: Sizes;
  readonly spill: Spill;
  /** Of this tick: attempts that settled, those the endpoint refused (429), and the longest pause it asked for. */
  tickRequests: number;
  tickRefused: number;
  tickRetryAfterMs: number;
  /** Where it says it is. null = unknown. */
  distanceKm: number | null;
  smallestMs: number;
  answers: number;
  isLie: boolean;
  /** When it last came back, for slow start; -Infinity = has been there all along. */
  returnedAtMs: number;
  /** Has not answered a request since. */
  isCold: boolean;
  /** When anything last came back from it, and when nobody was there. */
  answeredAtMs: number;
  absentAtMs: number;
  /** Since the last probe: requests that were answered well, and those that nobody answered. */
  goodSinceProbe: number;
  /** Good probes since a request last found nobody there. */
  probesSinceAbsence: number;
  lostSinceProbe: number;
  /** The last probe was lost, and requests spoke for the endpoint: it was let pass. */
  wasLetPass: boolean;
  /** Network and server term as of the tick, and how many answers in a row have taken much longer. */
  expectedMs: number;
  lateInRow: number;
  wasEligible: boolean;
  /** W as it last went out of use; NaN = it has not, or had none. */
  leftServerMs: number;
  /** Whether it was eligible at any time. */
  hasServed: boolean;
  inflight: number;
  requests: number;
  failures: number;
  requestsPerSecond: number;
  ratedRequests: number;
  /** Requests sent to it, per ms, over the last half second. */
  dispatchPerMs: number;
  /** For `peak-ewma`: time to the first byte, and when it was last brought up to date. */
  peakMs: number;
  peakAtMs: number;
  /** endpointKey of it; null = nobody else has it. And what other nodes say of it. */
  shareKey: number | null;
  peers: Opinion | null;
  dispatchRequests: number;
  dispatchInflight: number;
}

export function newKnown(spec: EndpointSpec, pool: number, probe: ProbeSpec | undefined, nowMs: number): Known {
  return {
    spec,
    pool,
    health: newHealth(probe?.rise ?? 2, probe?.fall ?? 3, nowMs),
    outlier: newOutlier(),
    isDraining: false,
    why: 'not probed yet',
    sinceMs: nowMs,
    connect: newLevel(),
    firstByte: newLevel(),
    lastProbe: null,
    probeIntervalMs: probe?.intervalMs ?? 2000,
    timedAtMs: nowMs,
    probeMs: Number.NaN,
    probeQuietMs: Number.NaN,
    probeVariance: 0,
    probes: 0,
    probeAtMs: nowMs,
    batch: newBatch(),
    server: newSteady(),
    serverAtMs: nowMs,
    batchAtMs: nowMs,
    offsetMs: Number.NaN,
    offsetCount: 0,
    meanInflight: 0,
    holdMs: Number.NaN,
    holdSquare: Number.NaN,
    errors: newErrors(nowMs),
    sizes: newSizes(),
    spill: newSpill(),
    tickRequests: 0,
    tickRefused: 0,
    tickRetryAfterMs: 0,
    distanceKm: null,
    smallestMs: Number.POSITIVE_INFINITY,
    answers: 0,
    isLie: false,
    returnedAtMs: Number.NEGATIVE_INFINITY,
    isCold: false,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    absentAtMs: Number.NEGATIVE_INFINITY,
    goodSinceProbe: 0,
    probesSinceAbsence: 0,
    lostSinceProbe: 0,
    wasLetPass: false,
    expectedMs: Number.POSITIVE_INFINITY,
    lateInRow: 0,
    wasEligible: false,
    leftServerMs: Number.NaN,
    hasServed: false,
    inflight: 0,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    ratedRequests: 0,
    dispatchPerMs: 0,
    peakMs: Number.NaN,
    peakAtMs: nowMs,
    shareKey: null,
    peers: null,
    dispatchRequests: 0,
    dispatchInflight: 0,
  };
}

/** Where the edge and the endpoint are said to be; what was learned about another place is dropped. */
export function place(k: Known, spec: EndpointSpec, edge: LatLon | null): void {
  const km = edge === null || spec.location === null ? Number.NaN : distanceKm(edge, spec.location);
  const distance = Number.isNaN(km) ? null : km;
  if (distance !== k.distanceKm) {
    k.distanceKm = distance;
    k.isLie = false;
  }
  k.spec = spec;
}

/** What light needs to where it says it is: 0 when unknown or known to be wrong. ms. */
function trustedBoundMs(k: Known): number {
  return k.distanceKm === null || k.isLie ? 0 : boundMs(k.distanceKm);
}

/** The prior of its place, or null when unknown or known to be wrong. ms. */
export function priorOfMs(k: Known): number | null {
  return k.distanceKm === null || k.isLie ? null : priorMs(k.distanceKm);
}

/** Others' measurements that weigh less than so many probes say no more than the map. */
const LEAST_WEIGHT = 0.2;

/** The network to expect before it is measured: what near nodes did measure, else the prior of its place. ms; null = unknown. */
export function guessOfMs(k: Known): number | null {
  if (k.peers !== null && k.peers.networkWeight >= LEAST_WEIGHT) return k.peers.networkMs;
  return priorOfMs(k);
}

/** Network term as measured; NaN until it is. ms. */
export function measuredNetworkMs(k: Known): number {
  return networkMs(k.connect.ms, k.firstByte.ms, trustedBoundMs(k));
}

/** An answer this quick: is it from where the endpoint says it is? True once, when it becomes plain that it is not. */
export function sawAnswer(k: Known, ms: number): boolean {
  k.answers++;
  k.smallestMs = Math.min(k.smallestMs, ms);
  if (k.isLie || k.distanceKm === null) return false;
  k.isLie = isLocationLie(k.smallestMs, k.answers, boundMs(k.distanceKm));
  return k.isLie;
}
