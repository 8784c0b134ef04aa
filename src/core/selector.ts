// Picks an endpoint for one attempt: the hot path, ≤ 1 µs and without allocation. It draws a few candidates from a row of
// the table and compares their scores at the load of this moment; all ranking was done on the tick (core/rank.ts).
// Two random ones and not the best of all: with many pickers and figures a tick old, everybody's best is a herd.
// Source: Mitzenmacher, "The power of two choices in randomized load balancing", 2001.

import { liveScoreMs } from './score/live.ts';
import { NONE, type PolicyName, type PoolSpec, type Snapshot } from './snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, FLAG, MODE, ROW, shapeOf, TableReader } from './table.ts';

/** What a pick was for; the `role` label of fermat_selections_total. */
export const ROLE = { BAND: 0, OVERFLOW: 1, EXPLORE: 2, PANIC: 3, TRIAL: 4 } as const;
export const ROLE_NAMES = ['band', 'overflow', 'explore', 'panic', 'trial'] as const;

/** What a pick depends on beside the table. One object per worker, used again for every pick. */
export interface PickContext {
  lane: number;
  /** This worker's live counts by slot. */
  inflight: Int32Array;
  nowMs: number;
  /** 0 ≤ x < 1. */
  random: () => number;
  /** Slots this exchange has already tried; the first `triedCount` are meant. */
  tried: Int32Array;
  triedCount: number;
  /** The request may be sent to an endpoint that is not among the best (it is idempotent). */
  mayExplore: boolean;
}

/** In flight at an endpoint that has not answered yet, at most. */
const COLD_INFLIGHT = 2;
/** Put on the score of a candidate that should not be taken now: it still wins when it stands alone. */
const HELD_MS = 1e9;
/** Scores closer than this are noise: then the one with less in flight wins, or chance. */
const TIE_RATIO = 0.1;
const TIE_MS = 0.25;
/** Between two trial requests to an endpoint when none answers. */
const TRIAL_EVERY_MS = 1000;
/** Trial times are kept modulo 2^30 ms, twelve days. */
const TRIAL_MASK = 0x3fffffff;
/** How many candidates `least-request` looks at. */
const SCAN = 8;

/** One row as a policy sees it. One object per Selector, filled anew for each pick. */
interface Draw {
  ints: Int32Array;
  doubles: Float64Array;
  /** First int of the row's head, first int and first double of its candidates. */
  row: number;
  firstInt: number;
  firstDouble: number;
  /** First of this lane's counts of what is in flight elsewhere. */
  others: number;
  ctx: PickContext;
  /** Round-robin position per pool. */
  turns: Int32Array;
  pool: number;
}

/** Gives a position in the row, or NONE when all eligible ones were tried. O(1) but for masked ones. */
type Policy = (draw: Draw) => number;

/** All policies by their name in the configuration; `peak-ewma` and `hash` come with the score in full. */
const POLICY = {
  fastest,
  nearest: first,
  'least-request': leastRequest,
  'random-two': randomTwo,
  'round-robin': roundRobin,
  weighted,
} satisfies Record<Exclude<PolicyName, 'peak-ewma' | 'hash'>, Policy>;

export class Selector {
  /** ROLE of the last pick. */
  role: number = ROLE.BAND;
  /** Index in PoolSpec.endpoints of the last pick, or NONE. */
  candidate: number = NONE;
  readonly #pools: readonly PoolSpec[];
  readonly #policies: readonly Policy[];
  readonly #table: TableReader;
  readonly #draw: Draw;

