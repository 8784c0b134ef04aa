// Cohorts whose best endpoints are others than everybody's: what is learned of them from samples (core/cohorts.ts) becomes rows
// of the table. A row is lent only where it would send the cohort elsewhere, surely and by more than the band (difference.ts);
// most of the time none is, and then only the learning costs. On the tick, like all ranking; never on the request path.

import { type CohortPath, cohortPath, EDGE_COHORT } from '../../core/cohort.ts';
import { type CohortMemory, Cohorts } from '../../core/cohorts.ts';
import { type Lent, writeDirectory } from '../../core/directory.ts';
import { type Home, newHome } from '../../core/home.ts';
import { type Ranked, type Ranking, rank } from '../../core/rank.ts';
import { OUTCOME, SAMPLE } from '../../core/sample.ts';
import { cohortScoreMs } from '../../core/score/cohort.ts';
import { beginWith, countryRatios } from '../../core/share/countries.ts';
import type { SharedCohort } from '../../core/share/digest.ts';
import { MAX_SLOTS } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD, MODE, type TableShape, type TableWriter } from '../../core/table.ts';
import { type Faced, facedBy, isDifferent } from './difference.ts';
import type { Known } from './known.ts';
import { idOf, type PoolState, type RowState, rowKey, writeCohortRow } from './ranking.ts';

/** A row on loan: `row` of the table serves the cohort `key` in place of `root`. */
export interface CohortRow extends Lent {
  readonly state: PoolState;
  readonly of: RowState;
  readonly home: Home;
  faced: readonly Faced[];
  /** One each of `faced`. */
  ranked: Ranked[];
  ranking: Ranking | null;
  /** When last a request was picked from it. */
  usedAtMs: number;
}

/** A row that nobody used for so long is given back. */
const UNUSED_MS = 180_000;
/** A row is looked at anew every so many ticks: whether it is still called for, and who should stand in it. */
const TURNS = 16;
/** Samples learned from on one tick; beyond that they only say it again. */
const LEARNED = 4096;
/** Cohorts of all pools together, and of a pool at least: they share the memory. */
const ALL_COHORTS = 4096;
const LEAST_COHORTS = 64;
const ENDPOINTS = 16;
/** Ratios of countries that other nodes are told. */
const TOLD = 32;

export class FleetCohorts {
  /** By pool. */
  #pools: readonly PoolState[] = [];
  #learned: Cohorts[] = [];
  /** Endpoint id → place in RowSpec.members. */
  #places = new Map<RowState, ReadonlyMap<number, number>>();
  /** Position in PoolState.members by slot. */
  readonly #member = new Int32Array(MAX_SLOTS);
  /** Cohort → its row, by root row; and all of them. */
  #lent = new Map<number, Map<number, CohortRow>>();
  #rows: CohortRow[] = [];
  /** Rows of the table that are not lent. */
  #free: number[] = [];
  /** Of the directory: counts up with every change of what is lent, over all tables. */
  #generation = 1;
  #turn = 0;
  #taken = 0;

