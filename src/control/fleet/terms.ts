// What is known of a pool's endpoints becomes the terms of the table: one set of CD fields a member, at the load of the
// tick. The rules are core's (score/*); here they only meet the data. How members are ordered is ranking.ts's business.

import { level } from '../../core/score/alike.ts';
import { costMs, meanBytes } from '../../core/score/cost.ts';
import { answeredRatio, errorAddMs, errorFactor } from '../../core/score/errors.ts';
import { liveScoreMs } from '../../core/score/live.ts';
import { medianOf, staleNetworkMs } from '../../core/score/network.ts';
import { peakIdleMs } from '../../core/score/peak.ts';
import { excessMs, kneeOf, usualInflight } from '../../core/score/queue.ts';
import { rampShare } from '../../core/score/ramp.ts';
import { gammaOf, MIN_BASE_MS } from '../../core/score/server.ts';
import { expectedPerMs, KNOWN_REQUESTS } from '../../core/share/opinion.ts';
import { NONE, type PoolSpec } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD } from '../../core/table.ts';
import { guessOfMs, type Known, measuredNetworkMs } from './known.ts';
import { probeNewsMs } from './probed.ts';
import { rest } from './seen.ts';
import { sharedErrorRatio, sharedOffsetMs, sharedServer } from './sharing.ts';

/** Network of an endpoint of which nothing is known, in a pool of which nothing is known: far, but on this planet. */
const UNKNOWN_NETWORK_MS = 50;
/** Server term of a pool where nothing has answered yet. */
const UNKNOWN_SERVER_MS = 1;
/** What the pool has in common counts as so many answers. */
const LEANING = 6;
/** An answer this old no longer shows that anybody is there. */
const ANSWERED_MS = 10_000;

export function isEligible(k: Known): boolean {
  return k.health.state === 'healthy' && !k.outlier.isEjected && !k.isDraining;
}

/** Whether traffic has told what its times are. */
function isMeasured(k: Known): boolean {
  return !Number.isNaN(k.server.ms);
}

/** Something came back from it lately, and nothing since has shown that nobody is there. */
export function isAnswering(k: Known, nowMs: number): boolean {
  return !k.isDraining && k.answeredAtMs > k.absentAtMs && nowMs - k.answeredAtMs <= ANSWERED_MS;
}

/**
 * Brings `terms` (CD fields of every member in turn) up to date, scores included. `idleFromMs`: whoever has not answered
 * since then is idle. `targets`: of a path over another edge, the position of the endpoint it leads to.
 */
export function writePoolTerms(
  members: readonly Known[],
  spec: PoolSpec,
  terms: Float64Array,
  idleFromMs: number,
  nowMs: number,
  targets: Int32Array | null = null,
): void {
  const isDirect = (i: number) => members[i]!.spec.via === undefined;
  const common = commonOf(targets === null ? members : members.filter((_, i) => isDirect(i)));
  members.forEach((k, i) => {
    writeTerms(
      k,
      targets === null ? common : onAnyWay(members, targets, i, common, nowMs),
      spec,
      terms,
      i * CANDIDATE_DOUBLES,
      idleFromMs,
      nowMs,
    );
  });
  const measured = members
    .map((_, i) => i)
    .filter((i) => isDirect(i) && isEligible(members[i]!) && isMeasured(members[i]!));
  level(
    terms,
    measured,
    Float64Array.from(members, (k) => Math.sqrt(k.server.levelVariance)),
  );
  const asked = members.reduce((sum, k) => sum + k.requests, 0);
  const perMs = members.map((k) => Math.max(k.dispatchPerMs, expectedPerMs(k.peers, asked)));
  const poolPerMs = perMs.reduce((sum, rate) => sum + rate, 0);
  members.forEach((k, i) => {
    const at = i * CANDIDATE_DOUBLES;
    const time = terms[at + CD.NETWORK]! + terms[at + CD.SERVER]!;
    k.expectedMs = time;
    const usual = usualInflight(terms[at + CD.MEAN_INFLIGHT]!, perMs[i]!, poolPerMs, time);
    // The first answers are of requests that found nobody there: the mean of those is not what is usual.
    if (asked < KNOWN_REQUESTS)
      terms[at + CD.MEAN_INFLIGHT] = Math.max(terms[at + CD.MEAN_INFLIGHT]!, perMs[i]! * time);
    terms[at + CD.KNEE] = kneeOf(usual);
    terms[at + CD.EXCESS_MS] = excessMs(perMs[i]!, time);
    terms[at + CD.SCORE] = liveScoreMs(terms, at, loadOf(k, terms[at + CD.MEAN_INFLIGHT]!));
  });
}

/** What the pool's measured members have in common, for those that are not measured. */
interface Common {
  readonly networkMs: number;
  /** What requests take beyond the quiet probe. */
  readonly offsetMs: number;
  readonly serverMs: number;
  /** Of an answer's body, on average. */
  readonly bytes: number;
  /** What the endpoint itself answers badly, on other ways to it: it does so on this one, too. 0…1 */
  readonly badRatio: number;
}

