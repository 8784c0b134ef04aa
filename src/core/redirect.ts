// Chooses where a client is redirected to. It will ask the endpoint itself, so the way from the client counts and not the
// one from this edge: the prior of the distance between the two stands in for the network term of the score, and all other
// terms (server, errors, cost) are the table's. Nobody measures that way for us, so there is nothing to draw and to learn
// from: every eligible candidate is looked at, and clients that could go to several are spread by a hash of their address,
// so that each of them finds the same endpoint again.

import { chordKm, chordSquare, chordSquareOf, priorKm, priorMs, writePoint } from './geo.ts';
import { hostBits } from './ip.ts';
import { hashText, mixed } from './policies/mix.ts';
import { liveScoreInto } from './score/live.ts';
import { type PickContext, ROLE } from './selector.ts';
import { type LatLon, NONE, type PoolSpec, type Snapshot } from './snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, FLAG, MODE, ROW, shapeOf, TableReader } from './table.ts';

/** An endpoint of which nobody knows where it is: as far as two places of this planet are on average, a quarter of its girth. */
const UNPLACED_KM = 10_008;
/** With the policy `nearest`: priors this close are one place. */
const SAME_PLACE_MS = 1;

export class Redirector {
  /** ROLE of the last choice. */
  role: number = ROLE.BAND;
  /** What the last choice looked at, by position: how many, index in PoolSpec.endpoints, km from the client, score in ms. */
  count = 0;
  readonly members: Int32Array;
  readonly kms: Float64Array;
  readonly scores: Float64Array;
  /** Also who is too far by the way alone gets a score and not Infinity: for people to see. */
  isThorough = false;
  /** Whether the candidate was among those that share clients. */
  readonly isInBand: Uint8Array;
  readonly #pools: readonly PoolSpec[];
  readonly #table: TableReader;
  /** Of the endpoints of the Snapshot: point on the unit sphere, and a hash of the id, on which all edges of a fleet agree. */
  readonly #points: Float64Array;
  readonly #ids: Int32Array;
  readonly #client = new Float64Array(3);

