// A decision as JSON: what /api/v1/decisions answers and what `fermat replay` reads. For people first, and complete: every
// number that the pick depended on is there as the very double it was (JSON's numbers round-trip; what is not finite is a
// string). The names of the terms are those of the table (core/table.ts, CD and ROW).

import { cohortName } from '../../core/cohort.ts';
import { comparedOf, liveScoresOf, type PickState, propensitiesOf } from '../../core/decision.ts';
import { OUTCOME } from '../../core/sample.ts';
import { ROLE, ROLE_NAMES } from '../../core/selector.ts';
import type { EndpointSpec, PoolSpec } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD, FLAG, ROW } from '../../core/table.ts';
import { countryOf, type Entry } from './entry.ts';
import { bestOf, predictedMs } from './predicted.ts';

/** A double as JSON can say it. */
export type Exact = number | 'NaN' | 'Infinity' | '-Infinity';

/** One candidate, in the order of the row. Times in ms. */
export interface CandidateRecord {
  readonly id: string;
  readonly region: string | null;
  /** Where the row had it. */
  readonly role: 'band' | 'overflow' | 'out';
  /** Expected time of one more request, as compared; and what of it is expected without the hold-off of a challenger. */
  readonly liveMs: number;
  readonly predictedMs: number;
  /** As counted by the pick: that worker's own and the others' as of the tick. */
  readonly inflight: number;
  /** Probability to be chosen in this state. */
  readonly propensity: number;
  readonly isCold: boolean;
  readonly isDraining: boolean;
  readonly distanceKm: number | null;
  readonly egressUsdPerGb: number;
  readonly capacity: number;
  readonly weight: number;
  /** Which of the pool's endpoints it is. */
  readonly index: number;
  readonly slot: number;
  readonly uid: number;
  readonly flags: number;
  readonly trialAgeMs: number | null;
  /** CD fields: network, server, base, gamma, meanInflight, errorFactor, errorAdd, extra, ramp, weight, … */
  readonly terms: Readonly<Record<string, Exact>>;
}

/** Why this endpoint. Stable words. */
export type Reason =
  | 'only one left'
  | 'least live score of the drawn'
  | 'overflow better than the band'
  | 'next best'
  | 'least in flight of the drawn'
  | 'least peak of the drawn'
  | 'its turn'
  | 'drawn by weight'
  | 'nearest'
  | 'sticky'
  | 'exploration'
  | 'panic'
  | 'trial';

export interface DecisionRecord {
  readonly id: string;
  readonly at: string;
  readonly node: string;
  readonly snapshot: number;
  readonly route: string;
  readonly pool: string;
  readonly policy: string;
  /** Index of the row it was made from, and the rule its members were let in by: nobody else was a candidate. */
  readonly row: number;
  readonly residency: readonly string[];
  readonly cohort: string;
  /** Of the client, two letters; null = not known, or not yet. */
  readonly country: string | null;
  readonly role: string;
  readonly endpoint: string;
  readonly region: string | null;
  readonly reason: Reason;
  /** Ids of those that were compared, the choice included. */
  readonly drawn: readonly string[];
  readonly propensity: number;
  readonly predictedMs: number;
  readonly best: string;
  readonly bestMs: number;
  readonly regretMs: number;
  /** `pending` until the attempt has ended. */
  readonly outcome: string;
  readonly status: number | null;
  readonly connectMs: number | null;
  readonly firstByteMs: number | null;
  readonly totalMs: number | null;
  readonly bytes: number | null;
  /** The worker itself stood still for so long meanwhile: not in `totalMs`; above 0 it told neither of the other times. */
  readonly stalledMs: number | null;
  /** In flight at that endpoint from that worker when it was chosen. */
  readonly inflight: number;
  readonly candidates: readonly CandidateRecord[];
  readonly settings: Settings;
  readonly replay: ReplayFields;
}

export type Settings = Pick<
  PoolSpec,
  'policy' | 'bandRatio' | 'bandMs' | 'exploreRatio' | 'millisPerUsdPerMillion' | 'whenAllDown' | 'hashOn'
>;

/** What only a replay needs. */
export interface ReplayFields {
  readonly lane: number;
  readonly sequence: number;
  /** ROW fields. */
  readonly head: Readonly<Record<string, number>>;
  readonly chance: number;
  readonly turn: number;
  readonly nowMs: number;
  readonly hash: number;
  readonly mayExplore: boolean;
  /** Slots. */
  readonly tried: readonly number[];
  /** It stands for so many picks; whether chance took it. */
  readonly every: number;
  readonly isDrawn: boolean;
}

export const TERM_NAMES = namesOf(CD);
export const HEAD_NAMES = namesOf(ROW);
export const OUTCOME_NAMES = Object.keys(OUTCOME).map((name) => name.toLowerCase());

/** What a record needs beside the decision itself. */
export interface Setting {
  readonly node: string;
  /** Great circle from this node; null = unknown. */
  readonly distanceKmOf: (endpoint: EndpointSpec) => number | null;
}

