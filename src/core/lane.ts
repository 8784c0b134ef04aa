// A lane is the part of the board that one worker writes and the control plane reads: live in-flight counts, metric
// cells and a ring of samples. Every array has one writer, so there are no locks; the reader may see a count a moment
// old, never a torn one (aligned 32- and 64-bit stores).
//
//   header │ in flight per slot │ directory (key → offset, append-only) │ cell values │ ring of samples │ ring of decisions
//
// A cell is found through a private hash of the worker; the directory is what lets the reader name the cells.

import { MAX_SLOTS } from './snapshot.ts';

/** What is counted. The meaning of a, b, c stands beside each; all are uids or small codes. */
export const CELL = {
  REQUESTS: 1, // route, endpoint (or OTHER: answered by Fermat), method << 10 | status
  DURATION: 2, // route                                   histogram, DURATION_BUCKETS_S
  OVERHEAD: 3, // -                                       histogram, OVERHEAD_BUCKETS_S
  FIRST_BYTE: 4, // pool, endpoint                        histogram, DURATION_BUCKETS_S
  CONNECT: 5, // endpoint                                 histogram, DURATION_BUCKETS_S
  SELECTIONS: 6, // pool, endpoint, ROLE code
  RETRIES: 7, // pool, RETRY_RESULTS index
  CONNECTIONS: 8, // listener                             gauge: goes up and down
  GEOIP: 9, // GEOIP_RESULTS index
  FAILURES: 10, // pool, endpoint, CONNECT_REASONS index << 4 | OUTCOME code    what counts against the endpoint
  HANDSHAKES: 11, // listener, HANDSHAKE_RESULTS index
  COMPRESSED: 12, // route, COMPRESS_CODINGS index
  COMPRESS_BYTES: 13, // route, COMPRESS_CODINGS index, COMPRESS_DIRECTION
  COMPRESS_MISSES: 14, // route, COMPRESS_CODINGS index, COMPRESS_MISS
  EVENTS: 15, // EVENT code, uid of a pool or route, result; the last number: a key has four bits for it
} as const;
export type CellKind = (typeof CELL)[keyof typeof CELL];

/** A uid that stands for "none of them" or "too many to name". */
export const OTHER = 0x3fff;

/** Methods with a label of their own; index 0 is every other token. */
export const METHODS = [
  'other',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'CONNECT',
] as const;
export const RETRY_RESULTS = ['success', 'failure', 'budget'] as const;
/** Why a connection to an endpoint never came about; index = CONNECT_FAILURE of data/sides.ts, plus one. */
export const CONNECT_REASONS = [
  'none',
  'refused',
  'timeout',
  'tls',
  'dns',
  'tls_expired',
  'tls_name',
  'tls_untrusted',
  'tls_plaintext',
  'tls_timeout',
  'descriptors',
] as const;
/** What is rare enough to share a kind. `b` and `c` of its cell stand beside each. */
export const EVENT = {
  HEDGE: 1, // pool, HEDGE_RESULTS index
  SHED: 2, // route, SHED_REASONS index
} as const;
/** Of a second attempt beside the first; `budget`: it was due, but could not be afforded. */
export const HEDGE_RESULTS = ['won', 'lost', 'budget'] as const;
/** Why a request was turned away: what was too much. Index = SHED. */
export const SHED_REASONS = ['loop', 'memory', 'requests', 'client', 'pool', 'endpoint'] as const;
export const SHED = {
  LOOP: 0, // the worker's event loop is late
  MEMORY: 1,
  REQUESTS: 2, // in flight at the node
  CLIENT: 3, // … of one client
  POOL: 4, // … in one pool
  ENDPOINT: 5, // at every endpoint that may be asked, waiting included
} as const;
/** Of a TLS handshake with a client; `timeout`: it took too long, or longer than others could wait. */
export const HANDSHAKE_RESULTS = ['ok', 'resumed', 'failed', 'timeout'] as const;
export const COMPRESS_DIRECTION = { IN: 0, OUT: 1 } as const;
/** BUSY: sent as it was, since too many were under way; ERROR: cut, since the compressor failed. */
export const COMPRESS_MISS = { BUSY: 0, ERROR: 1 } as const;
export const GEOIP_RESULTS = ['hit', 'miss', 'cached', 'error'] as const;

/** Upper bounds in seconds; a last bucket takes the rest. */
export const DURATION_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30,
] as const;
export const OVERHEAD_BUCKETS_S = [
  0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25,
] as const;

