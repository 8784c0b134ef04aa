// Picks an endpoint for one attempt: the hot path, ≤ 1 µs and without allocation. It finds the pool's row in the version of
// the table that is current, sees to the special cases (nobody answers, exploration), and leaves the rest to the pool's
// policy (core/policies.ts). Everything a pick depends on is an argument: the same draws give the same choice.

import { type CohortPath, EDGE_COHORT } from './cohort.ts';
import { rowOf } from './directory.ts';
import { below, type Draw, isAtEase, isChance, isFull, type Policy, slotAt } from './policies/draw.ts';
import { hashText } from './policies/mix.ts';
import { type Ring, ringOf } from './policies/ring.ts';
import { trial } from './policies/trial.ts';
import { POLICY } from './policies.ts';
import { NONE, type PoolSpec, type Snapshot } from './snapshot.ts';
import {
  CANDIDATE_DOUBLES,
  CANDIDATE_INTS,
  CD,
  CI,
  MODE,
  ROW,
  rowShapeAt,
  shapeOf,
  TableReader,
  type TableShape,
} from './table.ts';

/** What a pick was for; the `role` label of fermat_selections_total. */
export const ROLE = { BAND: 0, OVERFLOW: 1, EXPLORE: 2, PANIC: 3, TRIAL: 4 } as const;
export const ROLE_NAMES = ['band', 'overflow', 'explore', 'panic', 'trial'] as const;

/** What a pick depends on beside the table. One object per worker, used again for every pick. */
export interface PickContext {
  lane: number;
  /** This worker's live counts by slot. */
  inflight: Int32Array;
  nowMs: number;
  /** 0 ≤ x < 1. Asked once, by the first pick: all chance of a Selector grows from that number. */
  random: () => number;
  /** Slots this exchange has already tried; the first `triedCount` are meant. */
  tried: Int32Array;
  triedCount: number;
  /** The request may be sent to an endpoint that is not among the best (it is idempotent). */
  mayExplore: boolean;
  /** What the request is hashed by (data/sticky.ts), a 32-bit integer; 0 or absent = nothing. */
  hash?: number;
  /** Whose request it is, for a row of that cohort's own; absent or null = anybody's. */
  place?: CohortPath | null;
}

/** How often a pick is made again because its version was rewritten under it; versions last 50 ms at least. */
const MOST_AGAIN = 3;

export class Selector {
  /** ROLE of the last pick. */
  role: number = ROLE.BAND;
  /** Index in PoolSpec.endpoints of the last pick, or NONE. */
  candidate: number = NONE;
  /** The row that the last pick was made from: the one asked for, or a cohort's that stands in for it; and whose it is. */
  row: number = NONE;
  cohort: number = EDGE_COHORT;
  /** What the last pick began from: state of chance, and round-robin position of its row. With both it can be repeated. */
  fromChance = 0;
  fromTurn: number = NONE;
  readonly #pools: readonly PoolSpec[];
  readonly #policies: readonly Policy[];
  readonly #hashing: Hashing;
  readonly #table: TableReader;
  readonly #draw: Draw;
  #isSown = false;
  /** Position of the last pick in its row. */
  #at: number = NONE;

