// Everything that is known of one endpoint: its health, its levels of time, its failures. Fed by probes and by the lanes'
// samples, read by the ranker. One owner (the fleet), plain data and functions over it; the rules are core's.

import { boundMs, distanceKm, priorMs } from '../../core/geo.ts';
import { type Health, newHealth } from '../../core/health.ts';
import { OUTCOME, type Outcome } from '../../core/lane.ts';
import { newOutlier, type Outlier } from '../../core/outlier.ts';
import { newSizes, type Sizes, sizesAfter } from '../../core/score/cost.ts';
import { type Errors, errorsAfter, forgiveAbsence, newErrors } from '../../core/score/errors.ts';
import { isLocationLie, type Level, levelAfter, networkMs, newLevel } from '../../core/score/network.ts';
import { peakAfter } from '../../core/score/peak.ts';
import { gainOf, MIN_BASE_MS, quietAfterMs, serverIdleMs } from '../../core/score/server.ts';
import { newSpill, type Spill, spillAfter } from '../../core/score/spill.ts';
import {
  type Batch,
  batchAdd,
  batchTake,
  newBatch,
  newSteady,
  type Steady,
  steadyAfter,
} from '../../core/score/steady.ts';
import type { EndpointSpec, LatLon } from '../../core/snapshot.ts';
import type { ProbeResult, ProbeSpec } from '../types.ts';
import { holdAfter } from './hold.ts';

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
  dispatchRequests: number;
  dispatchInflight: number;
}

/** The probe's quiet level rises this slowly, so that a brownout is not taken for the nature of the server. */
const QUIET_TAU_MS = 60_000;
const PROBE_GAIN = 0.15;
/** Until so many have answered, all of them count alike. */
const EARLY_PROBES = 6;
/** Traffic as young as this knows the unloaded level better than probes. */
const FRESH_MS = 2000;
/** The level of the probes (a smoothed median of five) strays this far from the truth, in deviations of one probe. */
const PROBE_NOISE = 1;
/** So many good probes after it, and that nobody was there is history: it may never have been long enough to be called down. */
const PRESENT_PROBES = 2;
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
    hasServed: false,
    inflight: 0,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    ratedRequests: 0,
    dispatchPerMs: 0,
    peakMs: Number.NaN,
    peakAtMs: nowMs,
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
  const isFirst = Number.isNaN(measuredNetworkMs(k));
  const guessMs = priorOfMs(k) ?? 0;
  if (connectMs !== null) levelAfter(k.connect, connectMs);
  if (connectMs !== null || firstByteMs !== null) k.timedAtMs = Math.max(k.timedAtMs, atMs);
  if (!result.ok) return false;
  if (++k.probesSinceAbsence === PRESENT_PROBES) forgiveAbsence(k.errors);
  const answerMs = firstByteMs ?? connectMs;
  if (firstByteMs !== null) levelAfter(k.firstByte, firstByteMs);
  const proved = answerMs !== null && sawAnswer(k, answerMs);
  const network = measuredNetworkMs(k);
  // Traffic came first: what it took was reckoned beyond a guess, the way itself included.
  if (isFirst && !Number.isNaN(network)) shift(k, guessMs - network);
  if (firstByteMs !== null && !Number.isNaN(network)) {
    k.probeMs = Math.max(k.firstByte.ms - network, 0);
    const elapsedMs = atMs - k.probeAtMs;
    const offSquare = (firstByteMs - k.firstByte.ms) ** 2;
    k.probes++;
    // The plain mean at first: noise that is not known yet must not pass for news.
    const isEarly = k.probes <= EARLY_PROBES;
    const seen = isEarly ? offSquare : Math.min(offSquare, 9 * k.probeVariance + 1);
    k.probeVariance += (seen - k.probeVariance) * (isEarly ? 1 / k.probes : PROBE_GAIN);
    const stepMs = Number.isNaN(k.probeQuietMs) ? k.probeMs : probeStepMs(k, elapsedMs);
    k.probeQuietMs = Number.isNaN(k.probeQuietMs) ? k.probeMs : k.probeQuietMs + stepMs;
    // What traffic says of the unloaded level stands while there is traffic; and if it came first, it was all offset.
    if (k.probes === 1 || atMs - k.serverAtMs < FRESH_MS) k.offsetMs -= stepMs;
    k.probeAtMs = atMs;
  }
  return proved;
}

