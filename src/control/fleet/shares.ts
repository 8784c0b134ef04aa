// What share each candidate of a pool gets: the selector's own code, drawing from the table's versions of the last seconds.
// Not from the present one alone: scores within a band tremble with every sample, so one version would call all or
// nothing what over any number of requests is a half. Versions from before the last change of health are forgotten.

import { Selector, shares } from '../../core/selector.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { newTable, type TableShape, TableWriter } from '../../core/table.ts';

/** Versions kept: sixteen seconds of ticks; fewer when the table is big. */
const KEPT = 64;
const BUDGET_BYTES = 4 * 1024 * 1024;
const DRAWS = 16_384;

interface Kept {
  readonly writer: TableWriter;
  readonly selector: Selector;
}

export class ShareHistory {
  readonly #kept: Kept[] = [];
  readonly #shape: TableShape;
  readonly #idle: Int32Array;
  #next = 0;
  #used = 0;

  constructor(snapshot: Omit<Snapshot, 'table'>, shape: TableShape) {
    this.#shape = shape;
    this.#idle = new Int32Array(shape.slots);
    const count = Math.min(Math.max(Math.floor(BUDGET_BYTES / Math.max(shape.bytes, 1)), 1), KEPT);
    for (let i = 0; i < count; i++) {
      const table = newTable(shape);
      this.#kept.push({ writer: new TableWriter(table, shape), selector: new Selector({ ...snapshot, table }) });
    }
  }

  /** Copies a version that is about to be published. */
  record(ints: Int32Array, doubles: Float64Array): void {
    const { writer } = this.#kept[this.#next]!;
    writer.ints.set(ints);
    writer.doubles.set(doubles);
    writer.publish();
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
    for (let i = 0; i < this.#used; i++) {
      const ctx = {
        lane: this.#shape.lanes - 1,
        inflight: this.#idle,
        nowMs,
        random: Math.random,
        tried: this.#idle,
        triedCount: 0,
        mayExplore: true,
      };
      const part = shares(this.#kept[i]!.selector, pool, width, ctx, Math.ceil(DRAWS / this.#used), i + 1);
      for (let c = 0; c < width; c++) sum[c]! += part[c]! / this.#used;
    }
    return sum;
  }
}
