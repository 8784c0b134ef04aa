// Everything that is known of one endpoint: its health, its levels of time, its failures. Fed by probes and by the lanes'
// samples, read by the ranker. One owner (the fleet), plain data and functions over it; the rules are core's.

import { boundMs, distanceKm, priorMs } from '../../core/geo.ts';
import { type Health, newHealth } from '../../core/health.ts';
import { OUTCOME, type Outcome } from '../../core/lane.ts';
import { newOutlier, type Outlier } from '../../core/outlier.ts';
import { type Errors, errorsAfter, newErrors } from '../../core/score/errors.ts';
import { isLocationLie, type Level, levelAfter, networkMs, newLevel } from '../../core/score/network.ts';
import { gainOf, MIN_BASE_MS, peakGainOf, quietAfterMs, serverAfterMs, serverIdleMs } from '../../core/score/server.ts';
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
  /** Server term of the probes alone: now, and its quiet level. NaN until one answered. */
  probeMs: number;
  probeQuietMs: number;
  probeAtMs: number;
  /** From traffic. `serverMs` (W) is NaN until a sample; `offsetMs` is what requests take beyond the quiet probe. */
  serverMs: number;
  serverAtMs: number;
  offsetMs: number;
  meanInflight: number;
  readonly errors: Errors;
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
  wasEligible: boolean;
  /** Whether it was eligible at any time. */
  hasServed: boolean;
  inflight: number;
  requests: number;
  failures: number;
  requestsPerSecond: number;
  ratedRequests: number;
}

/** The probe's quiet level rises this slowly, so that a brownout is not taken for the nature of the server. */
const QUIET_TAU_MS = 60_000;
/** Times beyond this are a clock's doing or a debugger's. */
const ABSURD_MS = 600_000;

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
    probeMs: Number.NaN,
    probeQuietMs: Number.NaN,
    probeAtMs: nowMs,
    serverMs: Number.NaN,
    serverAtMs: nowMs,
    offsetMs: Number.NaN,
    meanInflight: 0,
    errors: newErrors(nowMs),
    distanceKm: null,
    smallestMs: Number.POSITIVE_INFINITY,
    answers: 0,
    isLie: false,
    returnedAtMs: Number.NEGATIVE_INFINITY,
    isCold: false,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    absentAtMs: Number.NEGATIVE_INFINITY,
    wasEligible: false,
    hasServed: false,
    inflight: 0,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    ratedRequests: 0,
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

/** Network term as measured; NaN until it is. ms. */
export function measuredNetworkMs(k: Known): number {
  return networkMs(k.connect.ms, k.firstByte.ms, trustedBoundMs(k));
}

/** Takes the times of a probe in. Gives whether it was the one that proved the location a lie. */
export function learnFromProbe(k: Known, result: ProbeResult): boolean {
  k.lastProbe = result;
  const { connectMs, firstByteMs, atMs } = result;
  if (result.status !== null || result.ok) k.answeredAtMs = Math.max(k.answeredAtMs, atMs);
  else if (result.failure !== 'timeout') k.absentAtMs = Math.max(k.absentAtMs, atMs);
  // A stalled loop measured itself. A bad answer's time is no answer's time (a fast 503).
  if (result.stalled) return false;
  if (connectMs !== null) levelAfter(k.connect, connectMs);
  if (!result.ok) return false;
  const answerMs = firstByteMs ?? connectMs;
  if (firstByteMs !== null) levelAfter(k.firstByte, firstByteMs);
  const proved = answerMs !== null && sawAnswer(k, answerMs);
  const network = measuredNetworkMs(k);
  if (firstByteMs !== null && !Number.isNaN(network)) {
    k.probeMs = Math.max(k.firstByte.ms - network, 0);
    const elapsedMs = atMs - k.probeAtMs;
    // Traffic came first: what it took was all offset then.
    if (Number.isNaN(k.probeQuietMs)) k.offsetMs -= k.probeMs;
    k.probeQuietMs =
      k.probeMs < k.probeQuietMs || Number.isNaN(k.probeQuietMs)
        ? k.probeMs
        : k.probeQuietMs + (k.probeMs - k.probeQuietMs) * gainOf(elapsedMs, QUIET_TAU_MS);
    k.probeAtMs = atMs;
  }
  return proved;
}