  constructor(snapshot: Snapshot, shape: TableShape = shapeOf(snapshot)) {
    this.#pools = snapshot.pools;
    this.#policies = snapshot.pools.map((pool) => POLICY[pool.policy]);
    this.#hashing = hashingOf(snapshot);
    this.#table = new TableReader(snapshot.table, shape);
    const nothing = new Int32Array(0);
    this.#draw = {
      ints: nothing,
      doubles: new Float64Array(0),
      row: 0,
      firstInt: 0,
      firstDouble: 0,
      others: 0,
      ctx: {
        lane: 0,
        inflight: nothing,
        nowMs: 0,
        random: () => 0,
        tried: nothing,
        triedCount: 0,
        mayExplore: false,
        hash: 0,
        place: null,
      },
      chance: new Int32Array(1),
      scores: new Float64Array(2),
      turns: new Int32Array(snapshot.rows.length).fill(-1),
      at: 0,
      isSticky: false,
      ring: null,
      idHash: this.#hashing.idHash,
    };
  }

  /** Begins its chance anew: the same number gives the same picks from the same table. 0 ≤ `random` < 1. */
  sow(random: number): void {
    this.#draw.chance[0] = Math.floor(random * 4294967296);
    this.#isSown = true;
  }

  /** The state of chance before the next pick: `resume` takes it up again. A 32-bit integer. */
  get chance(): number {
    return this.#draw.chance[0]!;
  }

  /** Of the one picked last, as it was ranked; only after a pick that found somebody. ms */
  get scoreMs(): number {
    const d = this.#draw;
    return d.doubles[d.firstDouble + this.#at * CANDIDATE_DOUBLES + CD.SCORE]!;
  }

  /** Sets what `fromChance` and `fromTurn` told of a pick, so that the next one repeats it. */
  resume(chance: number, turn: number): void {
    this.#draw.chance[0] = chance;
    this.#draw.turns.fill(turn);
    this.#isSown = true;
  }

  /** What it picks from; `refresh` is the pick's own. */
  get table(): TableReader {
    return this.#table;
  }

  /**
   * The slot to send one attempt to, of the candidates of `row` (Snapshot.rows), or NONE: nothing is eligible (503), or all that is was tried. Sets `role` and
   * `candidate`. Never throws.
   */
  pick(row: number, ctx: PickContext): number {
    if (!this.#isSown) this.sow(ctx.random());
    let slot = this.#pickNow(row, ctx);
    // This thread stood still while the version was rewritten under it: once more, on the current one.
    for (let more = MOST_AGAIN; more > 0 && this.#table.isOverrun; more--) slot = this.#pickNow(row, ctx);
    return slot;
  }

  /**
   * As `pick`, for an attempt beside one that goes on at `slot`, which is among the tried. NONE, too, when the one picked is
   * not at its ease: a luxury must be nobody else's burden. It has answered before, has no more in flight than `slot`,
   * and no queue; and nobody is asked while none is healthy.
   */
  pickBeside(row: number, ctx: PickContext, slot: number): number {
    this.#table.refresh();
    const { ints, shape } = this.#table;
    if (ints[rowShapeAt(shape, row).at + ROW.MODE] !== MODE.NORMAL) return NONE;
    const picked = this.pick(row, ctx);
    return picked !== NONE && isAtEase(this.#draw, this.#at, slot) ? picked : NONE;
  }

  /** All that is read of the version is read in here: whoever asks `isOverrun` afterwards knows of all of it. */
  #pickNow(row: number, ctx: PickContext): number {
    this.#table.refresh();
    const at = this.#position(row, ctx);
    const d = this.#draw;
    this.#at = at;
    this.candidate = at === NONE ? NONE : d.ints[d.firstInt + at * CANDIDATE_INTS + CI.INDEX]!;
    return at === NONE ? NONE : slotAt(d, at);
  }

  /** From the row of the client's cohort, if it has one and that has somebody left; else from the row itself. */
  #position(root: number, ctx: PickContext): number {
    const place = ctx.place ?? null;
    const row = place === null ? root : rowOf(this.#table, root, place);
    if (row !== root) {
      this.row = row;
      this.cohort = place!.seenKey;
      const at = this.#positionIn(row, root, ctx);
      if (at !== NONE) return at;
    }
    this.row = root;
    this.cohort = EDGE_COHORT;
    return this.#positionIn(root, root, ctx);
  }

  #positionIn(index: number, root: number, ctx: PickContext): number {
    const shape = this.#table.shape;
    const { pool } = shape.rows[root]!;
    const row = rowShapeAt(shape, index);
    const spec = this.#pools[pool]!;
    const d = this.#draw;
    this.fromChance = d.chance[0]!;
    this.fromTurn = d.turns[root]!;
    d.ints = this.#table.ints;
    d.doubles = this.#table.doubles;
    d.row = row.at;
    d.firstInt = row.ints;
    d.firstDouble = row.doubles;
    d.others = shape.others + ctx.lane * shape.slots;
    d.ctx = ctx;
    d.at = root;
    d.isSticky = spec.hashOn !== null;
    d.ring = index === root ? this.#hashing.rings[root]! : null;
    const mode = d.ints[row.at + ROW.MODE]!;
    // Trials and panic are the whole pool's business.
    if (mode !== MODE.NORMAL && index !== root) return NONE;
    // `whenAllDown: fail` is decided here, for trials and panic alike: nothing is sent when no endpoint is healthy.
    if (mode !== MODE.NORMAL && spec.whenAllDown === 'fail') return NONE;
    if (mode === MODE.DOWN) {
      this.role = ROLE.TRIAL;
      return trial(d, row.width, this.#table.trials);
    }
    // Whose request belongs to one endpoint is not sent to another to see how it does.
    const isBound = d.isSticky && (ctx.hash ?? 0) !== 0;
    if (ctx.mayExplore && !isBound && ctx.triedCount === 0 && spec.exploreRatio > 0) {
      const explorable = d.ints[row.at + ROW.EXPLORABLE]!;
      if (explorable > 0 && isChance(d, spec.exploreRatio)) {
        const at = d.ints[row.at + ROW.BAND]! + below(d, explorable);
        if (!isFull(d, at)) {
          this.role = ROLE.EXPLORE;
          return at;
        }
      }
    }
    const at = this.#policies[pool]!(d);
    this.role = mode === MODE.PANIC ? ROLE.PANIC : at < d.ints[row.at + ROW.BAND]! ? ROLE.BAND : ROLE.OVERFLOW;
    return at;
  }
}

/**
 * The share of requests each candidate of a row would get now, by index in PoolSpec.endpoints; 0…1, sum 1, or all 0
 * when nothing is picked. Found by letting the code that picks draw `draws` times from a fixed seed (0…1): no second copy of
 * the rules that could tell another story. The error is below 1.2 points at 8,192 draws (two standard deviations).
 */
export function shares(
  selector: Selector,
  row: number,
  width: number,
  ctx: PickContext,
  draws = 8192,
  seed = 0.5,
): Float64Array {
  const counts = new Float64Array(width);
  selector.sow(seed);
  for (let i = 0; i < draws; i++) {
    // A trial is no share; whoever calls this on the workers' own table would spend the endpoint's turn with it.
    if (selector.pick(row, ctx) === NONE || selector.role === ROLE.TRIAL) break;
    counts[selector.candidate]! += 1 / draws;
  }
  return counts;
}

/** Mulberry32: small, good enough for shares and tests. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What consistent choices are made from; follows from the structure alone. */
interface Hashing {
  readonly idHash: Int32Array;
  /** By root row; null where nothing is hashed. */
  readonly rings: readonly (Ring | null)[];
}

/** By Snapshot.rows, which all copies of a Snapshot share: explaining keeps dozens of them. */
const known = new WeakMap<Snapshot['rows'], Hashing>();

function hashingOf(snapshot: Snapshot): Hashing {
  const before = known.get(snapshot.rows);
  if (before !== undefined) return before;
  const slots = snapshot.endpoints.reduce((most, e) => Math.max(most, e.slot + 1), 0);
  const idHash = new Int32Array(slots);
  for (const e of snapshot.endpoints) idHash[e.slot] = hashText(e.id);
  const rings = snapshot.rows.map(({ pool }, row) =>
    snapshot.pools[pool]!.policy === 'hash' ? ringOf(snapshot, row, idHash) : null,
  );
  const hashing = { idHash, rings };
  known.set(snapshot.rows, hashing);
  return hashing;
}
