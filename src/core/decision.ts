// A decision written down: what one pick saw, complete enough to be made again bit by bit. The worker writes what only it
// knows into its lane (data/capture.ts); the control plane adds the row of the table that was picked from. Here are the
// layout in the lane, the state that both give together, and the repetition, which is the selector's own code on that row.

import { liveScoreMs } from './score/live.ts';
import { type PickContext, ROLE, Selector } from './selector.ts';
import { type EndpointSpec, NONE, type PoolSpec, type Snapshot } from './snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CI, newTable, ROW, ROW_INTS, shapeOf, TableWriter } from './table.ts';

/** Doubles at the head of a decision in the lane. Slots tried before, and what follows by place in the row, come after. */
export const DECISION = {
  FIELDS: 0, // how many doubles it takes in all; never 0
  ID: 1, // unique in this process, ≥ 1
  VERSION: 2, // of the Snapshot
  SEQUENCE: 3, // of the table
  ROW: 4, // roots first, cohort rows behind
  ROUTE: 5, // RouteSpec.uid
  AT_MS: 6,
  COHORT: 7,
  EVERY: 8, // it stands for so many picks
  IS_DRAWN: 9, // 1 = taken by chance; 0 = for its role alone
  CHANCE: 10, // state of chance before the pick
  TURN: 11, // round-robin position before the pick
  HASH: 12, // what stickiness goes by; 0 = nothing
  MAY_EXPLORE: 13,
  ROLE: 14,
  PLACE: 15, // of the choice, in the row
  SLOT: 16,
  TRIED: 17, // how many slots were tried before
  WIDTH: 18, // candidates of the row
  HAS_TRIALS: 19, // 1 = ages of the last trials follow
} as const;
export const DECISION_FIELDS = 20;

/** Everything that a pick depends on. Candidates stand in the row's order: their place in it is how they are called here. */
export interface PickState {
  readonly pool: PoolSpec;
  /** By place. */
  readonly endpoints: readonly EndpointSpec[];
  /** ROW fields. */
  readonly head: Int32Array;
  /** Which of the pool's endpoints each is, by place: consistent hashing goes by that order. */
  readonly indexes: Int32Array;
  /** CI.FLAGS, by place. */
  readonly flags: Int32Array;
  /** CD fields, by place. */
  readonly terms: Float64Array;
  /** In flight as the pick counted it, by place: the worker's own and the others' as of the tick. */
  readonly inflight: Int32Array;
  /** Since the last trial, by place; empty where that did not matter. */
  readonly trialAgesMs: Float64Array;
  /** Slots. */
  readonly tried: Int32Array;
  readonly chance: number;
  readonly turn: number;
  readonly nowMs: number;
  readonly hash: number;
  readonly mayExplore: boolean;
}

export interface Choice {
  /** NONE when nothing could be chosen. */
  readonly place: number;
  readonly role: number;
}

/** A selector over one captured row, and the context to ask it with. */
interface Stage {
  readonly selector: Selector;
  readonly ctx: PickContext;
  /** Place in the row of each member, in the members' order. */
  readonly places: readonly number[];
}

/** Trial times are kept modulo 2^30 ms, and odd. */
const TRIAL_MASK = 0x3fffffff;
/** Draws behind a propensity: its error is below 3 points (two standard deviations). */
const DRAWS = 1024;
const SEED = 0.5;

/** Makes the decision again. The same state gives the same choice. */
export function redecide(state: PickState): Choice {
  const stage = stageOf(state, state.pool);
  stage.selector.resume(state.chance, state.turn);
  return pickOn(stage);
}

/** Places whose load or score the pick compared, the choice included; ascending. */
export function comparedOf(state: PickState): number[] {
  const stage = stageOf(state, state.pool);
  const seen = new Set<number>();
  // Whoever is compared has its load read, and nobody else has.
  stage.ctx.inflight = new Proxy(stage.ctx.inflight, {
    get(target, key) {
      if (typeof key === 'string') seen.add(Number(key));
      return Reflect.get(target, key, target) as unknown;
    },
  });
  stage.selector.resume(state.chance, state.turn);
  const { place } = pickOn(stage);
  if (place !== NONE) seen.add(state.endpoints[place]!.slot);
  return state.endpoints.map((_, i) => i).filter((i) => seen.has(state.endpoints[i]!.slot));
}

/**
 * Probability of each place to be chosen in this state, whatever chance and turn say; 0…1. Exploration is told apart by the
 * ratio itself, since a few draws in a thousand would say nothing of it.
 */