/** An answer this quick: is it from where the endpoint says it is? True once, when it becomes plain that it is not. */
function sawAnswer(k: Known, ms: number): boolean {
  k.answers++;
  k.smallestMs = Math.min(k.smallestMs, ms);
  if (k.isLie || k.distanceKm === null) return false;
  k.isLie = isLocationLie(k.smallestMs, k.answers, boundMs(k.distanceKm));
  return k.isLie;
}

/** One settled attempt, as its worker saw it. */
export interface Seen {
  readonly outcome: Outcome;
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** At the endpoint when it was picked: the worker's own count and the others' as of the tick. */
  readonly inflight: number;
  readonly atMs: number;
  readonly retryAfterMs: number;
}

/** Takes an attempt's times and errors in (not its verdict: that is outlier's). Gives whether it proved a lie. */
export function learnFromTraffic(k: Known, seen: Seen): boolean {
  const { outcome, atMs } = seen;
  k.requests++;
  if (outcome === OUTCOME.CLIENT_GONE) return false;
  const isBad = outcome !== OUTCOME.OK;
  if (outcome >= OUTCOME.CONNECT_FAILED) k.failures++;
  errorsAfter(k.errors, isBad, seen.retryAfterMs, atMs);
  if (outcome === OUTCOME.CONNECT_FAILED) k.absentAtMs = Math.max(k.absentAtMs, atMs);
  if (seen.firstByteMs >= 0) k.answeredAtMs = Math.max(k.answeredAtMs, atMs);
  // A request that got nothing says that the wait is at least this long; one refused at connect says nothing of it.
  const ms = outcome === OUTCOME.TIMEOUT && seen.firstByteMs < 0 ? seen.totalMs : seen.firstByteMs;
  if (!(ms >= 0 && ms < ABSURD_MS)) return false;
  const network = measuredNetworkMs(k);
  const x = Math.max(ms - (Number.isNaN(network) ? (priorOfMs(k) ?? 0) : network), 0);
  const before = Number.isNaN(k.serverMs) ? x : k.serverMs;
  // Failing quickly is no merit: it may raise the level, never lower it (linkerd2-proxy#4537).
  if (isBad && x <= before) return false;
  const elapsedMs = atMs - k.serverAtMs;
  k.serverMs = serverAfterMs(before, x, elapsedMs);
  const rises = seen.inflight > k.meanInflight;
  k.meanInflight += (seen.inflight - k.meanInflight) * peakGainOf(Math.max(elapsedMs, 1), rises);
  if (!isBad) {
    const probe = Number.isNaN(k.probeQuietMs) ? 0 : k.probeQuietMs;
    const quiet = Number.isNaN(k.offsetMs) ? x : quietAfterMs(Math.max(probe + k.offsetMs, MIN_BASE_MS), x, elapsedMs);
    k.offsetMs = quiet - probe;
    k.isCold = false;
  }
  k.serverAtMs = Math.max(k.serverAtMs, atMs);
  return !isBad && sawAnswer(k, ms);
}

/** In-flight decays towards what is there when nothing settles: tunnels that stay must not look like a queue for ever. */
const INFLIGHT_TAU_MS = 10_000;

/**
 * Time passes without an answer: W goes to its idle level and the mean in-flight to the present one. Not while more than
 * usual are waiting: then silence is no rest.
 */
export function rest(k: Known, idleMs: number, elapsedMs: number): void {
  k.meanInflight += (k.inflight - k.meanInflight) * gainOf(elapsedMs, INFLIGHT_TAU_MS);
  if (k.inflight > k.meanInflight * 1.5 + 1 || Number.isNaN(k.serverMs)) return;
  k.serverMs = serverIdleMs(k.serverMs, idleMs, elapsedMs);
}
