// The rows of one pool on the tick: terms become scores, scores an order per row, and that is written into the table. The
// rules are core's (score/*, rank.ts); here they only meet the data.

import { type Home, newHome, type SwitchReason } from '../../core/home.ts';
import { type Ranked, type Ranking, rank } from '../../core/rank.ts';
import { applyCohort } from '../../core/score/cohort.ts';
import { KNOWN_REQUESTS } from '../../core/share/opinion.ts';
import { MAX_SLOTS, NONE, type PoolSpec, type RowSpec } from '../../core/snapshot.ts';
import {
  CANDIDATE_DOUBLES,
  CANDIDATE_INTS,
  CD,
  CI,
  FLAG,
  ROW,
  type RowShape,
  rowShapeAt,
  type TableWriter,
} from '../../core/table.ts';
import { type PoolOverlay, poolOverlayOf, settleOverlay, standbyMsOf } from '../overlay/paths.ts';
import type { CohortRow } from './cohorts.ts';
import { type Known, priorOfMs } from './known.ts';
import { isAnswering, isEligible, writePoolTerms } from './terms.ts';

export interface PoolState {
  spec: PoolSpec;
  members: readonly Known[];
  /** CD fields of every member, in the order of `members`. */
  terms: Float64Array;
  /** Paths over other edges; null = there are none. */
  overlay: PoolOverlay | null;
  /** The pool as a whole first. */
  rows: RowState[];
}

/** One row of the table: those of a pool's members that are ranked together. */
export interface RowState {
  /** Index into Snapshot.rows. */
  at: number;
  spec: RowSpec;
  readonly home: Home;
  /** One each of RowSpec.members. `Ranked.index` is the position in PoolState.members. */
  ranked: Ranked[];
  ranking: Ranking | null;
}

/** In this time after a pool's start home moves freely: first measurements come in one by one. */
const SETTLING_MS = 5000;
/** An endpoint that came back may claim home without the dwell for this long beyond its slow start. */
const RETURNING_MS = 5000;

/** A pool's structure is new or has changed; rows that were there keep their home. */
export function poolStateOf(
  before: PoolState | undefined,
  spec: PoolSpec,
  members: readonly Known[],
  rows: readonly { readonly at: number; readonly spec: RowSpec }[],
  nowMs: number,
): PoolState {
  return {
    spec,
    members,
    terms: new Float64Array(members.length * CANDIDATE_DOUBLES),
    overlay: poolOverlayOf(members, spec.endpoints, before),
    rows: rows.map((row) => {
      const old = before?.rows.find((r) => rowKey(r.spec) === rowKey(row.spec));
      const home = old?.home ?? newHome(nowMs, SETTLING_MS);
      return { ...row, home, ranked: row.spec.members.map((i) => newRanked(members[i]!, i)), ranking: null };
    }),
  };
}

/** What makes a row the same one after a change of structure. */
export function rowKey({ residency, place, overlay = 'off' }: RowSpec): string {
  const inside = place === undefined ? residency.join() : `${residency.join()}@${place}`;
  return overlay === 'off' ? inside : `${overlay} ${inside}`;
}

function newRanked(k: Known, index: number): Ranked {
  return {
    index,
    home: k.spec.region ?? `#${k.spec.via?.endpoint ?? k.spec.id}`,
    isEligible: false,
    isAnswering: false,
    isUnknown: false,
    isReturning: false,
    scoreMs: 0,
    waitMs: 0,
    perMs: 0,
    // Another way to the same endpoint adds nothing to what that can take.
    capacityPerS: k.spec.via !== undefined && k.spec.capacity > 0 ? Number.MIN_VALUE : k.spec.capacity,
    isInBand: false,
    standbyMs: 0,
    priorMs: Number.POSITIVE_INFINITY,
  };
}

/**
 * Brings terms, scores and the order of every row up to date. `idleFromMs`: whoever has not answered since then is idle.
 * Gives why the home of the pool as a whole moved, or null.
 */
export function rankPool(state: PoolState, idleFromMs: number, nowMs: number): SwitchReason | null {
  const { members, spec, terms } = state;
  writePoolTerms(members, spec, terms, idleFromMs, nowMs, state.overlay?.targets);
  if (state.overlay !== null) settleOverlay(state.overlay, members, terms, nowMs);
  // Of the first few requests nobody can say yet whether they wait.
  const isKnown = members.reduce((sum, k) => sum + k.requests, 0) >= KNOWN_REQUESTS;
  const demandPerS = members.reduce((sum, k) => sum + k.requestsPerSecond, 0);
  for (const row of state.rows) {
    for (const r of row.ranked) {
      update(r, members[r.index]!, spec, terms, nowMs);
      if (!isKnown) r.perMs = 0;
      if (state.overlay !== null) standBy(r, state.overlay, row.spec, spec);
    }
    row.ranking = rank(row.ranked, spec, row.home, nowMs, demandPerS);
  }
  return state.rows[0]!.ranking!.switched;
}

function update(r: Ranked, k: Known, spec: PoolSpec, terms: Float64Array, nowMs: number): void {
  r.isEligible = isEligible(k);
  r.isUnknown = k.health.state === 'unknown' && !k.outlier.isEjected && !k.isDraining;
  r.isAnswering = isAnswering(k, nowMs);
  r.isReturning = nowMs - k.returnedAtMs < spec.slowStartMs + RETURNING_MS;
  r.priorMs = priorOfMs(k) ?? Number.POSITIVE_INFINITY;
  const at = r.index * CANDIDATE_DOUBLES;
  r.scoreMs = terms[at + CD.SCORE]!;
  r.waitMs = waitMs(terms, at);
  r.perMs = k.dispatchPerMs;
}