export function propensitiesOf(state: PickState, draws = DRAWS): Float64Array {
  const { pool, mayExplore, tried, head } = state;
  const sum = new Float64Array(state.endpoints.length);
  const explores = mayExplore && tried.length === 0 && head[ROW.EXPLORABLE]! > 0 ? pool.exploreRatio : 0;
  draw(stageOf(state, { ...pool, exploreRatio: 0 }), draws, 1 - explores, sum);
  if (explores > 0) draw(stageOf(state, { ...pool, exploreRatio: 1 }), draws, explores, sum);
  return sum;
}

function draw(stage: Stage, draws: number, weight: number, sum: Float64Array): void {
  stage.selector.sow(SEED);
  for (let i = 0; i < draws; i++) {
    const { place, role } = pickOn(stage);
    if (place === NONE) return;
    // A trial is settled by whose turn it is, and spends it.
    if (role === ROLE.TRIAL) {
      sum[place]! += weight;
      return;
    }
    sum[place]! += weight / draws;
  }
}

/** Live scores by place: expected ms of one more request, as the pick would have compared them. */
export function liveScoresOf({ endpoints, terms, inflight }: PickState): Float64Array {
  return Float64Array.from(endpoints, (_, i) => liveScoreMs(terms, i * CANDIDATE_DOUBLES, inflight[i]!));
}

function pickOn({ selector, ctx, places }: Stage): Choice {
  const slot = selector.pick(0, ctx);
  return { place: slot === NONE ? NONE : places[selector.candidate]!, role: selector.role };
}

/** A Snapshot of the one row, its table, and a selector on it. */
function stageOf(state: PickState, spec: PoolSpec): Stage {
  const { endpoints, head, flags, terms, inflight, trialAgesMs, tried, nowMs } = state;
  const places = endpoints.map((_, i) => i).sort((a, b) => state.indexes[a]! - state.indexes[b]!);
  const members = places.map((_, i) => i);
  const structure: Omit<Snapshot, 'table'> = {
    ...NOTHING,
    pools: [{ ...spec, endpoints: members, row: 0 }],
    rows: [{ pool: 0, members, residency: [] }],
    endpoints: places.map((place) => endpoints[place]!),
  };
  const shape = shapeOf(structure, 0);
  const table = newTable(shape);
  const writer = new TableWriter(table, shape);
  const row = shape.rows[0]!;
  writer.ints.set(head.subarray(0, ROW_INTS), row.at);
  places.forEach((place, member) => {
    const int = row.ints + place * CANDIDATE_INTS;
    writer.ints[int + CI.SLOT] = endpoints[place]!.slot;
    writer.ints[int + CI.INDEX] = member;
    writer.ints[int + CI.FLAGS] = flags[place]!;
    writer.ints[row.ints + member * CANDIDATE_INTS + CI.PLACE] = place;
  });
  writer.doubles.set(terms, row.doubles);
  writer.publish();
  const selector = new Selector({ ...structure, table }, shape);
  const counts = new Int32Array(shape.slots);
  for (const i of places) {
    const { slot } = endpoints[i]!;
    counts[slot] = inflight[i]!;
    if (trialAgesMs.length > 0) selector.table.trials[slot] = trialAt(nowMs, trialAgesMs[i]!);
  }
  const ctx: PickContext = {
    lane: 0,
    inflight: counts,
    nowMs,
    random: () => SEED,
    tried,
    triedCount: tried.length,
    mayExplore: state.mayExplore,
    hash: state.hash,
  };
  return { selector, ctx, places };
}

/** The word of a trial so long ago; a negative age stands for none. */
function trialAt(nowMs: number, ageMs: number): number {
  return ageMs < 0 ? 0 : ((Math.floor(nowMs) | 1) - ageMs) & TRIAL_MASK;
}

/** How long ago a trial word was written. NONE when there was none. ms. */
export function trialAgeMs(nowMs: number, word: number): number {
  return word === 0 ? NONE : (((Math.floor(nowMs) & TRIAL_MASK) | 1) - word) & TRIAL_MASK;
}

const NOTHING: Omit<Snapshot, 'table'> = {
  version: 0,
  lanes: 1,
  nodeId: '',
  listeners: [],
  routes: [],
  pools: [],
  rows: [],
  endpoints: [],
  limits: {
    requestLineBytes: 0,
    headBytes: 0,
    headers: 0,
    bodyBytes: 0,
    headTimeoutMs: 0,
    idleTimeoutMs: 0,
    bodyTimeoutMs: 0,
    connections: 0,
    connectionsPerClient: 0,
    requests: 0,
    requestsPerClient: 0,
    memoryBytes: 0,
    loopDelayMs: 0,
  },
  trustedProxies: [],
  drainDelayMs: 0,
  drainTimeoutMs: 0,
  access: 'off',
};
