// The control plane's side of a lane: the totals of its cells, the rings emptied, and how the worker is.

import { OTHER } from './cells.ts';
import { arraysOf, DECISIONS, H, type LaneArrays, RING, VITAL } from './lane.ts';
import { SAMPLE_FIELDS } from './sample.ts';

/** One cell as the control plane sees it. `at` points into `values`. */
export type CellVisitor = (kind: number, a: number, b: number, c: number, values: Float64Array, at: number) => void;

/** The control plane's side. */
export class LaneReader {
  readonly inflight: Int32Array;
  readonly #a: LaneArrays;
  #glanced = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.#a = arraysOf(buffer);
    this.inflight = this.#a.inflight;
  }

  /** Cells that there are now. They only ever grow in number. */
  get cells(): number {
    return Atomics.load(this.#a.header, H.CELLS);
  }

  /** Calls `visit` for every cell there is, or those from `from` to before `to`. */
  eachCell(visit: CellVisitor, from = 0, to = this.cells): void {
    const { keys, values } = this.#a;
    for (let i = from; i < to; i++) {
      const k1 = keys[i * 3]!;
      visit(k1 >>> 28, (k1 >>> 14) & OTHER, k1 & OTHER, keys[i * 3 + 1]!, values, keys[i * 3 + 2]!);
    }
  }

  /** Shows `look` every sample that neither it nor `drain` has seen; all of them stay where they are. */
  glance(look: (ring: Float64Array, base: number) => void): void {
    const { header, ring } = this.#a;
    const head = Atomics.load(header, H.RING_HEAD);
    const tail = header[H.RING_TAIL]!;
    let from = this.#glanced;
    if (((from - tail) | 0) < 0) from = tail;
    for (; from !== head; from = (from + 1) | 0) look(ring, (from & (RING - 1)) * SAMPLE_FIELDS);
    this.#glanced = head;
  }

  /** Hands every new sample to `take` as (ring, base): read `ring[base + SAMPLE.X]` before returning. Gives how many. */
  drain(take: (ring: Float64Array, base: number) => void): number {
    const { header, ring } = this.#a;
    const head = Atomics.load(header, H.RING_HEAD);
    let tail = header[H.RING_TAIL]!;
    let n = 0;
    for (; tail !== head; tail = (tail + 1) | 0, n++) take(ring, (tail & (RING - 1)) * SAMPLE_FIELDS);
    Atomics.store(header, H.RING_TAIL, tail);
    return n;
  }

  /** Like `drain`, for decisions: `take` copies what it wants to keep. */
  drainDecisions(take: (ring: Float64Array, base: number) => void): number {
    const { header, decisions } = this.#a;
    const head = Atomics.load(header, H.DECISIONS_HEAD);
    let tail = header[H.DECISIONS_TAIL]!;
    let n = 0;
    while (tail !== head) {
      const at = tail & (DECISIONS - 1);
      const fields = decisions[at]!;
      if (fields > 0) {
        take(decisions, at);
        n++;
      }
      tail = (tail + (fields > 0 ? fields : DECISIONS - at)) | 0;
    }
    Atomics.store(header, H.DECISIONS_TAIL, tail);
    return n;
  }

  get lostDecisions(): number {
    return this.#a.header[H.LOST_DECISIONS]!;
  }
  get heartbeat(): number {
    return this.#a.header[H.HEARTBEAT]!;
  }
  get lostSamples(): number {
    return this.#a.header[H.LOST_SAMPLES]!;
  }
  get loopLagMs(): number {
    return this.#a.vitals[VITAL.LOOP_LAG_MS]!;
  }
  get heapBytes(): number {
    return this.#a.vitals[VITAL.HEAP_BYTES]!;
  }
  get pressure(): number {
    return this.#a.vitals[VITAL.PRESSURE]!;
  }
  get shedding(): number {
    return this.#a.vitals[VITAL.SHEDDING]!;
  }
}