function commonOf(members: readonly Known[]): Common {
  const known = (values: number[], none: number) => {
    const finite = values.filter((v) => !Number.isNaN(v));
    return finite.length === 0 ? none : medianOf(finite);
  };
  return {
    networkMs: known(members.map(measuredNetworkMs), UNKNOWN_NETWORK_MS),
    // A cheap probe would flatter whoever has no traffic; it is charged what requests cost the others on top.
    offsetMs: known(
      (members.some(isTold) ? members.filter(isTold) : members).map((k) => k.offsetMs),
      0,
    ),
    serverMs: known(
      members.map((k) => k.server.ms),
      UNKNOWN_SERVER_MS,
    ),
    bytes: meanBytes(members.map((k) => k.sizes)),
    badRatio: 0,
  };
}

/**
 * Of several ways to one endpoint: what its requests take beyond the quiet probe, the direct one has told; and what it answers
 * badly on one way is no reason to take another.
 */
function onAnyWay(members: readonly Known[], targets: Int32Array, i: number, common: Common, nowMs: number): Common {
  const isVia = targets[i] !== NONE;
  const target = isVia ? targets[i]! : i;
  let badRatio = 0;
  for (let j = 0; j < members.length; j++) {
    if (j !== i && (j === target || targets[j] === target))
      badRatio = Math.max(badRatio, answeredRatio(members[j]!.errors, nowMs));
  }
  const offsetMs = isVia && members[target] !== undefined ? offsetOf(members[target], common) : common.offsetMs;
  return { ...common, offsetMs, badRatio };
}

function writeTerms(
  k: Known,
  common: Common,
  spec: PoolSpec,
  terms: Float64Array,
  at: number,
  idleFromMs: number,
  nowMs: number,
): void {
  const measured = staleNetworkMs(measuredNetworkMs(k), guessOfMs(k), nowMs - k.timedAtMs, k.probeIntervalMs);
  const network = Number.isNaN(measured) ? (guessOfMs(k) ?? common.networkMs) : measured;
  const offset = offsetOf(k, common);
  const isProbed = !Number.isNaN(k.probeMs);
  // Without any first byte of a probe the offset is the whole term, or there is nothing but what the pool has in common.
  const isBlank = !isProbed && Number.isNaN(k.offsetMs);
  const base = isBlank ? blankBaseMs(k, common) : Math.max((isProbed ? k.probeQuietMs : 0) + offset, MIN_BASE_MS);
  const idleMs = isProbed && !isBlank ? Math.max(base + probeNewsMs(k), MIN_BASE_MS) : base;
  if (k.serverAtMs < idleFromMs) rest(k, idleMs, nowMs - idleFromMs);
  const server = Number.isNaN(k.server.ms) ? idleMs : k.server.ms;
  const ratio = Math.max(sharedErrorRatio(k, nowMs), common.badRatio);
  terms[at + CD.NETWORK] = network;
  terms[at + CD.SERVER] = sharedServer(k, server, base);
  terms[at + CD.BASE] = base;
  terms[at + CD.GAMMA] = gammaOf(server, base);
  terms[at + CD.MEAN_INFLIGHT] = k.meanInflight;
  terms[at + CD.ERROR_FACTOR] = errorFactor(ratio);
  terms[at + CD.ERROR_ADD] = errorAddMs(ratio);
  terms[at + CD.COST] =
    costMs(spec.millisPerUsdPerMillion, k.spec.egressUsdPerGb, common.bytes) + (k.spec.via?.costMs ?? 0);
  terms[at + CD.EXTRA] = terms[at + CD.COST]!;
  terms[at + CD.RAMP] = rampShare(nowMs - k.returnedAtMs, spec.slowStartMs) * k.spill.share;
  terms[at + CD.PEAK] = peakIdleMs(k.peakMs, network + base, nowMs - k.peakAtMs);
  terms[at + CD.WEIGHT] = Math.max(k.spec.weight, 1e-6);
}

/** Whether enough answers stand behind its offset for others to lean on it. */
function isTold(k: Known): boolean {
  return k.offsetCount >= LEANING * 2;
}

/** Of which nothing was measured here: as others measured it, else as the pool's are. ms. */
function blankBaseMs({ peers }: Known, common: Common): number {
  return peers !== null && peers.serverWeight > 0 ? Math.max(peers.baseMs, MIN_BASE_MS) : common.serverMs;
}

/** Few answers lean on what others know of it, else on what the pool has in common, many stand alone: one slow page at first is not a slow server. */
function offsetOf(k: Known, common: Common): number {
  const shared = sharedOffsetMs(k);
  if (shared !== null) return shared;
  if (Number.isNaN(k.offsetMs)) return common.offsetMs;
  return (k.offsetMs * k.offsetCount + common.offsetMs * LEANING) / (k.offsetCount + LEANING);
}

/**
 * The load to rank at: the usual one, which W was measured under, so that the chance of one moment moves nothing; the
 * present one only when it is far above, which is how a silent endpoint shows before any time-out.
 */
function loadOf(k: Known, usual: number): number {
  return k.inflight > Math.max(k.meanInflight, usual) * 2 + 4 ? k.inflight : usual;
}