  /** Throws when a pool has a policy that does not exist yet: the configuration refuses those. */
  constructor(snapshot: Snapshot) {
    this.#pools = snapshot.pools;
    this.#policies = snapshot.pools.map(policyOf);
    this.#table = new TableReader(snapshot.table, shapeOf(snapshot));
    const nothing = new Int32Array(0);
    this.#draw = {
      ints: nothing,
      doubles: new Float64Array(0),
      row: 0,
      firstInt: 0,
      firstDouble: 0,
      others: 0,
      ctx: { lane: 0, inflight: nothing, nowMs: 0, random: () => 0, tried: nothing, triedCount: 0, mayExplore: false },
      turns: new Int32Array(snapshot.pools.length).fill(-1),
      pool: 0,
    };
  }

  /**
   * The slot to send one attempt to, or NONE: nothing is eligible (503), or all that is was tried. Sets `role` and
   * `candidate`. Never throws.
   */
  pick(pool: number, ctx: PickContext): number {
    this.#table.refresh();
    let at = this.#position(pool, ctx);
    // This thread stood still while the version was rewritten under it: once more, on the current one.
    if (this.#table.isOverrun) {
      this.#table.refresh();
      at = this.#position(pool, ctx);
    }
    const d = this.#draw;
    if (at === NONE) {
      this.candidate = NONE;
      return NONE;
    }
    this.candidate = d.ints[d.firstInt + at * CANDIDATE_INTS + CI.INDEX]!;
    return slotAt(d, at);
  }

  #position(pool: number, ctx: PickContext): number {
    const spec = this.#pools[pool]!;
    const shape = this.#table.shape;
    const row = shape.rows[spec.row]!;
    const d = this.#draw;
    d.ints = this.#table.ints;
    d.doubles = this.#table.doubles;
    d.row = row.at;
    d.firstInt = row.ints;
    d.firstDouble = row.doubles;
    d.others = shape.others + ctx.lane * shape.slots;
    d.ctx = ctx;
    d.pool = pool;
    const mode = d.ints[row.at + ROW.MODE]!;
    if (mode === MODE.DOWN) {
      this.role = ROLE.TRIAL;
      return spec.whenAllDown === 'try' ? trial(d, row.width, this.#table.trials) : NONE;
    }
    if (ctx.mayExplore && ctx.triedCount === 0 && spec.exploreRatio > 0) {
      const explorable = d.ints[row.at + ROW.EXPLORABLE]!;
      if (explorable > 0 && ctx.random() < spec.exploreRatio) {
        const at = d.ints[row.at + ROW.BAND]! + Math.floor(ctx.random() * explorable);
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
 * The share of requests each candidate of a pool would get now, by index in PoolSpec.endpoints; 0…1, sum 1, or all 0
 * when nothing is picked. Found by letting the code that picks draw `draws` times from a fixed seed: no second copy of
 * the rules that could tell another story. The error is below 1.2 points at 8,192 draws (two standard deviations).
 */
export function shares(
  selector: Selector,
  pool: number,
  width: number,
  ctx: PickContext,
  draws = 8192,
  seed = 1,
): Float64Array {
  const counts = new Float64Array(width);
  const { random } = ctx;
  ctx.random = seeded(seed);
  for (let i = 0; i < draws; i++) {
    // A trial is no share; whoever calls this on the workers' own table would spend the endpoint's turn with it.
    if (selector.pick(pool, ctx) === NONE || selector.role === ROLE.TRIAL) break;
    counts[selector.candidate]! += 1 / draws;
  }
  ctx.random = random;
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

function policyOf(pool: PoolSpec): Policy {
  const policy = (POLICY as Partial<Record<PolicyName, Policy>>)[pool.policy];
  if (policy === undefined) {
    throw new Error(`pool ${pool.name}: expected a policy of ${Object.keys(POLICY).join(', ')}, got ${pool.policy}`);
  }
  return policy;
}

/** Two random of the band and one of the overflow, least live score. Everything else was tried: the next best. */
function fastest(d: Draw): number {
  const band = d.ints[d.row + ROW.BAND]!;
  const overflow = d.ints[d.row + ROW.OVERFLOW]!;
  const a = drawn(d, 0, band, NONE);
  const b = a === NONE ? NONE : drawn(d, 0, band, a);
  const c = drawn(d, band, overflow, NONE);
  let best = a;
  let bestMs = a === NONE ? 0 : pickScoreMs(d, a);
  if (b !== NONE) {
    const ms = pickScoreMs(d, b);
    if (isLess(d, b, ms, best, bestMs)) {
      best = b;
      bestMs = ms;
    }
  }
  // Nothing is gained by going far for a tie: the overflow must be better.
  if (c !== NONE && (best === NONE || pickScoreMs(d, c) < bestMs)) best = c;
  return best === NONE ? first(d) : best;
}

/** The first that was not tried: the row is ranked. Among equals at its head (the band), chance. */
function first(d: Draw): number {
  const at = drawn(d, 0, d.ints[d.row + ROW.BAND]!, NONE);
  if (at !== NONE) return at;
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  for (let i = 0; i < eligible; i++) if (!isTried(d, slotAt(d, i))) return i;
  return NONE;
}

/** Least in flight per weight among a few neighbours of a random place: all of them in a small pool. */
function leastRequest(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  const start = Math.floor(d.ctx.random() * eligible);
  let best: number = NONE;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0, seen = 0; i < eligible && seen < SCAN; i++) {
    const at = start + i < eligible ? start + i : start + i - eligible;
    if (isTried(d, slotAt(d, at))) continue;
    seen++;
    const load = loadAt(d, at);
    if (load < least) {
      least = load;
      best = at;
    }
  }
  return best;
}

function randomTwo(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  const a = drawn(d, 0, eligible, NONE);
  if (a === NONE) return NONE;
  const b = drawn(d, 0, eligible, a);
  return b !== NONE && loadAt(d, b) < loadAt(d, a) ? b : a;
}

function roundRobin(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  if (eligible === 0) return NONE;
  // Workers begin at different places, or a pool of three would get three times each in step.
  let turn = d.turns[d.pool]!;
  if (turn < 0) turn = Math.floor(d.ctx.random() * eligible);
  for (let i = 0; i < eligible; i++) {
    const at = (turn + i) % eligible;
    if (isTried(d, slotAt(d, at))) continue;
    d.turns[d.pool] = (at + 1) % eligible;
    return at;
  }
  return NONE;
}

/** By chance, in proportion to the weights. O(log n). */
function weighted(d: Draw): number {
  const eligible = d.ints[d.row + ROW.ELIGIBLE]!;
  if (eligible === 0) return NONE;
  const sumAt = d.firstDouble + CD.WEIGHT_SUM;
  const x = d.ctx.random() * d.doubles[sumAt + (eligible - 1) * CANDIDATE_DOUBLES]!;
  let low = 0;
  let high = eligible - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (d.doubles[sumAt + middle * CANDIDATE_DOUBLES]! > x) high = middle;
    else low = middle + 1;
  }
  for (let i = 0; i < eligible; i++) {
    const at = (low + i) % eligible;
    if (!isTried(d, slotAt(d, at))) return at;
  }
  return NONE;
}

/** At most one a second and endpoint, over all workers; best first. */
function trial(d: Draw, width: number, trials: Int32Array): number {
  // Odd, so never 0, which is what a fresh table holds.
  const now = (Math.floor(d.ctx.nowMs) & TRIAL_MASK) | 1;
  for (let at = 0; at < width; at++) {
    if ((d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.OFF) !== 0) continue;
    const slot = slotAt(d, at);
    if (isTried(d, slot)) continue;
    const last = Atomics.load(trials, slot);
    if (last !== 0 && ((now - last) & TRIAL_MASK) < TRIAL_EVERY_MS) continue;
    if (Atomics.compareExchange(trials, slot, last, now) === last) return at;
  }
  return NONE;
}

/** A random position of [from, from + count) that was neither tried nor `but`; NONE when there is none. */
function drawn(d: Draw, from: number, count: number, but: number): number {
  if (count <= 0) return NONE;
  // Drawn among the others, so that both of two are always compared.
  const others = but === NONE ? count : count - 1;
  if (others === 0) return NONE;
  const start = Math.floor(d.ctx.random() * others);
  const skip = but === NONE ? 0 : but - from + 1;
  for (let i = 0; i < count; i++) {
    const at = from + ((start + skip + i) % count);
    if (at !== but && !isTried(d, slotAt(d, at))) return at;
  }
  return NONE;
}

/** Live score, or far above all others for one that should take no more right now. */
function pickScoreMs(d: Draw, at: number): number {
  const ms = liveScoreMs(d.doubles, d.firstDouble + at * CANDIDATE_DOUBLES, inflightAt(d, at));
  const ramp = d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.RAMP]!;
  if (isFull(d, at) || (ramp < 1 && d.ctx.random() >= ramp)) return ms + HELD_MS;
  return ms;
}

/** Whether `at` is to be preferred to `than`. */
function isLess(d: Draw, at: number, ms: number, than: number, thanMs: number): boolean {
  const margin = Math.min(ms, thanMs) * TIE_RATIO + TIE_MS;
  if (ms < thanMs - margin) return true;
  if (ms > thanMs + margin) return false;
  return loadAt(d, at) < loadAt(d, than);
}

/** An endpoint that has not answered yet gets no more than a couple at a time. */
function isFull(d: Draw, at: number): boolean {
  const cold = (d.ints[d.firstInt + at * CANDIDATE_INTS + CI.FLAGS]! & FLAG.COLD) !== 0;
  return cold && inflightAt(d, at) >= COLD_INFLIGHT;
}

/** This worker's live count and the others' as of the tick. */
function inflightAt(d: Draw, at: number): number {
  const slot = slotAt(d, at);
  return d.ctx.inflight[slot]! + d.ints[d.others + slot]!;
}

function loadAt(d: Draw, at: number): number {
  return (inflightAt(d, at) + 1) / d.doubles[d.firstDouble + at * CANDIDATE_DOUBLES + CD.WEIGHT]!;
}

function slotAt(d: Draw, at: number): number {
  return d.ints[d.firstInt + at * CANDIDATE_INTS + CI.SLOT]!;
}

function isTried(d: Draw, slot: number): boolean {
  const { tried, triedCount } = d.ctx;
  for (let i = 0; i < triedCount; i++) if (tried[i] === slot) return true;
  return false;
}
