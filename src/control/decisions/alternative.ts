// The same requests under another configuration: what was known of each candidate stays as it was captured, what the
// configuration says of it is taken from the other one, core ranks anew, and the selector picks from that row with the
// chance it had. Hysteresis runs along: each row has one home over all its decisions, in their order.

import type { PickState } from '../../core/decision.ts';
import { priorMs } from '../../core/geo.ts';
import { type Home, newHome } from '../../core/home.ts';
import { type Ranked, type Ranking, rank } from '../../core/rank.ts';
import { costMs } from '../../core/score/cost.ts';
import type { PoolSpec } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD, MODE, ROW, ROW_INTS } from '../../core/table.ts';
import type { Config, EndpointConfig, PoolConfig, RouteConfig } from '../config/config.ts';
import { isInside } from '../config/residency.ts';
import type { Recorded } from './parse.ts';

/** As of the start of a pool: home moves freely while it settles. ms */
const SETTLING_MS = 5000;

export class Alternative {
  /** Routes of the records that the configuration has not: their residency stays as it was. */
  readonly unknownRoutes = new Set<string>();
  readonly #records: readonly Recorded[];
  readonly #pools: ReadonlyMap<string, PoolConfig>;
  /** By pool and id. */
  readonly #endpoints: ReadonlyMap<string, ReadonlyMap<string, EndpointConfig>>;
  readonly #routes: ReadonlyMap<string, RouteConfig>;
  readonly #drained: ReadonlySet<string>;
  readonly #meanBytes: ReadonlyMap<string, number>;
  /** By pool, row and cohort. */
  readonly #homes = new Map<string, { readonly home: Home; readonly inBand: Set<string> }>();

  constructor(config: Pick<Config, 'pools' | 'routes'>, drained: ReadonlySet<string>, records: readonly Recorded[]) {
    this.#pools = new Map(config.pools.map((pool) => [pool.name, pool]));
    this.#routes = new Map(config.routes.map((route) => [route.name, route]));
    this.#drained = drained;
    this.#meanBytes = meanBytesOf(records);
    this.#records = records;
    const byId = (endpoints: readonly EndpointConfig[]) =>
      new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#endpoints = new Map(config.pools.map(({ name, endpoints }) => [name, byId(endpoints)]));
  }

  /** Endpoints of the configuration that no decision of their pool knows: nothing is known of how they would do. */
  get unknownEndpoints(): ReadonlySet<string> {
    const seen = new Set(this.#records.flatMap(({ pool, state }) => state.endpoints.map(({ id }) => `${pool} ${id}`)));
    const unknown = new Set<string>();
    for (const [pool, endpoints] of this.#endpoints) {
      for (const id of endpoints.keys()) if (!seen.has(`${pool} ${id}`)) unknown.add(id);
    }
    return unknown;
  }

  knows(pool: string): boolean {
    return this.#pools.has(pool);
  }

  /**
   * What the pick would have seen. Records must come in the order of their time. `state`: what was known then; another than the
   * record's is ranked anew. Throws for a pool that is not there.
   */
  stateOf(recorded: Recorded, state: PickState = recorded.state): PickState {
    const record = state === recorded.state ? recorded : { ...recorded, state };
    const pool = this.#pools.get(record.pool);
    if (pool === undefined) throw new RangeError(`expected a known pool, got ${record.pool}`);
    const spec: PoolSpec = { ...state.pool, ...settingsOf(pool) };
    const kept = this.#membersOf(record, pool);
    if (state === recorded.state && isSame(state, spec, kept)) return { ...state, pool: spec };
    const terms = this.#termsOf(record, spec, kept);
    const ranking = this.#rankOf(record, spec, kept, terms);
    return rowOf(state, spec, kept, terms, ranking);
  }

  /** Candidates of the record that may still be chosen. */
  #membersOf({ state, route, residency }: Recorded, pool: PoolConfig): Member[] {
    const endpoints = this.#endpoints.get(pool.name)!;
    const rule = this.#routes.get(route);
    if (rule === undefined) this.unknownRoutes.add(route);
    const isSameRule = rule === undefined || [...rule.residency].sort().join() === [...residency].sort().join();
    const members: Member[] = [];
    state.endpoints.forEach(({ id }, place) => {
      // Found endpoints stand in no configuration: they are as they were.
      const found = pool.discover.length > 0 ? state.endpoints[place] : undefined;
      const config = endpoints.get(id) ?? found;
      if (config === undefined || this.#drained.has(id)) return;
      const placed = { region: config.region, hasLocation: config.location !== null, host: config.host };
      if (isSameRule || rule.residency.length === 0 || isInside(placed, rule.residency, () => null)) {
        members.push({ place, config });
      }
    });
    return members;
  }

  /** CD fields of the members, with this configuration's prices and weights, and without any hold-off. */
  #termsOf({ state, pool }: Recorded, spec: PoolSpec, members: readonly Member[]): Float64Array {
    const terms = new Float64Array(members.length * CANDIDATE_DOUBLES);
    const bytes = this.#meanBytes.get(pool) ?? 0;
    members.forEach(({ place, config }, i) => {
      const at = i * CANDIDATE_DOUBLES;
      const from = place * CANDIDATE_DOUBLES;
      terms.set(state.terms.subarray(from, from + CANDIDATE_DOUBLES), at);
      const was = state.terms[from + CD.COST]!;
      const isSamePrice =
        spec.millisPerUsdPerMillion === state.pool.millisPerUsdPerMillion &&
        config.egressUsdPerGb === state.endpoints[place]!.egressUsdPerGb;
      const cost = isSamePrice ? was : costMs(spec.millisPerUsdPerMillion, config.egressUsdPerGb, bytes);
      terms[at + CD.COST] = cost;
      terms[at + CD.EXTRA] = cost;
      terms[at + CD.SCORE] = state.terms[from + CD.SCORE]! - was + cost;
      terms[at + CD.WEIGHT] = Math.max(config.weight, 1e-6);
    });
    return terms;
  }

