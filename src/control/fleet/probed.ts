// What probes teach of an endpoint: the way to it, its quiet server term, whether it is where it says it is, and whether a
// probe that got no answer is believed. Functions over Known; the rules are core's.

import { forgiveAbsence } from '../../core/score/errors.ts';
import { levelAfter } from '../../core/score/network.ts';
import { gainOf, MIN_BASE_MS } from '../../core/score/server.ts';
import type { ProbeResult } from '../types.ts';
import { guessOfMs, type Known, measuredNetworkMs, sawAnswer } from './known.ts';

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

/** Takes the times of a probe in. Gives whether it was the one that proved the location a lie. */
export function learnFromProbe(k: Known, result: ProbeResult): boolean {
  k.lastProbe = result;
  const { connectMs, firstByteMs, atMs } = result;
  if (result.status !== null || result.ok) k.answeredAtMs = Math.max(k.answeredAtMs, atMs);
  else if (result.failure !== 'timeout') k.absentAtMs = Math.max(k.absentAtMs, atMs);
  // A stalled loop measured itself. A bad answer's time is no answer's time (a fast 503).
  if (result.stalled) return false;
  const isFirst = Number.isNaN(measuredNetworkMs(k));
  const guessMs = guessOfMs(k) ?? 0;
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
