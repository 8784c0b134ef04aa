// A lane is the part of the board that one worker writes and the control plane reads: live in-flight counts, metric
// cells and a ring of samples. Every array has one writer, so there are no locks; the reader may see a count a moment
// old, never a torn one (aligned 32- and 64-bit stores).
//
//   header │ in flight per slot │ directory (key → offset, append-only) │ cell values │ ring of samples │ ring of decisions
//
// Here is where each lies; the worker's side is lane-writer.ts, the control plane's lane-reader.ts.

import { bucketsOf, CELL_CAPS } from './cells.ts';
import { SAMPLE_FIELDS } from './sample.ts';
import { MAX_SLOTS } from './snapshot.ts';

/** Beyond the caps of all kinds, for the cells that take what is left. */
const SPARE_CELLS = 64;
const SPARE_VALUES = 1024;
const CAPS = Object.entries(CELL_CAPS);
/** 22,704 cells; what is never used is never touched, and so takes no memory. */
export const MAX_CELLS = CAPS.reduce((sum, [, cap]) => sum + cap, SPARE_CELLS);
export const VALUES = CAPS.reduce((sum, [kind, cap]) => sum + cap * widthOf(Number(kind)), SPARE_VALUES);
export const RING = 8192; // samples; a power of two
/** Doubles in the ring of decisions, a power of two: one decision among 1,000 endpoints takes a thousand. */
export const DECISIONS = 32_768;

const HEADER_INTS = 32;
/** Places in `header`. */
export const H = {
  CELLS: 0,
  VALUES: 1,
  RING_HEAD: 2,
  RING_TAIL: 3,
  HEARTBEAT: 4,
  LOST_SAMPLES: 5,
  CONNECTIONS: 6,
  DECISIONS_HEAD: 7,
  DECISIONS_TAIL: 8,
  LOST_DECISIONS: 9,
} as const;
const HEADER_DOUBLES = 8;
/** Health of the worker itself, in the header's doubles. */
export const VITAL = { LOOP_LAG_MS: 0, HEAP_BYTES: 1, PRESSURE: 2, SHEDDING: 3 } as const;

const AT_INFLIGHT = HEADER_INTS * 4 + HEADER_DOUBLES * 8;
const AT_KEYS = AT_INFLIGHT + MAX_SLOTS * 4;
const AT_VALUES = AT_KEYS + MAX_CELLS * 3 * 4;
const AT_RING = AT_VALUES + VALUES * 8;
const AT_DECISIONS = AT_RING + RING * SAMPLE_FIELDS * 8;
export const LANE_BYTES = AT_DECISIONS + DECISIONS * 8;

export interface LaneArrays {
  readonly header: Int32Array;
  readonly vitals: Float64Array;
  /** Live exchanges per slot at this worker. */
  readonly inflight: Int32Array;
  readonly keys: Int32Array;
  readonly values: Float64Array;
  readonly ring: Float64Array;
  readonly decisions: Float64Array;
}

/** Views of a lane; the arrays are shared, not copied. */
export function arraysOf(buffer: SharedArrayBuffer): LaneArrays {
  return {
    header: new Int32Array(buffer, 0, HEADER_INTS),
    vitals: new Float64Array(buffer, HEADER_INTS * 4, HEADER_DOUBLES),
    inflight: new Int32Array(buffer, AT_INFLIGHT, MAX_SLOTS),
    keys: new Int32Array(buffer, AT_KEYS, MAX_CELLS * 3),
    values: new Float64Array(buffer, AT_VALUES, VALUES),
    ring: new Float64Array(buffer, AT_RING, RING * SAMPLE_FIELDS),
    decisions: new Float64Array(buffer, AT_DECISIONS, DECISIONS),
  };
}

/** A fresh, zeroed lane. */
export function newLane(): SharedArrayBuffer {
  return new SharedArrayBuffer(LANE_BYTES);
}

/** Doubles that a cell takes: one, or of a histogram its buckets, the one beyond them and the sum. */
export function widthOf(kind: number): number {
  const bounds = bucketsOf(kind);
  return bounds === null ? 1 : bounds.length + 2;
}