/** The server terms are what requests take beyond the network; that has become another by `-ms`. */
function shift(k: Known, ms: number): void {
  k.server.ms = Math.max(k.server.ms + ms, MIN_BASE_MS);
  k.offsetMs += ms;
}

/** What the quiet level of the probes moves by: down when they are surely quicker, with time otherwise. */
function probeStepMs(k: Known, elapsedMs: number): number {
  const off = k.probeMs - k.probeQuietMs;
  const news = probeNewsMs(k);
  if (news < 0) return news;
  return off * Math.max(gainOf(elapsedMs, QUIET_TAU_MS), news === 0 && k.probes <= EARLY_PROBES ? 1 / k.probes : 0);
}

/** How far the probes are from their quiet level, as far as it is not their usual noise. ms; 0 = as ever. */
export function probeNewsMs(k: Known): number {
  const off = k.probeMs - k.probeQuietMs;
  const noise = PROBE_NOISE * Math.sqrt(k.probeVariance);
  return Math.sign(off) * Math.max(Math.abs(off) - noise, 0);
}

/** An answer this quick: is it from where the endpoint says it is? True once, when it becomes plain that it is not. */
function sawAnswer(k: Known, ms: number): boolean {
  k.answers++;
  k.smallestMs = Math.min(k.smallestMs, ms);
  if (k.isLie || k.distanceKm === null) return false;
  k.isLie = isLocationLie(k.smallestMs, k.answers, boundMs(k.distanceKm));
  return k.isLie;
}

/** So many good answers between two probes outweigh a probe that got none. */
const VOUCHED = 5;

/**
 * Whether a probe that got no answer in time is let pass because requests speak for the endpoint: probes get lost too. Every
 * other one: a health check that hangs for good is believed, if half as soon. What a probe was told (a status, a refusal)
 * stands. To be asked once a probe.
 */
export function letsPass(k: Known, result: ProbeResult): boolean {
  const isVouched = result.failure === 'timeout' && k.goodSinceProbe >= VOUCHED && k.lostSinceProbe === 0;
  k.goodSinceProbe = 0;
  k.lostSinceProbe = 0;
  k.wasLetPass = isVouched && !k.wasLetPass;
  return k.wasLetPass;
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
  /** Of the response body. */
  readonly bytes: number;
}

/** Takes an attempt's times and errors in (not its verdict: that is outlier's). Gives whether it proved a lie. */
export function learnFromTraffic(k: Known, seen: Seen): boolean {
  const { outcome, atMs } = seen;
  k.requests++;
  if (outcome === OUTCOME.CLIENT_GONE) return false;
  const isBad = outcome !== OUTCOME.OK;
  const isAbsent = outcome >= OUTCOME.CONNECT_FAILED && outcome < OUTCOME.BAD_RESPONSE;
  if (outcome >= OUTCOME.CONNECT_FAILED) k.failures++;
  if (!isBad) sizesAfter(k.sizes, seen.bytes, atMs);
  k.tickRequests++;
  if (outcome === OUTCOME.TOO_MANY) {
    k.tickRefused++;
    k.tickRetryAfterMs = Math.max(k.tickRetryAfterMs, seen.retryAfterMs);
  } else {
    errorsAfter(k.errors, isBad, isAbsent, seen.retryAfterMs, atMs);
  }
  if (seen.totalMs >= 0 && seen.totalMs < ABSURD_MS) holdAfter(k, seen.totalMs, k.requests);
  if (!isBad) k.goodSinceProbe++;
  else if (isAbsent) k.lostSinceProbe++;
  if (isAbsent) k.probesSinceAbsence = 0;
  if (outcome === OUTCOME.CONNECT_FAILED) k.absentAtMs = Math.max(k.absentAtMs, atMs);
  if (seen.firstByteMs >= 0) k.answeredAtMs = Math.max(k.answeredAtMs, atMs);
  // A request that got nothing says that the wait is at least this long; one refused at connect says nothing of it.
  const ms = outcome === OUTCOME.TIMEOUT && seen.firstByteMs < 0 ? seen.totalMs : seen.firstByteMs;
  if (!(ms >= 0 && ms < ABSURD_MS)) return false;
  const network = measuredNetworkMs(k);
  const x = Math.max(ms - (Number.isNaN(network) ? (priorOfMs(k) ?? 0) : network), 0);
  // Failing quickly is no merit: it may raise the level, never lower it (linkerd2-proxy#4537).
  if (isBad && !(x > k.server.ms)) return false;
  batchAdd(k.batch, x, seen.inflight, !isBad);
  k.peakMs = peakAfter(k.peakMs, ms, atMs - k.peakAtMs);
  k.peakAtMs = Math.max(k.peakAtMs, atMs);
  k.batchAtMs = Math.max(k.batchAtMs, atMs);
  if (!isBad) k.isCold = false;
  if (!isBad) k.timedAtMs = Math.max(k.timedAtMs, atMs);
  return !isBad && sawAnswer(k, ms);
}

