// Writes some picks down, whole (core/decision.ts), into the worker's lane. Which ones: a part of the first attempts by
// chance, so that some tens a second come of it whatever the load; and every exploration and every retry, as long as there
// is room. A pick that is not written down pays for two compares. Nothing is allocated.

import { DECISION, DECISION_FIELDS, trialAgeMs } from '../core/decision.ts';
import type { LaneWriter } from '../core/lane-writer.ts';
import { type PickContext, ROLE, type Selector } from '../core/selector.ts';
import { MAX_LANES, NONE, type RouteSpec } from '../core/snapshot.ts';
import { CANDIDATE_INTS, CI, ROW, rowShapeAt } from '../core/table.ts';

/** Decisions from one beat (250 ms) to the next: what chance is set to take, and what is written at most. */
const WANTED_PER_BEAT = 8;
const MOST_PER_BEAT = 12;

export class Capture {
  /** Id of the decision that the last pick was written down as; 0 = it was not. */
  id = 0;
  readonly #lane: LaneWriter;
  readonly #index: number;
  /** One in so many first attempts is taken. */
  #every = 1;
  /** Picks until the next that is, and how many there were when that was drawn. */
  #due = 1;
  #drawn = 1;
  /** Since the last beat. */
  #picks = 0;
  #written = 0;
  #chance: number;
  #last = 0;

  constructor(lane: LaneWriter, index: number, random: () => number) {
    this.#lane = lane;
    this.#index = index;
    this.#chance = Math.floor(random() * 4294967296) | 1;
  }

  /** Learns how much comes: four times a second, off the request's path. */
  beat(): void {
    const picks = this.#picks + this.#drawn - this.#due;
    this.#every = Math.max(1, Math.ceil(picks / WANTED_PER_BEAT));
    this.#picks = 0;
    this.#written = 0;
    this.#drawn = this.#due;
    // After a burst the next would be far off.
    if (this.#due > this.#every * 2) this.#rearm();
  }

  /** To be called after each pick that found an endpoint, before its in-flight count goes up. `row`: what was asked for. */
  picked(selector: Selector, ctx: PickContext, version: number, route: RouteSpec, row: number = route.row): void {
    this.id = 0;
    const isSpecial = selector.role === ROLE.EXPLORE || ctx.triedCount > 0;
    if (--this.#due > 0 && !isSpecial) return;
    const isDrawn = this.#due <= 0;
    const every = isSpecial ? 1 : this.#every;
    if (isDrawn) {
      this.#picks += this.#drawn;
      this.#rearm();
    }
    if (this.#written >= MOST_PER_BEAT) return;
    const base = this.#write(selector, ctx, row);
    if (base < 0) return;
    const ring = this.#lane.decisions;
    ring[base + DECISION.VERSION] = version;
    ring[base + DECISION.ROUTE] = route.uid;
    ring[base + DECISION.EVERY] = every;
    ring[base + DECISION.IS_DRAWN] = isDrawn ? 1 : 0;
    // Dated, so that a worker that takes a dead one's place does not use its numbers again.
    this.#last = Math.max(this.#last + 1, Math.floor(ctx.nowMs));
    this.id = this.#last * MAX_LANES + this.#index;
    ring[base + DECISION.ID] = this.id;
    this.#written++;
    this.#lane.publishDecision();
  }

  /** What the selector saw, and what came of it. Where it lies, or -1: no room, or the table has been rewritten meanwhile. */
  #write(selector: Selector, ctx: PickContext, root: number): number {
    const { table, role, row } = selector;
    const { at, ints, width: most } = rowShapeAt(table.shape, row);
    // A cohort's row holds those that may be picked and nobody else; the rest of its room is what others left there.
    const width = row === root ? most : Math.min(table.ints[at + ROW.ELIGIBLE]!, most);
    const isTrial = role === ROLE.TRIAL;
    const fields = DECISION_FIELDS + ctx.triedCount + width * (isTrial ? 2 : 1);
    const base = this.#lane.decisionBase(fields);
    if (base < 0) return -1;
    const ring = this.#lane.decisions;
    let to = base + DECISION_FIELDS;
    for (let i = 0; i < ctx.triedCount; i++) ring[to++] = ctx.tried[i]!;
    let place: number = NONE;
    for (let i = 0; i < width; i++) {
      const int = ints + i * CANDIDATE_INTS;
      if (table.ints[int + CI.INDEX] === selector.candidate) place = i;
      ring[to++] = ctx.inflight[table.ints[int + CI.SLOT]!]!;
    }
    if (place === NONE) return -1;
    if (isTrial) this.#writeTrials(selector, ctx, ints, width, place, to);
    ring[base + DECISION.FIELDS] = fields;
    ring[base + DECISION.SEQUENCE] = table.sequence;
    ring[base + DECISION.ROW] = row;
    ring[base + DECISION.COHORT] = selector.cohort;
    ring[base + DECISION.AT_MS] = ctx.nowMs;
    ring[base + DECISION.CHANCE] = selector.fromChance;
    ring[base + DECISION.TURN] = selector.fromTurn;
    ring[base + DECISION.HASH] = ctx.hash ?? 0;
    ring[base + DECISION.MAY_EXPLORE] = ctx.mayExplore ? 1 : 0;
    ring[base + DECISION.ROLE] = role;
    ring[base + DECISION.PLACE] = place;
    ring[base + DECISION.SLOT] = table.ints[ints + place * CANDIDATE_INTS + CI.SLOT]!;
    ring[base + DECISION.TRIED] = ctx.triedCount;
    ring[base + DECISION.WIDTH] = width;
    ring[base + DECISION.HAS_TRIALS] = isTrial ? 1 : 0;
    return table.isOverrun ? -1 : base;
  }

  /** How long ago each had its last trial, as the pick saw it: the chosen one's word is already its own. */
  #writeTrials(selector: Selector, ctx: PickContext, ints: number, width: number, place: number, to: number): void {
    const ring = this.#lane.decisions;
    const { table } = selector;
    for (let i = 0; i < width; i++) {
      const word = Atomics.load(table.trials, table.ints[ints + i * CANDIDATE_INTS + CI.SLOT]!);
      ring[to + i] = i === place ? NONE : trialAgeMs(ctx.nowMs, word);
    }
  }

  /** Even between 1 and twice the mean: a fixed step would keep time with a round robin. Xorshift, Marsaglia 2003. */
  #rearm(): void {
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    this.#drawn = 1 + ((x >>> 1) % (this.#every * 2 - 1));
    this.#due = this.#drawn;
  }
}
