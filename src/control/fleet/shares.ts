// What share each candidate of a pool gets: the selector's own code, replaying the last seconds of the table. Not the
// present version alone: scores within a band tremble, so one moment would call all or nothing what over any number of
// requests is a half. And not under loads made up beforehand: what is in flight follows from what was picked, which is
// what pulls equal endpoints to equal shares. Versions from before the last change of health are forgotten.

import { Selector, seeded } from '../../core/selector.ts';
import { NONE, type Snapshot } from '../../core/snapshot.ts';
import {
  CANDIDATE_DOUBLES,
  CANDIDATE_INTS,
  CD,
  CI,
  MODE,
  newTable,
  ROW,
  type TableShape,
  TableWriter,
} from '../../core/table.ts';
import { Departures } from './departures.ts';
import type { Known } from './known.ts';

/** Versions kept: sixteen seconds of ticks, which is what thousands of requests take; fewer when the table is big. */
const KEPT = 64;
const BUDGET_BYTES = 4 * 1024 * 1024;
/** Of all versions together: then chance alone is below 0.8 points (two standard deviations). */
const DRAWS = 16_384;
/** After so much simulated time a worker learns what the others have in flight. */
const TICK_MS = 250;
/** A version counts half of one that is so many ticks younger; less still while there are few: levels are being learned. */
const HALF_TICKS = 4;
/** The rate of requests is that of the last two seconds: of traffic that has only just begun, too. */
const RATE_TICKS = 8;

/** How a pool's endpoint is used: recorded with a version. */
export interface Usage {
  readonly slot: number;
  /** Time in flight of one request, ms: mean and standard deviation. NaN when none was. */
  readonly holdMs: number;
  readonly holdDeviationMs: number;
}

/** What came to a pool in one tick. */
export interface Flow {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly usage: readonly Usage[];
}

interface Kept {
  readonly writer: TableWriter;
  /** What was recorded last, for reading, and for the replay's own in-flight counts. */
  ints: Int32Array;
  doubles: Float64Array;
  readonly selector: Selector;
  flows: readonly Flow[];
}

export class ShareHistory {
  readonly #kept: Kept[] = [];
  readonly #shape: TableShape;
  /** By pool; outlives `restart`: that an endpoint is gone does not change how much comes. */
  readonly #recent: Flow[][];
  #next = 0;
  #used = 0;

  constructor(snapshot: Omit<Snapshot, 'table'>, shape: TableShape) {
    this.#shape = shape;
    this.#recent = snapshot.pools.map(() => []);
    const count = Math.min(Math.max(Math.floor(BUDGET_BYTES / Math.max(shape.bytes, 1)), 1), KEPT);
    for (let i = 0; i < count; i++) {
      const table = newTable(shape);
      const writer = new TableWriter(table, shape);
      const selector = new Selector({ ...snapshot, table }, shape);
      this.#kept.push({ writer, ints: writer.ints, doubles: writer.doubles, selector, flows: [] });
    }
  }

