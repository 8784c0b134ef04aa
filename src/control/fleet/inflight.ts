// Live in-flight between the lanes and the table: a worker adds its own count of this moment to the others' as of the tick.

import type { LaneReader } from '../../core/lane-reader.ts';
import type { TableWriter } from '../../core/table.ts';

/** Per slot, what all workers have in flight. */
export function readInflight(lanes: readonly LaneReader[], total: Int32Array): void {
  total.fill(0);
  for (const lane of lanes) for (let s = 0; s < total.length; s++) total[s]! += Math.max(lane.inflight[s]!, 0);
}

/** Per lane what all others have in flight; the column behind the last lane has nothing: its reader brings a load along. */
export function writeInflight(lanes: readonly LaneReader[], total: Int32Array, writer: TableWriter): void {
  const { shape, ints } = writer;
  for (let column = 0; column < shape.lanes; column++) {
    const at = shape.others + column * shape.slots;
    const own = lanes[column]?.inflight;
    if (column === shape.lanes - 1) {
      ints.fill(0, at, at + shape.slots);
      continue;
    }
    // Its own count may have grown since the total was taken.
    for (let s = 0; s < shape.slots; s++) ints[at + s] = Math.max(total[s]! - (own?.[s] ?? 0), 0);
  }
}
