// A ring of endpoints for one row: consistent hashing. Every endpoint stands on it at many points that follow from its id
// alone, so that every worker and every node sees the same ring, and one that comes or goes moves only its own keys. Built
// once with the Snapshot; who may be picked right now is the table's business.
// Source: Karger et al., "Consistent hashing and random trees", 1997.

import type { Snapshot } from '../snapshot.ts';
import { mixed } from './mix.ts';

/** `points` ascending as unsigned numbers; `owners` are places in RowSpec.members. */
export interface Ring {
  readonly points: Uint32Array;
  readonly owners: Uint16Array;
}

/** Points of an endpoint of weight 1: shares then differ by a tenth or so. */
const POINTS = 160;
/** Of all together, so that a big pool costs milliseconds and not seconds to build. */
const MAX_POINTS = 32_768;

/** `idHash` by slot. */
export function ringOf(snapshot: Omit<Snapshot, 'table'>, row: number, idHash: Int32Array): Ring {
  const { pool, members } = snapshot.rows[row]!;
  const specs = members.map((i) => snapshot.endpoints[snapshot.pools[pool]!.endpoints[i]!]!);
  const weights = specs.reduce((sum, e) => sum + e.weight, 0) || 1;
  const all = Math.min(POINTS * members.length, MAX_POINTS);
  const counts = specs.map((e) => (e.weight > 0 ? Math.max(Math.round((all * e.weight) / weights), 1) : 0));
  const total = counts.reduce((sum, n) => sum + n, 0);
  // Sorted as one number each: the point above, the owner below.
  const keys = new Float64Array(total);
  let next = 0;
  specs.forEach((e, place) => {
    for (let i = 0; i < counts[place]!; i++) keys[next++] = mixed(idHash[e.slot]!, i) * 65_536 + place;
  });
  keys.sort();
  return {
    points: Uint32Array.from(keys, (key) => Math.floor(key / 65_536)),
    owners: Uint16Array.from(keys, (key) => key % 65_536),
  };
}

/** Index of the first point at or after `hash` (unsigned), round the ring. O(log n). */
export function seek({ points }: Ring, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? 0 : low;
}
