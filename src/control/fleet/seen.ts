// What requests teach of an endpoint: samples as they come, and what a tick makes of them: server term, unloaded level, usual
// load, limits. Functions over Known; the rules are core's.

import { OUTCOME, type Outcome } from '../../core/sample.ts';
import { sizesAfter } from '../../core/score/cost.ts';
import { errorsAfter } from '../../core/score/errors.ts';
import { peakAfter } from '../../core/score/peak.ts';
import { gainOf, MIN_BASE_MS, quietAfterMs, serverIdleMs } from '../../core/score/server.ts';
import { spillAfter } from '../../core/score/spill.ts';
import { batchAdd, batchTake, steadyAfter } from '../../core/score/steady.ts';
import { capacityShare } from '../../core/share/opinion.ts';
import { holdAfter } from './hold.ts';
import { guessOfMs, type Known, measuredNetworkMs, sawAnswer } from './known.ts';

/** Times beyond this are a clock's doing or a debugger's. */
const ABSURD_MS = 600_000;
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
  } else if (outcome !== OUTCOME.OUTRUN) {
    errorsAfter(k.errors, isBad, isAbsent, seen.retryAfterMs, atMs);
  }
  if (seen.totalMs >= 0 && seen.totalMs < ABSURD_MS && outcome !== OUTCOME.OUTRUN)
    holdAfter(k, seen.totalMs, k.requests);
  if (!isBad) k.goodSinceProbe++;
  else if (isAbsent) k.lostSinceProbe++;
  if (isAbsent) k.probesSinceAbsence = 0;
  if (outcome === OUTCOME.CONNECT_FAILED) k.absentAtMs = Math.max(k.absentAtMs, atMs);
  if (seen.firstByteMs >= 0) k.answeredAtMs = Math.max(k.answeredAtMs, atMs);
  // A request that got nothing says that the wait is at least this long; one refused at connect says nothing of it.
  const isBound = outcome === OUTCOME.TIMEOUT || outcome === OUTCOME.OUTRUN;
  const ms = isBound && seen.firstByteMs < 0 ? seen.totalMs : seen.firstByteMs;
  if (!(ms >= 0 && ms < ABSURD_MS)) return false;
  const network = measuredNetworkMs(k);
  const x = Math.max(ms - (Number.isNaN(network) ? (guessOfMs(k) ?? 0) : network), 0);
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
  const capacity = capacityShare(k.spec.capacity, k.dispatchPerMs * 1000, k.peers?.perS ?? 0);
  spillAfter(k.spill, tickRequests, tickRefused, capacity, elapsedMs);
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

/**
 * It is back in use: W is no more than when it went out. What waited while nobody was there and was answered all at once has
 * measured one absence many times over; that it may be slower than before, its slow start is there to find out.
 */
export function forgetWaits(k: Known): void {
  if (k.leftServerMs < k.server.ms) k.server.ms = k.leftServerMs;
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
