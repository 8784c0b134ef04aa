// One pool's ranking on the tick: what is known of its endpoints becomes the terms of the table, the terms become scores,
// the scores an order, and that is written. The rules are core's (score/*, rank.ts); here they only meet the data.

import { type Home, newHome, type Ranked, type Ranking, rank } from '../../core/rank.ts';
import { level } from '../../core/score/alike.ts';
import { errorAddMs, errorFactor, errorRatio } from '../../core/score/errors.ts';
import { liveScoreMs } from '../../core/score/live.ts';
import { medianOf } from '../../core/score/network.ts';
import { rampShare } from '../../core/score/ramp.ts';
import { gammaOf, MIN_BASE_MS } from '../../core/score/server.ts';
import { NONE, type PoolSpec } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, FLAG, ROW, type TableWriter } from '../../core/table.ts';
import { type Known, measuredNetworkMs, priorOfMs, probeNewsMs, rest } from './known.ts';

export interface PoolState {
  spec: PoolSpec;
  members: readonly Known[];
  readonly home: Home;
  ranked: Ranked[];
  /** CD fields of every member, in the order of `members`. */
  terms: Float64Array;
  ranking: Ranking | null;
}

/** Network of an endpoint of which nothing is known, in a pool of which nothing is known: far, but on this planet. */
const UNKNOWN_NETWORK_MS = 50;
/** Server term of a pool where nothing has answered yet. */
const UNKNOWN_SERVER_MS = 1;
/** In this time after a pool's start home moves freely: first measurements come in one by one. */
const SETTLING_MS = 5000;
/** An endpoint that came back may claim home without the dwell for this long beyond its slow start. */
const RETURNING_MS = 5000;
/** What the pool has in common counts as so many answers. */
const LEANING = 6;
/** An answer this old no longer shows that anybody is there. */
const ANSWERED_MS = 10_000;

export function newPoolState(spec: PoolSpec, members: readonly Known[], nowMs: number): PoolState {
  const state: PoolState = {
    spec,
    members,
    home: newHome(nowMs, SETTLING_MS),
    ranked: [],
    terms: new Float64Array(0),
    ranking: null,
  };
  populate(state, spec, members);
  return state;
}

/** The pool's structure changed; its home stays. */
export function populate(state: PoolState, spec: PoolSpec, members: readonly Known[]): void {
  state.spec = spec;
  state.members = members;
  state.terms = new Float64Array(members.length * CANDIDATE_DOUBLES);
  state.ranked = members.map((k, index) => ({
    index,
    home: k.spec.region ?? `#${k.spec.id}`,
    isEligible: false,
    isAnswering: false,
    isUnknown: false,
    isReturning: false,
    scoreMs: 0,
    isInBand: false,
    priorMs: Number.POSITIVE_INFINITY,
  }));
}

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

/** Brings terms, scores and order up to date. `idleFromMs`: whoever has not answered since then is idle. */
export function rankPool(state: PoolState, idleFromMs: number, nowMs: number): Ranking {
  const { members, ranked, spec, terms } = state;
  const common = commonOf(members);
  members.forEach((k, i) => {
    writeTerms(k, common, spec, terms, i * CANDIDATE_DOUBLES, idleFromMs, nowMs);
    const r = ranked[i]!;
    r.isEligible = isEligible(k);
    r.isUnknown = k.health.state === 'unknown' && !k.outlier.isEjected && !k.isDraining;
    r.isAnswering = isAnswering(k, nowMs);
    r.isReturning = nowMs - k.returnedAtMs < spec.slowStartMs + RETURNING_MS;
    r.priorMs = priorOfMs(k) ?? Number.POSITIVE_INFINITY;
  });
  const measured = members.map((_, i) => i).filter((i) => ranked[i]!.isEligible && isMeasured(members[i]!));
  level(
    terms,
    measured,
    Float64Array.from(members, (k) => Math.sqrt(k.server.levelVariance)),
  );
  members.forEach((k, i) => {
    const at = i * CANDIDATE_DOUBLES;
    terms[at + CD.SCORE] = liveScoreMs(terms, at, loadOf(k, terms[at + CD.MEAN_INFLIGHT]!));
    ranked[i]!.scoreMs = terms[at + CD.SCORE]!;
  });
  state.ranking = rank(ranked, spec, state.home, nowMs);
  return state.ranking;
}

