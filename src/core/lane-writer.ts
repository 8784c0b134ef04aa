// The worker's side of its lane. A cell is found through a private hash of the worker; the directory in the lane is what lets
// the reader name the cells.

import { CELL_CAPS, type CellKind, coarseB, coarseC, fineCapOf, hasCoarse, lastA, lastC, OTHER } from './cells.ts';
import { arraysOf, DECISIONS, H, type LaneArrays, RING, VITAL } from './lane.ts';
import { SAMPLE_FIELDS } from './sample.ts';

const HASH = 65_536; // open addressing, a power of two, ≤ 35 % full

/** The worker's side: never throws, allocates nothing after the first sight of a cell. */
export class LaneWriter {
  readonly inflight: Int32Array;
  readonly #a: LaneArrays;
  /** hash → cell + 1; private, so that the directory stays append-only and dense. */
  readonly #hash = new Int32Array(HASH);
  /** By kind, the cell counted last: its key's two halves and its offset. Mostly the next one is the same. */
  readonly #last = new Int32Array(16 * 3);
  /** Cells by kind. */
  readonly #cells = new Int32Array(16);
  /** What the decision being written takes, with the gap before it. */
  #decisionFields = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.#a = arraysOf(buffer);
    this.inflight = this.#a.inflight;
  }

  /** Adds `by` to a counter or gauge. a, b < 2^14; c < 2^28. */
  count(kind: CellKind, a: number, b: number, c: number, by = 1): void {
    const at = this.#offsetOf(kind, a, b, c, 1);
    this.#a.values[at]! += by;
  }

  /** Files one observation, in seconds, into a histogram of `bounds` (bucketsOf(kind)). */
  observe(kind: CellKind, a: number, b: number, bounds: readonly number[], seconds: number): void {
    const n = bounds.length;
    const at = this.#offsetOf(kind, a, b, 0, n + 2);
    let i = 0;
    while (i < n && seconds > bounds[i]!) i++;
    this.#a.values[at + i]! += 1;
    this.#a.values[at + n + 1]! += seconds;
  }

  /** Where the next sample goes: fill `ring[base + SAMPLE.X]`, then `publishSample()`. -1 when the ring is full (counted). */
  sampleBase(): number {
    const h = this.#a.header;
    const head = h[H.RING_HEAD]!;
    if (((head - Atomics.load(h, H.RING_TAIL)) | 0) >= RING) {
      h[H.LOST_SAMPLES]!++;
      return -1;
    }
    return (head & (RING - 1)) * SAMPLE_FIELDS;
  }

  get ring(): Float64Array {
    return this.#a.ring;
  }

  publishSample(): void {
    const h = this.#a.header;
    Atomics.store(h, H.RING_HEAD, (h[H.RING_HEAD]! + 1) | 0);
  }

  /**
   * Where a decision of `fields` doubles goes: fill `decisions[base …]`, the first with `fields`, then
   * `publishDecision()`. -1 when the ring has no room (counted).
   */
  decisionBase(fields: number): number {
    const h = this.#a.header;
    const head = h[H.DECISIONS_HEAD]!;
    const at = head & (DECISIONS - 1);
    // Never over the end of the ring: what is left there is skipped.
    const gap = at + fields > DECISIONS ? DECISIONS - at : 0;
    if (((head - Atomics.load(h, H.DECISIONS_TAIL)) | 0) + gap + fields > DECISIONS) {
      h[H.LOST_DECISIONS]!++;
      return -1;
    }
    if (gap > 0) this.#a.decisions[at] = 0;
    this.#decisionFields = gap + fields;
    return gap > 0 ? 0 : at;
  }

  get decisions(): Float64Array {
    return this.#a.decisions;
  }

  publishDecision(): void {
    const h = this.#a.header;
    Atomics.store(h, H.DECISIONS_HEAD, (h[H.DECISIONS_HEAD]! + this.#decisionFields) | 0);
  }

  /** Shows that the worker's loop still turns, and how late it was. */
  beat(lagMs: number, heapBytes: number): void {
    this.#a.header[H.HEARTBEAT]!++;
    this.#a.vitals[VITAL.LOOP_LAG_MS] = lagMs;
    this.#a.vitals[VITAL.HEAP_BYTES] = heapBytes;
  }

  /** How hard it sheds (core/pressure.ts), and for what it has turned requests away lately: a bit for each SHED code. */
  tellOverload(pressure: number, shedding: number): void {
    this.#a.vitals[VITAL.PRESSURE] = pressure;
    this.#a.vitals[VITAL.SHEDDING] = shedding;
  }

  #offsetOf(kind: number, a: number, b: number, c: number, width: number): number {
    const k1 = (kind << 28) | (a << 14) | b;
    const last = this.#last;
    const place = kind * 3;
    if (last[place] === k1 && last[place + 1] === c) return last[place + 2]!;
    const offset = this.#lookUp(k1, c, width);
    last[place] = k1;
    last[place + 1] = c;
    last[place + 2] = offset;
    return offset;
  }

  #lookUp(k1: number, c: number, width: number): number {
    let at = Math.imul(k1 ^ Math.imul(c + 0x9e37, 0x85ebca6b), 0xc2b2ae35) >>> 16;
    const { keys } = this.#a;
    for (;;) {
      const cell = this.#hash[at]! - 1;
      if (cell < 0) return this.#newCell(at, k1, c, width);
      if (keys[cell * 3] === k1 && keys[cell * 3 + 1] === c) return keys[cell * 3 + 2]!;
      at = (at + 1) & (HASH - 1);
    }
  }

  /** There is always room: lane.ts has as much of it as the caps of all kinds, and a last cell of each. */
  #newCell(at: number, k1: number, c: number, width: number): number {
    const { header, keys } = this.#a;
    const cell = header[H.CELLS]!;
    const offset = header[H.VALUES]!;
    const kind = (k1 >>> 28) as CellKind;
    const a = (k1 >>> 14) & OTHER;
    const b = k1 & OTHER;
    const cells = this.#cells[kind]!;
    if (cells >= fineCapOf(kind)) {
      const isCoarse = b === coarseB(kind, b) && c === coarseC(kind, c);
      if (!isCoarse) return this.#offsetOf(kind, a, coarseB(kind, b), coarseC(kind, c), width);
      const isLast = b === OTHER && a === lastA(kind, a) && c === lastC(kind);
      const isFull = cells >= CELL_CAPS[kind] - 1 || !hasCoarse(kind);
      if (isFull && !isLast) return this.#offsetOf(kind, lastA(kind, a), OTHER, lastC(kind), width);
    }
    this.#cells[kind]! = cells + 1;
    keys[cell * 3] = k1;
    keys[cell * 3 + 1] = c;
    keys[cell * 3 + 2] = offset;
    this.#hash[at] = cell + 1;
    header[H.VALUES] = offset + width;
    Atomics.store(header, H.CELLS, cell + 1);
    return offset;
  }
}