  /** Copies a version that is about to be published. `flows` by pool. */
  record(ints: Int32Array, doubles: Float64Array, flows: readonly Flow[]): void {
    const kept = this.#kept[this.#next]!;
    kept.ints = kept.writer.ints;
    kept.doubles = kept.writer.doubles;
    // Cohort rows, should the table have them, lie behind what is kept.
    kept.ints.set(ints.subarray(0, this.#shape.ints));
    kept.doubles.set(doubles.subarray(0, this.#shape.doubles));
    kept.writer.publish();
    kept.flows = flows;
    flows.forEach((flow, pool) => {
      const recent = this.#recent[pool]!;
      recent.push(flow);
      if (recent.length > RATE_TICKS) recent.shift();
    });
    this.#next = (this.#next + 1) % this.#kept.length;
    this.#used = Math.min(this.#used + 1, this.#kept.length);
  }

  /** Forgets: what was, says nothing about what comes. */
  restart(): void {
    this.#next = 0;
    this.#used = 0;
  }

  /** By index in PoolSpec.endpoints; 0…1; sum 1, or all 0 when nothing would be picked. */
  of(row: number, width: number, nowMs: number): Float64Array {
    const counts = new Float64Array(width);
    const { pool } = this.#shape.rows[row]!;
    const versions = this.#versionsOf(pool);
    const last = versions.at(-1);
    if (last === undefined || last.ints[this.#shape.rows[row]!.at + ROW.MODE] === MODE.DOWN) return counts;
    const replay = new Replay(this.#shape, row, nowMs, ratePerMs(this.#recent[pool]!), last.flows[pool]!.usage);
    replay.run(versions[0]!, Math.min(replay.settlingDraws, DRAWS), null);
    // The younger a version, the more it says about what comes.
    const halfTicks = Math.min(versions.length / HALF_TICKS, HALF_TICKS);
    const weights = versions.map((_, i) => 2 ** ((i + 1 - versions.length) / halfTicks));
    const draw = DRAWS / weights.reduce((a, b) => a + b, 0);
    versions.forEach((version, i) => {
      replay.run(version, Math.ceil(draw * weights[i]!), counts);
    });
    const sum = counts.reduce((a, b) => a + b, 0);
    return sum === 0 ? counts : counts.map((n) => n / sum);
  }

  /** Oldest first; without those from before the traffic, when there is any: they stand on probes alone. */
  #versionsOf(pool: number): Kept[] {
    const size = this.#kept.length;
    const from = this.#next - this.#used + size;
    const versions = Array.from({ length: this.#used }, (_, i) => this.#kept[(from + i) % size]!);
    const first = versions.findIndex((v) => v.flows[pool]!.requests > 0);
    return first < 0 ? versions.slice(-1) : versions.slice(Math.min(first + 1, versions.length - 1));
  }
}

/** What came to a pool since the last tick; to be asked before its rates are brought up to date. */
export function flowOf(members: readonly Known[], elapsedMs: number): Flow {
  return {
    requests: members.reduce((sum, k) => sum + k.requests - k.ratedRequests, 0),
    elapsedMs,
    usage: members.map((k) => ({
      slot: k.spec.slot,
      holdMs: k.holdMs,
      holdDeviationMs: Math.sqrt(Math.max(k.holdSquare - k.holdMs ** 2, 0)),
    })),
  };
}

/** Requests per ms since the first of these ticks that saw any. */
function ratePerMs(recent: readonly Flow[]): number {
  const seen = recent.slice(
    Math.max(
      recent.findIndex((f) => f.requests > 0),
      0,
    ),
  );
  const requests = seen.reduce((sum, f) => sum + f.requests, 0);
  const elapsedMs = seen.reduce((sum, f) => sum + f.elapsedMs, 0);
  return elapsedMs > 0 ? requests / elapsedMs : 0;
}

/** Requests that come by chance at a rate, are picked for by workers in no order, and stay as long as requests do. */
class Replay {
  readonly #shape: TableShape;
  readonly #row: number;
  readonly #ratePerMs: number;
  readonly #usage: readonly Usage[];
  readonly #random = seeded(1);
  readonly #lanes: { inflight: Int32Array; lane: number }[];
  readonly #ctx;
  readonly #departures = new Departures();
  #nowMs = 0;
  #tickMs = 0;

  constructor(shape: TableShape, row: number, nowMs: number, perMs: number, usage: readonly Usage[]) {
    this.#shape = shape;
    this.#row = row;
    this.#ratePerMs = perMs;
    this.#usage = usage;
    const workers = Math.max(shape.lanes - 1, 1);
    this.#lanes = Array.from({ length: workers }, (_, lane) => ({ lane, inflight: new Int32Array(shape.slots) }));
    this.#ctx = {
      lane: 0,
      inflight: this.#lanes[0]!.inflight,
      nowMs,
      random: this.#random,
      tried: new Int32Array(0),
      triedCount: 0,
      mayExplore: true,
      hash: 0,
    };
  }

  /** After so many requests what is in flight no longer depends on having begun with nothing. */
  get settlingDraws(): number {
    const longest = this.#usage.reduce((most, u) => Math.max(most, Number.isNaN(u.holdMs) ? 0 : u.holdMs), 0);
    return Math.ceil(this.#ratePerMs * Math.max(longest * 3, TICK_MS * 2));
  }

  run(version: Kept, draws: number, counts: Float64Array | null): void {
    const { selector } = version;
    selector.sow(this.#random());
    this.#exchange(version);
    for (let i = 0; i < draws; i++) {
      this.#pass(version);
      const { lane, inflight } = this.#lanes[Math.floor(this.#random() * this.#lanes.length)]!;
      this.#ctx.lane = lane;
      this.#ctx.inflight = inflight;
      // Many clients, each with a key of its own; pools that hash nothing do not look at it.
      this.#ctx.hash = Math.floor(this.#random() * 4294967296) | 0 || 1;
      const slot = selector.pick(this.#row, this.#ctx);
      if (slot === NONE) return;
      if (counts !== null) counts[selector.candidate]! += 1;
      const stayMs = this.#stayMs(version, selector.candidate);
      if (this.#ratePerMs === 0 || !(stayMs > 0)) continue;
      inflight[slot]!++;
      this.#departures.add(this.#nowMs + stayMs, lane * this.#shape.slots + slot);
    }
  }

  /** Time passes until the next request. */
  #pass(version: Kept): void {
    if (this.#ratePerMs === 0) return;
    this.#nowMs -= Math.log(1 - this.#random()) / this.#ratePerMs;
    for (let at = this.#departures.before(this.#nowMs); at !== NONE; at = this.#departures.before(this.#nowMs)) {
      const { slots } = this.#shape;
      this.#lanes[Math.floor(at / slots)]!.inflight[at % slots]!--;
    }
    if (this.#nowMs - this.#tickMs >= TICK_MS) this.#exchange(version);
  }

  /** Every worker learns what the others have in flight, as on a tick. */
  #exchange({ ints }: Kept): void {
    this.#tickMs = this.#nowMs;
    const { others, slots } = this.#shape;
    for (const { slot } of this.#usage) {
      let total = 0;
      for (const { inflight } of this.#lanes) total += inflight[slot]!;
      for (const { lane, inflight } of this.#lanes) ints[others + lane * slots + slot] = total - inflight[slot]!;
    }
  }

  /** As long as requests stay there; where none was yet, what the score expects. Log-normal. */
  #stayMs({ ints, doubles }: Kept, candidate: number): number {
    const { holdMs, holdDeviationMs } = this.#usage[candidate]!;
    if (Number.isNaN(holdMs)) {
      const row = this.#shape.rows[this.#row]!;
      let at = 0;
      while (ints[row.ints + at * CANDIDATE_INTS + CI.INDEX] !== candidate) at++;
      const double = row.doubles + at * CANDIDATE_DOUBLES;
      return doubles[double + CD.NETWORK]! + doubles[double + CD.SERVER]!;
    }
    const variance = Math.log(1 + (holdDeviationMs / Math.max(holdMs, 1e-3)) ** 2);
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    return holdMs * Math.exp(Math.sqrt(variance) * normal - variance / 2);
  }
}