/** How an attempt ended, as seen from the endpoint. Anything from CONNECT_FAILED on counts against it. */
export const OUTCOME = {
  OK: 0, // a response head came, and its body was whole (4xx but 429 included)
  CLIENT_GONE: 1, // the client's doing: says nothing about the endpoint
  OUTRUN: 2, // a second attempt beside it was quicker: the wait would have been longer than it was
  TOO_MANY: 3, // 429: counts in the score, not against health
  CONNECT_FAILED: 4,
  RESET: 5, // closed or reset before the whole response was there
  TIMEOUT: 6, // no first byte, or a body without progress
  BAD_RESPONSE: 7, // broke HTTP
  STATUS_5XX: 8,
} as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** Fields of one sample in the ring; every one a double. Times in ms on the process-wide monotonic clock (clock.ts). */
export const SAMPLE = {
  SLOT: 0,
  GENERATION: 1,
  COHORT: 2, // key of the cohort whose row was picked from (cohort.ts); 0 = the edge's own
  OUTCOME: 3,
  CONNECT_MS: 4, // -1 = a pooled connection was used
  FIRST_BYTE_MS: 5, // request sent → first byte of the response; -1 = none came
  TOTAL_MS: 6,
  INFLIGHT: 7, // this worker's at the slot when it was picked, itself not counted
  AT_MS: 8, // when it settled
  STATUS: 9, // 0 = none
  RETRY_AFTER_MS: 10, // 0 = none
  BYTES: 11, // response body
  ROLE: 12, // what the endpoint was picked for: ROLE of selector.ts
  DECISION: 13, // id of the decision in the other ring (core/decision.ts); 0 = the pick was not written down
  COUNTRY: 14, // keys of the cohorts that the client is of (cohort.ts); 0 = not known
  ASN: 15,
  PREFIX: 16,
} as const;
export const SAMPLE_FIELDS = 17;

const MAX_CELLS = 8192;
const VALUES = 98_304;
const RING = 8192; // samples; a power of two
/** Doubles in the ring of decisions, a power of two: one decision among 1,000 endpoints takes a thousand. */
const DECISIONS = 32_768;
const HASH = 32_768; // open addressing, a power of two, ≤ 25 % full

const HEADER_INTS = 32;
const H = {
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

interface LaneArrays {
  readonly header: Int32Array;
  readonly vitals: Float64Array;
  /** Live exchanges per slot at this worker. */
  readonly inflight: Int32Array;
  readonly keys: Int32Array;
  readonly values: Float64Array;
  readonly ring: Float64Array;
  readonly decisions: Float64Array;
}

function arraysOf(buffer: SharedArrayBuffer): LaneArrays {
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

/** Buckets of a histogram kind, or null for a counter or gauge. Seconds. */
export function bucketsOf(kind: number): readonly number[] | null {
  switch (kind) {
    case CELL.OVERHEAD:
      return OVERHEAD_BUCKETS_S;
    case CELL.DURATION:
    case CELL.FIRST_BYTE:
    case CELL.CONNECT:
      return DURATION_BUCKETS_S;
    default:
      return null;
  }
}

/** The worker's side: never throws, allocates nothing after the first sight of a cell. */
export class LaneWriter {
  readonly inflight: Int32Array;
  readonly #a: LaneArrays;
  /** hash → cell + 1; private, so that the directory stays append-only and dense. */
  readonly #hash = new Int32Array(HASH);
  /** By kind, the cell counted last: its key's two halves and its offset. Mostly the next one is the same. */
  readonly #last = new Int32Array(16 * 3);
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
    let at = Math.imul(k1 ^ Math.imul(c + 0x9e37, 0x85ebca6b), 0xc2b2ae35) >>> 17;
    const { keys } = this.#a;
    for (;;) {
      const cell = this.#hash[at]! - 1;
      if (cell < 0) return this.#newCell(at, k1, c, width);
      if (keys[cell * 3] === k1 && keys[cell * 3 + 1] === c) return keys[cell * 3 + 2]!;
      at = (at + 1) & (HASH - 1);
    }
  }

  #newCell(at: number, k1: number, c: number, width: number): number {
    const { header, keys } = this.#a;
    const cell = header[H.CELLS]!;
    const offset = header[H.VALUES]!;
    // Some room is kept for the `other` cells, one per kind, so that nothing goes uncounted.
    const isOther = ((k1 >> 14) & OTHER) === OTHER && (k1 & OTHER) === OTHER && c === 0;
    if (!isOther && (cell >= MAX_CELLS - 64 || offset + width > VALUES - 2048)) {
      const kind = k1 >>> 28;
      return this.#offsetOf(kind, OTHER, OTHER, 0, width);
    }
    keys[cell * 3] = k1;
    keys[cell * 3 + 1] = c;
    keys[cell * 3 + 2] = offset;
    this.#hash[at] = cell + 1;
    header[H.VALUES] = offset + width;
    Atomics.store(header, H.CELLS, cell + 1);
    return offset;
  }
}

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

  /** Calls `visit` for every cell there is. */
  eachCell(visit: CellVisitor): void {
    const { header, keys, values } = this.#a;
    const cells = Atomics.load(header, H.CELLS);
    for (let i = 0; i < cells; i++) {
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