/**
 * What an endpoint refused in this tick: some of many is a limit, which is kept to (spill) and no failure; most of them is
 * a ban, and counts as one.
 */
export function settleRefusals(k: Known, elapsedMs: number, nowMs: number): void {
  const { tickRequests, tickRefused } = k;
  spillAfter(k.spill, tickRequests, tickRefused, k.spec.capacity, elapsedMs);
  if (tickRefused * 2 >= tickRequests) {
    for (let i = 0; i < tickRefused; i++) errorsAfter(k.errors, true, false, k.tickRetryAfterMs, nowMs);
  }
  k.tickRequests = 0;
  k.tickRefused = 0;
  k.tickRetryAfterMs = 0;
}

const DISPATCH_TAU_MS = 500;

/** How fast requests are sent to it: what has settled in this tick, and what is in flight more than at the last. */
export function settleDispatch(k: Known, elapsedMs: number): void {
  if (!(elapsedMs > 0)) return;
  const sent = Math.max(k.requests - k.dispatchRequests + k.inflight - k.dispatchInflight, 0);
  k.dispatchRequests = k.requests;
  k.dispatchInflight = k.inflight;
  k.dispatchPerMs += (sent / elapsedMs - k.dispatchPerMs) * gainOf(elapsedMs, DISPATCH_TAU_MS);
}

/** Takes the samples of this tick into W, its unloaded level and the mean in-flight. */
export function settleBatch(k: Known): void {
  if (k.batch.count === 0) return;
  const figure = batchTake(k.batch, k.server.ms);
  const elapsedMs = Math.max(k.batchAtMs - k.serverAtMs, 1);
  const gain = steadyAfter(k.server, figure, elapsedMs);
  k.meanInflight += (figure.meanInflight - k.meanInflight) * gain;
  if (!Number.isNaN(figure.goodMs)) {
    const probe = Number.isNaN(k.probeQuietMs) ? 0 : k.probeQuietMs;
    // Only what is surely lower is quieter: of noise, the unloaded level would be the luckiest moment.
    const x = figure.goodMs + Math.sqrt(k.server.variance / figure.count);
    const before = Math.max(probe + k.offsetMs, MIN_BASE_MS);
    const quiet = Number.isNaN(k.offsetMs) ? figure.goodMs : quietAfterMs(before, x, elapsedMs);
    k.offsetMs = quiet - probe;
    k.offsetCount += figure.count;
  }
  k.serverAtMs = Math.max(k.serverAtMs, k.batchAtMs);
}

/** In-flight decays towards what is there when nothing settles: tunnels that stay must not look like a queue for ever. */
const INFLIGHT_TAU_MS = 10_000;

/**
 * Time passes without an answer: W goes to its idle level and the mean in-flight to the present one. Not while more than
 * usual are waiting: then silence is no rest.
 */
export function rest(k: Known, idleMs: number, elapsedMs: number): void {
  k.meanInflight += (k.inflight - k.meanInflight) * gainOf(elapsedMs, INFLIGHT_TAU_MS);
  if (k.inflight > k.meanInflight * 1.5 + 1 || Number.isNaN(k.server.ms)) return;
  k.server.ms = serverIdleMs(k.server.ms, idleMs, elapsedMs);
}
