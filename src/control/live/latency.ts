// What clients get, over the last seconds: how many requests, how many failed, and how long they took. By differences of what
// the workers count for the metrics anyway, so that nobody counts anything twice; looked at only while somebody watches.

import { CELL, DURATION_BUCKETS_S, isServerError } from '../../core/cells.ts';
import type { LaneReader } from '../../core/lane-reader.ts';

/** Times are those of the last ten looks, rates those of the last five: a look is a second. */
const LOOKS = 10;
const RATE_LOOKS = 5;
const BUCKETS = DURATION_BUCKETS_S.length + 1;
/** Behind the buckets: answers of status 500 and above. */
const ERRORS = BUCKETS;

interface Look {
  readonly atMs: number;
  readonly counts: Float64Array;
}

/** Of one lane: where what counts here lies. */
interface Cells {
  seen: number;
  values: Float64Array | null;
  readonly durations: number[];
  readonly errors: number[];
}

export class Latency {
  readonly #cells = new WeakMap<LaneReader, Cells>();
  /** Oldest first. */
  #looks: Look[] = [];

  /** To be called about once a second. */
  look(lanes: readonly { readonly reader: LaneReader }[], nowMs: number): void {
    const counts = new Float64Array(BUCKETS + 1);
    for (const { reader } of lanes) {
      const { values, durations, errors } = this.#cellsOf(reader);
      if (values === null) continue;
      for (const at of durations) for (let i = 0; i < BUCKETS; i++) counts[i]! += values[at + i]!;
      for (const at of errors) counts[ERRORS]! += values[at]!;
    }
    // A worker died and took its counts along: what was before says nothing any more.
    if (this.#looks.at(-1)?.counts.some((count, i) => count > counts[i]!)) this.forget();
    this.#looks.push({ atMs: nowMs, counts });
    if (this.#looks.length > LOOKS + 1) this.#looks.shift();
  }

  /** Cells are only ever added, and of thousands some tens count here: each is looked at once. */
  #cellsOf(reader: LaneReader): Cells {
    const known = this.#cells.get(reader) ?? { seen: 0, values: null, durations: [], errors: [] };
    this.#cells.set(reader, known);
    const { cells } = reader;
    reader.eachCell(
      (kind, _a, _b, c, values, at) => {
        known.values = values;
        if (kind === CELL.DURATION) known.durations.push(at);
        else if (kind === CELL.REQUESTS && isServerError(c & 0x3ff)) known.errors.push(at);
      },
      known.seen,
      cells,
    );
    known.seen = cells;
    return known;
  }

  /** Nobody watches: what is there will be old when somebody does again. */
  forget(): void {
    this.#looks = [];
  }

  /** Requests answered and answers of status ≥ 500, per second; null = it has not been looked at twice yet. */
  rates(): { readonly requestsPerSecond: number; readonly errorsPerSecond: number } | null {
    const last = this.#looks.at(-1);
    const first = this.#looks.at(-1 - RATE_LOOKS) ?? this.#looks[0];
    if (first === undefined || last === undefined || !(last.atMs > first.atMs)) return null;
    const seconds = (last.atMs - first.atMs) / 1000;
    let requests = 0;
    for (let i = 0; i < BUCKETS; i++) requests += last.counts[i]! - first.counts[i]!;
    const errors = last.counts[ERRORS]! - first.counts[ERRORS]!;
    return { requestsPerSecond: requests / seconds, errorsPerSecond: errors / seconds };
  }

  /** ms; straight through the bucket that it lies in. null when there was no request. 0 < `part` < 1. */
  quantile(part: number): number | null {
    const last = this.#looks.at(-1);
    const first = this.#looks[0];
    if (first === undefined || last === undefined) return null;
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) total += last.counts[i]! - first.counts[i]!;
    if (total === 0) return null;
    let below = 0;
    let i = 0;
    for (; i < BUCKETS - 1; i++) {
      const count = last.counts[i]! - first.counts[i]!;
      if (below + count >= total * part) {
        const from = i === 0 ? 0 : DURATION_BUCKETS_S[i - 1]!;
        const to = DURATION_BUCKETS_S[i]!;
        return (from + ((to - from) * (total * part - below)) / Math.max(count, 1)) * 1000;
      }
      below += count;
    }
    return DURATION_BUCKETS_S.at(-1)! * 1000;
  }
}