/** What the pool's measured members have in common, for those that are not measured. */
interface Common {
  readonly networkMs: number;
  /** What requests take beyond the quiet probe. */
  readonly offsetMs: number;
  readonly serverMs: number;
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
  };
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
  const measured = measuredNetworkMs(k);
  const network = Number.isNaN(measured) ? (priorOfMs(k) ?? common.networkMs) : measured;
  const offset = offsetOf(k, common);
  const isProbed = !Number.isNaN(k.probeMs);
  // Without any first byte of a probe the offset is the whole term, or there is nothing but what the pool has in common.
  const isBlank = !isProbed && Number.isNaN(k.offsetMs);
  const base = isBlank ? common.serverMs : Math.max((isProbed ? k.probeQuietMs : 0) + offset, MIN_BASE_MS);
  const idleMs = isProbed && !isBlank ? Math.max(base + probeNewsMs(k), MIN_BASE_MS) : base;
  if (k.serverAtMs < idleFromMs) rest(k, idleMs, nowMs - idleFromMs);
  const server = Number.isNaN(k.server.ms) ? idleMs : k.server.ms;
  const ratio = errorRatio(k.errors, nowMs);
  terms[at + CD.NETWORK] = network;
  terms[at + CD.SERVER] = server;
  terms[at + CD.BASE] = base;
  terms[at + CD.GAMMA] = gammaOf(server, base);
  terms[at + CD.MEAN_INFLIGHT] = k.meanInflight;
  terms[at + CD.ERROR_FACTOR] = errorFactor(ratio);
  terms[at + CD.ERROR_ADD] = errorAddMs(ratio);
  terms[at + CD.EXTRA] = 0;
  terms[at + CD.RAMP] = rampShare(nowMs - k.returnedAtMs, spec.slowStartMs);
  terms[at + CD.WEIGHT] = Math.max(k.spec.weight, 1e-6);
}

/** Whether enough answers stand behind its offset for others to lean on it. */
function isTold(k: Known): boolean {
  return k.offsetCount >= LEANING * 2;
}

/** Few answers lean on what the pool has in common, many stand alone: one slow page at first is not a slow server. */
function offsetOf(k: Known, common: Common): number {
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

/** Writes the pool's row into the version being written. */
export function writePool(state: PoolState, pool: number, writer: TableWriter): void {
  const { members, terms } = state;
  const ranking = state.ranking!;
  const { ints, doubles } = writer;
  const row = writer.shape.rows[pool]!;
  ints[row.at + ROW.BAND] = ranking.band;
  ints[row.at + ROW.OVERFLOW] = ranking.overflow;
  ints[row.at + ROW.ELIGIBLE] = ranking.eligible;
  ints[row.at + ROW.EXPLORABLE] = ranking.explorable;
  ints[row.at + ROW.MODE] = ranking.mode;
  ints[row.at + ROW.HOME] = ranking.home;
  let weights = 0;
  for (let at = 0; at < ranking.order.length; at++) {
    const i = ranking.order[at]!;
    const k = members[i]!;
    const int = row.ints + at * CANDIDATE_INTS;
    ints[int + CI.SLOT] = k.spec.slot;
    ints[int + CI.INDEX] = i;
    ints[int + CI.FLAGS] = (k.isCold ? FLAG.COLD : 0) | (k.isDraining ? FLAG.OFF : 0);
    const double = row.doubles + at * CANDIDATE_DOUBLES;
    const from = i * CANDIDATE_DOUBLES;
    for (let f = 0; f < CANDIDATE_DOUBLES; f++) doubles[double + f] = terms[from + f]!;
    doubles[double + CD.EXTRA]! += ranking.holdMs[i]!;
    if (at < ranking.eligible) weights += terms[from + CD.WEIGHT]!;
    doubles[double + CD.WEIGHT_SUM] = weights;
  }
}

/** Whether an endpoint of this home key shares the band. */
export function isInBand(state: PoolState, home: string | null): boolean {
  const { ranking, ranked } = state;
  return ranking?.order.slice(0, ranking.band).some((i) => ranked[i]!.home === home) ?? false;
}

/** Where a member stands: 'band', 'overflow' or 'out'. */
export function roleOf(ranking: Ranking, member: number): 'band' | 'overflow' | 'out' {
  const at = ranking.order.indexOf(member);
  if (at === NONE || at >= ranking.band + ranking.overflow) return 'out';
  return at < ranking.band ? 'band' : 'overflow';
}