  /** What was learned of pools (by name) and endpoints (by slot and generation) that stay is kept, and so are rows. */
  install(pools: readonly PoolState[], shape: TableShape): void {
    const before = new Map(this.#pools.map((state, i) => [state.spec.name, this.#learned[i]!]));
    const cohorts = Math.max(Math.floor(ALL_COHORTS / Math.max(pools.length, 1)), LEAST_COHORTS);
    this.#pools = pools;
    this.#places = new Map();
    this.#learned = pools.map(({ spec, members, rows }) => {
      const learned = new Cohorts({ cohorts, endpoints: ENDPOINTS }, before.get(spec.name));
      const ids = members.map(idOf);
      learned.keep(new Set(ids));
      members.forEach((k, i) => {
        this.#member[k.spec.slot] = i;
      });
      for (const row of rows) this.#places.set(row, new Map(row.spec.members.map((i, place) => [ids[i]!, place])));
      return learned;
    });
    const old = this.#rows;
    this.#rows = [];
    this.#lent = new Map(pools.flatMap((state) => state.rows.map((row) => [row.at, new Map()])));
    this.#free = shape.cohorts.map((_, i) => shape.rows.length + i).reverse();
    this.#generation++;
    for (const row of old) {
      const state = pools.find((p) => p.spec.name === row.state.spec.name);
      const root = state?.rows.find((r) => rowKey(r.spec) === rowKey(row.of.spec));
      if (state !== undefined && root !== undefined) this.#lend(state, root, row.key, row.home, row.usedAtMs);
    }
  }

  get size(): number {
    return this.#rows.length;
  }

  /** What was learned of a pool, by its index. Rows are not in it: they are lent again when their cohort is next heard of. */
  memoryOf(pool: number): CohortMemory {
    return this.#learned[pool]!.memory();
  }

  recall(pool: number, memory: CohortMemory, numberOf: (id: number) => number | undefined): void {
    this.#learned[pool]!.recall(memory, numberOf);
  }

  /** What clients of countries get beside everybody, for the other nodes: what says most. */
  shared(nowMs: number): SharedCohort[] {
    return this.#pools
      .flatMap(({ members }, pool) => {
        const keys = new Map(members.map((k) => [idOf(k), k.shareKey]));
        const ratios = countryRatios(this.#learned[pool]!.memory(), nowMs, TOLD);
        return ratios.map(({ cohort, id, ln, count }) => ({ cohort, endpoint: keys.get(id) ?? null, ln, count }));
      })
      .filter((ratio): ratio is SharedCohort => ratio.endpoint !== null)
      .slice(0, TOLD);
  }

  /** Begins with what a near node told of countries that nothing is known of here. */
  beginWith(told: readonly SharedCohort[], nowMs: number): void {
    this.#pools.forEach(({ members }, pool) => {
      const ids = new Map(members.map((k) => [k.shareKey, idOf(k)]));
      const ours = told.flatMap(({ endpoint, ...ratio }) => {
        const id = ids.get(endpoint);
        return id === undefined ? [] : [{ ...ratio, id }];
      });
      beginWith(this.#learned[pool]!, ours, nowMs);
    });
  }

  /** The row that serves this client in place of `root`: of its narrowest cohort that has one; null = `root` itself. */
  find(root: number, { prefixKey, asnKey, countryKey }: CohortPath): CohortRow | null {
    const rows = this.#lent.get(root);
    const row = rows?.get(prefixKey) ?? rows?.get(asnKey) ?? rows?.get(countryKey);
    return row?.ranking?.mode === MODE.NORMAL && row.of.ranking!.mode === MODE.NORMAL ? row : null;
  }

  /** Takes a sample of `k` in. Only answers say how long a way is: failures are everybody's, and their times no times. */
  take(k: Known, ring: Float64Array, base: number): void {
    const state = this.#pools[k.pool]!;
    if (state.spec.policy !== 'fastest' || state.members.length < 2) return;
    const atMs = ring[base + SAMPLE.AT_MS]!;
    const used = ring[base + SAMPLE.COHORT]!;
    if (used !== EDGE_COHORT) this.#use(state, used, atMs);
    const firstByteMs = ring[base + SAMPLE.FIRST_BYTE_MS]!;
    const at = this.#member[k.spec.slot]! * CANDIDATE_DOUBLES;
    const expectedMs = state.terms[at + CD.NETWORK]! + state.terms[at + CD.SERVER]!;
    if (ring[base + SAMPLE.OUTCOME] !== OUTCOME.OK || !(firstByteMs > 0 && expectedMs > 0)) return;
    if (this.#taken++ >= LEARNED) return;
    keys.countryKey = ring[base + SAMPLE.COUNTRY]!;
    keys.asnKey = ring[base + SAMPLE.ASN]!;
    keys.prefixKey = ring[base + SAMPLE.PREFIX]!;
    this.#learned[k.pool]!.learn(keys, idOf(k), Math.log(firstByteMs / expectedMs), atMs);
  }

  /** Lends and takes back, ranks what is lent and writes it into the version being written. After the pools are ranked. */
  tick(writer: TableWriter, nowMs: number): void {
    this.#taken = 0;
    this.#turn = (this.#turn + 1) % TURNS;
    for (const row of [...this.#rows]) if (row.row % TURNS === this.#turn) this.#review(row, nowMs);
    this.#learned.forEach((cohorts, pool) => {
      if (cohorts.striking.size > 0) this.#consider(cohorts, this.#pools[pool]!, nowMs);
    });
    for (const row of this.#rows) {
      if (row.faced.length === 0) row.faced = this.#faced(row.state, row.of, row.key, nowMs);
      rankCohort(row, nowMs);
      writeCohortRow(row, writer);
    }
    writeDirectory(writer.ints, writer.doubles, writer.shape, this.#generation, this.#rows);
  }

  #use(state: PoolState, key: number, atMs: number): void {
    for (const root of state.rows) {
      const row = this.#lent.get(root.at)!.get(key);
      if (row !== undefined) row.usedAtMs = Math.max(row.usedAtMs, atMs);
    }
  }

  /** Looks closer at cohorts that seem different. */
  #consider(cohorts: Cohorts, state: PoolState, nowMs: number): void {
    // The widest first: with a row of its own for the country, its prefixes need none.
    const striking = [...cohorts.striking].sort((a, b) => a - b);
    cohorts.striking.clear();
    for (const root of state.rows) {
      if (root.ranking!.mode !== MODE.NORMAL) continue;
      for (const key of striking) {
        if (this.#lent.get(root.at)!.has(key)) continue;
        const faced = this.#faced(state, root, key, nowMs);
        if (!this.#isDifferent(state, root, key, faced, false, nowMs)) continue;
        const row = this.#lend(state, root, key, newHome(nowMs, 0), nowMs);
        if (row === null) return;
        row.faced = faced;
        rankCohort(row, nowMs);
      }
    }
  }

  #review(row: CohortRow, nowMs: number): void {
    if (nowMs - row.usedAtMs > UNUSED_MS) return this.#takeBack(row);
    if (row.of.ranking!.mode !== MODE.NORMAL) return;
    row.faced = this.#faced(row.state, row.of, row.key, nowMs);
    if (!this.#isDifferent(row.state, row.of, row.key, row.faced, true, nowMs)) this.#takeBack(row);
  }

  #faced(state: PoolState, root: RowState, key: number, nowMs: number): Faced[] {
    return facedBy(this.#learned[root.spec.pool]!, key, state, root, this.#places.get(root)!, nowMs);
  }

  #isDifferent(
    state: PoolState,
    root: RowState,
    key: number,
    faced: readonly Faced[],
    isLent: boolean,
    nowMs: number,
  ): boolean {
    const cohorts = this.#learned[root.spec.pool]!;
    const rows = this.#lent.get(root.at)!;
    let parent = cohorts.parentOf(key);
    while (parent !== EDGE_COHORT && rows.get(parent)?.ranking == null) parent = cohorts.parentOf(parent);
    const serving = rows.get(parent);
    const band =
      serving?.ranking == null
        ? root.ranking!.order.slice(0, root.ranking!.band)
        : serving.ranking.order.slice(0, serving.ranking.band).map((i) => serving.faced[i]!.place);
    return isDifferent(faced, band, cohorts, parent, state, root, isLent, nowMs);
  }

  /** null when all rows are lent. */
  #lend(state: PoolState, root: RowState, key: number, home: Home, usedAtMs: number): CohortRow | null {
    const free = this.#free.pop();
    if (free === undefined) return null;
    const row = {
      root: root.at,
      key,
      row: free,
      state,
      of: root,
      home,
      faced: [],
      ranked: [],
      ranking: null,
      usedAtMs,
    };
    this.#rows.push(row);
    this.#lent.get(root.at)!.set(key, row);
    if (state.rows.every(({ at }) => this.#lent.get(at)!.has(key))) this.#learned[root.spec.pool]!.settled.add(key);
    this.#generation++;
    return row;
  }

  #takeBack(row: CohortRow): void {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#lent.get(row.root)!.delete(row.key);
    this.#learned[row.of.spec.pool]!.settled.delete(row.key);
    this.#free.push(row.row);
    this.#generation++;
  }
}

/** Whose sample is being taken in. One, used again: nothing keeps it. */
const keys: { -readonly [K in keyof CohortPath]: CohortPath[K] } = cohortPath(0, 0, 0);

function rankCohort(row: CohortRow, nowMs: number): void {
  const { state, of, faced, ranked } = row;
  const wasIn = new Set<number>();
  for (const r of ranked) if (r.isInBand) wasIn.add(r.index);
  row.ranked = faced.map(({ place, ln }) => {
    const r = of.ranked[place]!;
    const scoreMs = cohortScoreMs(state.terms, r.index * CANDIDATE_DOUBLES, ln);
    return { ...r, scoreMs, isInBand: wasIn.has(r.index) };
  });
  row.ranking = rank(row.ranked, state.spec, row.home, nowMs);
}
