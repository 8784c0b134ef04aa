// What share each candidate of a pool gets: the selector's own code, drawing from the table's versions of the last seconds.
// Not from the present one alone: scores within a band tremble with every sample, so one version would call all or
// nothing what over any number of requests is a half. Versions from before the last change of health are forgotten.

import { Selector, seeded, shares } from '../../core/selector.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, newTable, type TableShape, TableWriter } from '../../core/table.ts';

/** Versions kept: sixteen seconds of ticks; fewer when the table is big. */
const KEPT = 64;
const BUDGET_BYTES = 4 * 1024 * 1024;
const DRAWS = 16_384;
/** Picks under one load. */
const BATCH = 16;

interface Kept {
  readonly writer: TableWriter;
  /** What was recorded last, for reading. */
  ints: Int32Array;
  doubles: Float64Array;
  readonly selector: Selector;
}

export class ShareHistory {
  readonly #kept: Kept[] = [];
  readonly #shape: TableShape;
  #next = 0;
  #used = 0;

  constructor(snapshot: Omit<Snapshot, 'table'>, shape: TableShape) {
    this.#shape = shape;
    const count = Math.min(Math.max(Math.floor(BUDGET_BYTES / Math.max(shape.bytes, 1)), 1), KEPT);
    for (let i = 0; i < count; i++) {
      const table = newTable(shape);
      const writer = new TableWriter(table, shape);
      const selector = new Selector({ ...snapshot, table });
      this.#kept.push({ writer, ints: writer.ints, doubles: writer.doubles, selector });
    }
  }

  /** Copies a version that is about to be published. */
  record(ints: Int32Array, doubles: Float64Array): void {
    const kept = this.#kept[this.#next]!;
    kept.ints = kept.writer.ints;
    kept.doubles = kept.writer.doubles;
    kept.ints.set(ints);
    kept.doubles.set(doubles);
    kept.writer.publish();
    this.#next = (this.#next + 1) % this.#kept.length;
    this.#used = Math.min(this.#used + 1, this.#kept.length);
  }

  /** Forgets: what was, says nothing about what comes. */
  restart(): void {
    this.#next = 0;
    this.#used = 0;
  }

  /** By index in PoolSpec.endpoints; 0…1; sum 1, or all 0 when nothing would be picked. */
  of(pool: number, width: number, nowMs: number): Float64Array {
    const sum = new Float64Array(width);
    const random = seeded(1);
    const ctx = {
      lane: this.#shape.lanes - 1,
      inflight: new Int32Array(this.#shape.slots),
      nowMs,
      random,
      tried: new Int32Array(0),
      triedCount: 0,
      mayExplore: true,
    };
    const batches = Math.max(Math.floor(DRAWS / BATCH / Math.max(this.#used, 1)), 1);
    for (let i = 0; i < this.#used; i++) {
      const { selector, ints, doubles } = this.#kept[i]!;
      for (let batch = 0; batch < batches; batch++) {
        this.#load(pool, ints, doubles, ctx.inflight, random);
        const part = shares(selector, pool, width, ctx, BATCH, random());
        for (let c = 0; c < width; c++) sum[c]! += part[c]! / (this.#used * batches);
      }
    }
    return sum;
  }

  /** In flight as it usually is, by chance around the mean: the moment of a tick is not what requests will meet. */
  #load(pool: number, ints: Int32Array, doubles: Float64Array, inflight: Int32Array, random: () => number): void {
    const row = this.#shape.rows[pool]!;
    for (let at = 0; at < row.width; at++) {
      const slot = ints[row.ints + at * CANDIDATE_INTS + CI.SLOT]!;
      inflight[slot] = poisson(doubles[row.doubles + at * CANDIDATE_DOUBLES + CD.MEAN_INFLIGHT]!, random);
    }
  }
}

/** How many are in flight when `mean` are on average. Source: Knuth, TAOCP 2, 3.4.1; above 30 the normal distribution. */
function poisson(mean: number, random: () => number): number {
  if (mean > 30) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.max(Math.round(mean + Math.sqrt(mean) * normal), 0);
  }
  const end = Math.exp(-mean);
  let n = 0;
  for (let p = random(); p > end; p *= random()) n++;
  return n;
}