  #rankOf(record: Recorded, spec: PoolSpec, members: readonly Member[], terms: Float64Array): Ranking {
    const { state, atMs } = record;
    const key = `${record.pool} ${record.row} ${record.cohort}`;
    const kept = this.#homes.get(key) ?? { home: newHome(atMs, SETTLING_MS), inBand: new Set<string>() };
    this.#homes.set(key, kept);
    const eligible = state.head[ROW.ELIGIBLE]!;
    const mode = state.head[ROW.MODE]!;
    const ranked = members.map(({ place, config }, i): Ranked => {
      const distanceKm = record.distancesKm[place] ?? null;
      return {
        index: i,
        home: config.region ?? `#${config.id}`,
        isEligible: mode === MODE.NORMAL && place < eligible,
        isAnswering: mode === MODE.PANIC && place < eligible,
        isUnknown: false,
        isReturning: false,
        scoreMs: terms[i * CANDIDATE_DOUBLES + CD.SCORE]!,
        // Not on record: what waits is in the score.
        waitMs: 0,
        perMs: 0,
        capacityPerS: config.capacity,
        isInBand: kept.inBand.has(config.id),
        standbyMs: 0,
        priorMs: distanceKm === null ? Number.POSITIVE_INFINITY : priorMs(distanceKm),
      };
    });
    const ranking = rank(ranked, spec, kept.home, atMs);
    kept.inBand.clear();
    for (const { index, isInBand } of ranked) if (isInBand) kept.inBand.add(members[index]!.config.id);
    return ranking;
  }
}

/** A candidate that stays: where the record has it, and what the configuration says of it. */
interface Member {
  readonly place: number;
  readonly config: EndpointConfig;
}

function settingsOf({
  policy,
  bandRatio,
  bandMs,
  exploreRatio,
  hashOn,
  millisPerUsdPerMillion,
  whenAllDown,
}: PoolConfig) {
  return { policy, bandRatio, bandMs, exploreRatio, hashOn, millisPerUsdPerMillion, whenAllDown };
}

/** Nothing that the ranking depends on is another: the row as it was captured, hold-offs included, is the better witness. */
function isSame({ pool, endpoints, terms }: PickState, spec: PoolSpec, members: readonly Member[]): boolean {
  return (
    members.length === endpoints.length &&
    pool.policy === spec.policy &&
    pool.bandRatio === spec.bandRatio &&
    pool.bandMs === spec.bandMs &&
    pool.millisPerUsdPerMillion === spec.millisPerUsdPerMillion &&
    members.every(
      ({ place, config }) =>
        config.egressUsdPerGb === endpoints[place]!.egressUsdPerGb &&
        config.region === endpoints[place]!.region &&
        Math.max(config.weight, 1e-6) === terms[place * CANDIDATE_DOUBLES + CD.WEIGHT]!,
    )
  );
}

/** The row as the ranking wants it: what fleet/ranking.ts writes into the table. */
function rowOf(
  state: PickState,
  spec: PoolSpec,
  members: readonly Member[],
  terms: Float64Array,
  ranking: Ranking,
): PickState {
  const head = new Int32Array(ROW_INTS);
  head[ROW.BAND] = ranking.band;
  head[ROW.OVERFLOW] = ranking.overflow;
  head[ROW.ELIGIBLE] = ranking.eligible;
  head[ROW.EXPLORABLE] = ranking.explorable;
  head[ROW.MODE] = ranking.mode;
  head[ROW.HOME] = ranking.home;
  const ordered = new Float64Array(terms.length);
  let weights = 0;
  ranking.order.forEach((i, place) => {
    const at = place * CANDIDATE_DOUBLES;
    ordered.set(terms.subarray(i * CANDIDATE_DOUBLES, (i + 1) * CANDIDATE_DOUBLES), at);
    ordered[at + CD.EXTRA]! += ranking.holdMs[i]!;
    if (place < ranking.eligible) weights += ordered[at + CD.WEIGHT]!;
    ordered[at + CD.WEIGHT_SUM] = weights;
  });
  const from = ranking.order.map((i) => members[i]!);
  return {
    ...state,
    pool: spec,
    endpoints: from.map(({ place, config }) => ({
      ...state.endpoints[place]!,
      region: config.region,
      egressUsdPerGb: config.egressUsdPerGb,
      weight: config.weight,
    })),
    head,
    indexes: Int32Array.from(from, ({ place }) => state.indexes[place]!),
    flags: Int32Array.from(from, ({ place }) => state.flags[place]!),
    terms: ordered,
    inflight: Int32Array.from(from, ({ place }) => state.inflight[place]!),
    trialAgesMs:
      state.trialAgesMs.length === 0
        ? state.trialAgesMs
        : Float64Array.from(from, ({ place }) => state.trialAgesMs[place]!),
  };
}

function meanBytesOf(records: readonly Recorded[]): Map<string, number> {
  const sums = new Map<string, { bytes: number; count: number }>();
  for (const { pool, bytes } of records) {
    if (bytes === null) continue;
    const sum = sums.get(pool) ?? { bytes: 0, count: 0 };
    sum.bytes += bytes;
    sum.count++;
    sums.set(pool, sum);
  }
  return new Map([...sums].map(([pool, { bytes, count }]) => [pool, bytes / count]));
}