/** What of a score is waiting beyond the unloaded level: neither the way nor failures nor money. */
function waitMs(terms: Float64Array, at: number): number {
  const time =
    (terms[at + CD.SCORE]! - terms[at + CD.EXTRA]! - terms[at + CD.ERROR_ADD]!) / terms[at + CD.ERROR_FACTOR]!;
  return Math.max(time - terms[at + CD.NETWORK]! - terms[at + CD.BASE]!, 0);
}

/** A path over another edge is taken only where the row wants that, and the direct one is worse or down. */
function standBy(r: Ranked, overlay: PoolOverlay, row: RowSpec, { policy }: PoolSpec): void {
  if (overlay.targets[r.index] === NONE) return;
  const ms = standbyMsOf(overlay, row.overlay ?? 'off', r.index);
  // Other policies do not go by scores: who stands by would be one of many.
  const isOut = ms === Number.POSITIVE_INFINITY || (ms > 0 && policy !== 'fastest');
  r.standbyMs = isOut ? 0 : ms;
  if (isOut) r.isEligible = false;
  r.isUnknown = false;
  r.isAnswering = false;
}

/** Writes the pool's rows into the version being written. */
export function writePool(state: PoolState, writer: TableWriter): void {
  for (const row of state.rows) writeRow(state, row, writer);
}

function writeRow(state: PoolState, row: RowState, writer: TableWriter): void {
  writeHead(row.ranking!, row.ranking!.mode, writer.ints, writer.shape.rows[row.at]!);
  writeCandidates(state, row.ranked, row.ranking!, null, writer, writer.shape.rows[row.at]!);
}

/** Writes a cohort's row: the pool's terms as its clients face them. In a panic everybody is served by the root. */
export function writeCohortRow(row: CohortRow, writer: TableWriter): void {
  const shape = rowShapeAt(writer.shape, row.row);
  writeHead(row.ranking!, Math.max(row.ranking!.mode, row.of.ranking!.mode), writer.ints, shape);
  writeCandidates(row.state, row.ranked, row.ranking!, row.faced, writer, shape);
}

function writeHead(ranking: Ranking, mode: number, ints: Int32Array, row: RowShape): void {
  ints[row.at + ROW.BAND] = ranking.band;
  ints[row.at + ROW.OVERFLOW] = ranking.overflow;
  ints[row.at + ROW.ELIGIBLE] = ranking.eligible;
  ints[row.at + ROW.EXPLORABLE] = ranking.explorable;
  ints[row.at + ROW.MODE] = mode;
  ints[row.at + ROW.HOME] = ranking.home;
}

/** `ratios`: what each of `ranked` costs beside what it costs everybody; null = the same. */
function writeCandidates(
  { members, terms }: PoolState,
  ranked: readonly Ranked[],
  ranking: Ranking,
  ratios: readonly { readonly ln: number }[] | null,
  { ints, doubles }: TableWriter,
  row: RowShape,
): void {
  let weights = 0;
  for (let at = 0; at < ranking.order.length; at++) {
    const r = ranking.order[at]!;
    const i = ranked[r]!.index;
    const k = members[i]!;
    const int = row.ints + at * CANDIDATE_INTS;
    ints[int + CI.SLOT] = k.spec.slot;
    ints[int + CI.INDEX] = i;
    ints[row.ints + r * CANDIDATE_INTS + CI.PLACE] = at;
    ints[int + CI.FLAGS] =
      (k.isCold ? FLAG.COLD : 0) |
      (k.isDraining || (k.spec.via !== undefined && !ranked[r]!.isEligible) ? FLAG.OFF : 0) |
      (k.isLie ? FLAG.LOST : 0);
    const double = row.doubles + at * CANDIDATE_DOUBLES;
    const from = i * CANDIDATE_DOUBLES;
    for (let f = 0; f < CANDIDATE_DOUBLES; f++) doubles[double + f] = terms[from + f]!;
    if (ratios !== null) applyCohort(doubles, double, ratios[r]!.ln);
    doubles[double + CD.EXTRA]! += ranking.holdMs[r]!;
    if (at < ranking.eligible) weights += terms[from + CD.WEIGHT]!;
    doubles[double + CD.WEIGHT_SUM] = weights;
  }
}

/** An endpoint's number in what cohorts learned: a slot that is used again is another. */
export function idOf({ spec }: Known): number {
  return spec.generation * MAX_SLOTS + spec.slot;
}

/** Whether an endpoint of this home key shares the band. */
export function isInBand({ ranking, ranked }: RowState, home: string | null): boolean {
  return ranking?.order.slice(0, ranking.band).some((i) => ranked[i]!.home === home) ?? false;
}

/** Where a member of the row (by its place in RowSpec.members) stands: 'band', 'overflow' or 'out'. */
export function roleOf(ranking: Ranking, member: number): 'band' | 'overflow' | 'out' {
  const at = ranking.order.indexOf(member);
  if (at === NONE || at >= ranking.band + ranking.overflow) return 'out';
  return at < ranking.band ? 'band' : 'overflow';
}
