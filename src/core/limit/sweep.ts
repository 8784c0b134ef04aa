// The control plane's looks at the table of buckets: what is over is freed, what has been touched is found. Both walk a slice or
// a bitmap, so that a look costs microseconds whatever the table holds.

import { EMPTY, TAKEN } from '../key-hash.ts';
import { B, BUCKET_INTS, BUCKETS, type RateTable, RULE_BITS, RULE_MASK } from './table.ts';

/**
 * Frees the buckets that owe nothing in [from, from + count), unless `isKept`, and gives how many still owe. What lies beyond the
 * end is none.
 */
export function sweep(
  table: RateTable,
  from: number,
  count: number,
  nowMs: number,
  isKept: (at: number) => boolean = () => false,
): number {
  let owing = 0;
  for (let i = from; i < Math.min(from + count, BUCKETS); i++) {
    const at = i * BUCKET_INTS;
    const hi = table.buckets[at + B.HI]!;
    if (hi === EMPTY || hi === TAKEN) continue;
    if (table.owedMs(at, nowMs) > 0) owing++;
    else if (!isKept(at)) table.free(at);
  }
  return owing;
}

/**
 * Calls `visit` with the offset of every bucket that was touched since the last call, about `most` at most, beginning at `word` of
 * the bitmap. Gives where the next call is to begin: so everybody's turn comes, however many are touched in between.
 */
export function eachTouched(table: RateTable, word: number, most: number, visit: (at: number) => void): number {
  const { touched } = table;
  let at = word % touched.length;
  let left = most;
  for (let looked = 0; looked < touched.length && left > 0; looked++) {
    let bits = touched[at] === 0 ? 0 : Atomics.exchange(touched, at, 0);
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      visit((at * 32 + bit) * BUCKET_INTS);
      left--;
    }
    at = (at + 1) % touched.length;
  }
  return at;
}

export function ruleOf(table: RateTable, at: number): number {
  return table.buckets[at + B.RULE]! & RULE_MASK;
}

/** When control looked at the bucket last, as a small number of its own that wraps; 0 = never. */
export function lookedOf(table: RateTable, at: number): number {
  return table.buckets[at + B.RULE]! >>> RULE_BITS;
}

/** Does nothing when the bucket has become another limit's. `look` ≥ 1, < 2^22. */
export function setLooked(table: RateTable, at: number, look: number): void {
  const before = table.buckets[at + B.RULE]!;
  Atomics.compareExchange(table.buckets, at + B.RULE, before, (look << RULE_BITS) | (before & RULE_MASK));
}