  constructor(snapshot: Snapshot) {
    const { endpoints, pools, rows } = snapshot;
    const widest = rows.reduce((most, { members }) => Math.max(most, members.length), 0);
    this.#pools = pools;
    this.#table = new TableReader(snapshot.table, shapeOf(snapshot));
    this.#points = new Float64Array(endpoints.length * 3);
    endpoints.forEach(({ location }, i) => {
      writePoint(location, this.#points, i * 3);
    });
    this.#ids = Int32Array.from(endpoints, ({ id }) => hashText(id));
    this.members = new Int32Array(widest);
    this.kms = new Float64Array(widest);
    this.scores = new Float64Array(widest);
    this.isInBand = new Uint8Array(widest);
  }

  /**
   * Index into Snapshot.endpoints of where a client is sent to, of the candidates of `row` (Snapshot.rows), or NONE when
   * there is none to be sent to. `place` null = unknown: then the way from this edge stands for the client's. The same client
   * gets the same answer from the same table. O(candidates); allocates nothing; never throws.
   */
  choose(row: number, ctx: PickContext, place: LatLon | null, address: string): number {
    writePoint(place, this.#client, 0);
    const client = hostBits(address);
    this.#table.refresh();
    const chosen = this.#choose(row, ctx, place !== null, client);
    if (!this.#table.isOverrun) return chosen;
    // This thread stood still while the version was rewritten under it: once more, on the current one.
    this.#table.refresh();
    return this.#choose(row, ctx, place !== null, client);
  }

  #choose(index: number, ctx: PickContext, isPlaced: boolean, client: number): number {
    const { ints, shape } = this.#table;
    const row = shape.rows[index]!;
    const pool = this.#pools[row.pool]!;
    const mode = ints[row.at + ROW.MODE]!;
    this.count = 0;
    // A trial is for learning, and nothing is learned from a client that is gone.
    if (mode === MODE.DOWN || (mode !== MODE.NORMAL && pool.whenAllDown === 'fail')) return NONE;
    this.role = mode === MODE.PANIC ? ROLE.PANIC : ROLE.BAND;
    this.count = ints[row.at + ROW.ELIGIBLE]!;
    const others = shape.others + ctx.lane * shape.slots;
    let best = Number.POSITIVE_INFINITY;
    let bestOfAll = Number.POSITIVE_INFINITY;
    /** Whoever is farther than this cannot share clients with the best so far, were its server as quick as can be. */
    let reach = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.count; i++) {
      const int = row.ints + i * CANDIDATE_INTS;
      const member = ints[int + CI.INDEX]!;
      const isLost = (ints[int + CI.FLAGS]! & FLAG.LOST) !== 0;
      const square = isLost ? Number.NaN : chordSquare(this.#client, 0, this.#points, pool.endpoints[member]! * 3);
      this.members[i] = member;
      this.scores[i] = Number.POSITIVE_INFINITY;
      if (square > reach) continue;
      const slot = ints[int + CI.SLOT]!;
      this.kms[i] = chordKm(square);
      this.#score(i, row.doubles, pool, isPlaced, ctx.inflight[slot]! + ints[others + slot]!);
      const ms = this.scores[i]!;
      if (ms < bestOfAll) bestOfAll = ms;
      if (ms >= best || this.#isHeld(i, row.doubles, pool, client)) continue;
      best = ms;
      if (!this.isThorough && isPlaced) reach = chordSquareOf(priorKm(limitOf(best, pool)));
    }
    // Those that warm up are better than nothing.
    const anyFree = best < Number.POSITIVE_INFINITY;
    return this.#share(row.doubles, pool, client, limitOf(anyFree ? best : bestOfAll, pool), anyFree);
  }

  /** What one more request of the client would take at the candidate at position `i`, into `scores`. */
  #score(i: number, first: number, pool: PoolSpec, isPlaced: boolean, inflight: number): void {
    const { doubles } = this.#table;
    const double = first + i * CANDIDATE_DOUBLES;
    const km = this.kms[i]!;
    const edgeMs = doubles[double + CD.NETWORK]!;
    const wayMs = isPlaced ? priorMs(km >= 0 ? km : UNPLACED_KM) : edgeMs;
    if (pool.policy === 'nearest') {
      this.scores[i] = wayMs;
      return;
    }
    liveScoreInto(doubles, double, inflight, this.scores, i);
    // The score is linear in the network term: it is exchanged. What holds challengers off for this edge's sake goes too.
    const heldMs = isPlaced ? doubles[double + CD.EXTRA]! - doubles[double + CD.COST]! : 0;
    this.scores[i]! += (wayMs - edgeMs) * doubles[double + CD.ERROR_FACTOR]! - heldMs;
  }

  /** Of all that are near enough to the best, the client's own: the highest random weight. Index into Snapshot.endpoints. */
  #share(first: number, pool: PoolSpec, client: number, limit: number, anyFree: boolean): number {
    let chosen: number = NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.count; i++) {
      const isIn = this.scores[i]! <= limit && !(anyFree && this.#isHeld(i, first, pool, client));
      this.isInBand[i] = isIn ? 1 : 0;
      if (!isIn) continue;
      const endpoint = pool.endpoints[this.members[i]!]!;
      const weight = this.#table.doubles[first + i * CANDIDATE_DOUBLES + CD.WEIGHT]!;
      // Source: Thaler & Ravishankar 1998; with weights, Schindelhauer & Schomaker 2005.
      const lot = -Math.log(chanceOf(client, this.#ids[endpoint]!)) / weight;
      if (lot >= least) continue;
      least = lot;
      chosen = endpoint;
    }
    return chosen;
  }

  /** An endpoint that warms up takes a part of its clients: always the same ones, and more as it goes on. */
  #isHeld(i: number, first: number, pool: PoolSpec, client: number): boolean {
    const ramp = this.#table.doubles[first + i * CANDIDATE_DOUBLES + CD.RAMP]!;
    return ramp < 1 && chanceOf(client, ~this.#ids[pool.endpoints[this.members[i]!]!]!) > ramp;
  }
}

/** Up to which score candidates share clients with the best. ms. */
function limitOf(best: number, { policy, bandRatio, bandMs }: PoolSpec): number {
  return policy === 'nearest' ? best + SAME_PLACE_MS : best * (1 + bandRatio) + bandMs;
}

/** 0 < x ≤ 1, the same for the same two. */
function chanceOf(client: number, id: number): number {
  return (mixed(client, id) + 1) / 4294967296;
}