/** About a millisecond the first time, most of it for the propensities. */
export function recordOf(entry: Entry, setting: Setting): DecisionRecord {
  const { state, place, settled } = entry;
  const { pool, endpoints, head } = state;
  const scores = liveScoresOf(state);
  entry.told ??= { propensities: propensitiesOf(state), compared: comparedOf(state) };
  const { propensities, compared } = entry.told;
  const best = bestOf(state, place, scores);
  const chosen = endpoints[place]!;
  const predicted = predictedMs(state, place, scores);
  const bestMs = predictedMs(state, best, scores);
  return {
    id: entry.id.toString(36),
    at: new Date(entry.dateMs).toISOString(),
    node: setting.node,
    snapshot: entry.version,
    route: entry.route,
    pool: pool.name,
    policy: pool.policy,
    row: entry.row,
    residency: entry.residency,
    cohort: cohortName(entry.cohort),
    country: countryOf(entry),
    role: ROLE_NAMES[entry.role] ?? 'band',
    endpoint: chosen.id,
    region: chosen.region,
    reason: reasonOf(state, entry.role, place, compared),
    drawn: compared.map((i) => endpoints[i]!.id),
    propensity: floored(propensities[place]!),
    predictedMs: predicted,
    best: endpoints[best]!.id,
    bestMs,
    regretMs: predicted - bestMs,
    outcome: settled === null ? 'pending' : (OUTCOME_NAMES[settled.outcome] ?? 'ok'),
    status: settled?.status || null,
    connectMs: positive(settled?.connectMs),
    firstByteMs: positive(settled?.firstByteMs),
    totalMs: positive(settled?.totalMs),
    bytes: settled?.bytes ?? null,
    stalledMs: settled?.stalledMs ?? null,
    inflight: entry.ownInflight,
    candidates: endpoints.map((endpoint, i) => candidateOf(state, i, endpoint, scores, propensities[i]!, setting)),
    settings: settingsOf(pool),
    replay: {
      lane: entry.lane,
      sequence: entry.sequence,
      head: Object.fromEntries(HEAD_NAMES.map(([name, field]) => [name, head[field]!])),
      chance: state.chance,
      turn: state.turn,
      nowMs: state.nowMs,
      hash: state.hash,
      mayExplore: state.mayExplore,
      tried: [...state.tried],
      every: entry.every,
      isDrawn: entry.isDrawn,
    },
  };
}

function candidateOf(
  state: PickState,
  place: number,
  endpoint: EndpointSpec,
  scores: Float64Array,
  propensity: number,
  setting: Setting,
): CandidateRecord {
  const { head, flags, terms, inflight, trialAgesMs } = state;
  const band = head[ROW.BAND]!;
  const at = place * CANDIDATE_DOUBLES;
  return {
    id: endpoint.id,
    region: endpoint.region,
    role: place < band ? 'band' : place < band + head[ROW.OVERFLOW]! ? 'overflow' : 'out',
    liveMs: scores[place]!,
    predictedMs: predictedMs(state, place, scores),
    inflight: inflight[place]!,
    propensity,
    isCold: (flags[place]! & FLAG.COLD) !== 0,
    isDraining: (flags[place]! & FLAG.OFF) !== 0,
    distanceKm: setting.distanceKmOf(endpoint),
    egressUsdPerGb: endpoint.egressUsdPerGb,
    capacity: endpoint.capacity,
    weight: endpoint.weight,
    index: state.indexes[place]!,
    slot: endpoint.slot,
    uid: endpoint.uid,
    flags: flags[place]!,
    trialAgeMs: trialAgesMs.length === 0 ? null : trialAgesMs[place]!,
    terms: Object.fromEntries(TERM_NAMES.map(([name, field]) => [name, exact(terms[at + field]!)])),
  };
}

function settingsOf(pool: PoolSpec): Settings {
  const { policy, bandRatio, bandMs, exploreRatio, millisPerUsdPerMillion, whenAllDown, hashOn } = pool;
  return { policy, bandRatio, bandMs, exploreRatio, millisPerUsdPerMillion, whenAllDown, hashOn };
}

function reasonOf(
  { pool, head, tried, hash }: PickState,
  role: number,
  place: number,
  compared: readonly number[],
): Reason {
  if (role === ROLE.TRIAL) return 'trial';
  if (role === ROLE.PANIC) return 'panic';
  if (role === ROLE.EXPLORE) return 'exploration';
  if (head[ROW.ELIGIBLE]! - tried.length <= 1) return 'only one left';
  switch (pool.policy) {
    case 'round-robin':
      return 'its turn';
    case 'weighted':
      return 'drawn by weight';
    case 'nearest':
      return tried.length > 0 ? 'next best' : 'nearest';
    case 'hash':
      return hash === 0 ? 'least in flight of the drawn' : 'sticky';
    case 'peak-ewma':
      return 'least peak of the drawn';
    case 'least-request':
    case 'random-two':
      return 'least in flight of the drawn';
    default:
      if (hash !== 0 && pool.hashOn !== null && compared.length <= 1) return 'sticky';
      if (compared.length <= 1) return 'next best';
      return place < head[ROW.BAND]! ? 'least live score of the drawn' : 'overflow better than the band';
  }
}

/** It was chosen, so it can be: what no draw showed happens less often than once in all of them. */
function floored(propensity: number): number {
  return Math.max(propensity, 1 / 1024);
}

export function exact(x: number): Exact {
  return Number.isFinite(x) ? x : (String(x) as Exact);
}

function positive(ms: number | undefined): number | null {
  return ms === undefined || ms < 0 ? null : ms;
}

/** MEAN_INFLIGHT → meanInflight, with its index. */
function namesOf(fields: Readonly<Record<string, number>>): (readonly [name: string, field: number])[] {
  return Object.entries(fields).map(([name, field]) => [
    name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    field,
  ]);
}
