// The board's table: the numbers that one Snapshot's picks read, written by the control plane on every tick. Three
// versions lie side by side and a sequence number says which is current, so that a reader never waits and a writer never
// overwrites what was published last. What the numbers mean is in core/score; how they are ranked, in core/rank.ts.
//
//   header │ trial words per slot │ version 0 │ version 1 │ version 2
//   version = ints:    rows │ candidates of all rows │ in flight elsewhere [lane][slot] │ directory │ cohort rows │ theirs
//             doubles: candidates of all rows │ keys of the directory │ candidates of the cohort rows
//
// Row i is Snapshot.rows[i], as wide as it has members. Behind them are rows for cohorts whose best endpoints are others: few,
// narrow, and lent by the control plane as need be; the directory says to whom (directory.ts).

import { NONE, type Snapshot } from './snapshot.ts';

/** Ints at the head of a row. Candidates stand in order: band, overflow, other eligible ones, the rest. */
export const ROW = {
  BAND: 0,
  OVERFLOW: 1,
  ELIGIBLE: 2, // band + overflow + those that are merely too far
  EXPLORABLE: 3, // how many after the band are within the exploration ratio
  MODE: 4,
  HOME: 5, // candidate index of the incumbent, or NONE
} as const;
export const ROW_INTS = 8;

/** How a row may be picked from. */
export const MODE = {
  NORMAL: 0,
  PANIC: 1, // none is healthy, but these answer: better than nothing
  DOWN: 2, // none answers: one trial per second and endpoint
} as const;
export type Mode = (typeof MODE)[keyof typeof MODE];

/** Ints of a candidate. */
export const CI = {
  SLOT: 0,
  INDEX: 1, // in PoolSpec.endpoints
  FLAGS: 2,
  /** Not of this candidate: where in the row the member stands whose place in RowSpec.members is this one's position. */
  PLACE: 3,
} as const;
export const CANDIDATE_INTS = 4;
/**
 * Bits of CI.FLAGS. COLD: has not answered since it (re)appeared. OFF: draining, never picked. LOST: it is not where it is
 * said to be.
 */
export const FLAG = { COLD: 1, OFF: 2, LOST: 4 } as const;

/** Doubles of a candidate. Milliseconds unless said otherwise. */
export const CD = {
  NETWORK: 0,
  SERVER: 1, // W
  BASE: 2, // S0, the unloaded level of W
  GAMMA: 3, // exponent of the live load
  MEAN_INFLIGHT: 4, // under which W was measured
  ERROR_FACTOR: 5, // ≥ 1
  ERROR_ADD: 6,
  EXTRA: 7, // cost and hold-off: added at the end
  RAMP: 8, // 0…1: the share of its draws that it takes while it warms up
  WEIGHT: 9,
  WEIGHT_SUM: 10, // of this and all before it in the row, eligible ones only
  SCORE: 11, // as ranked, at the load of the tick
  COST: 12, // the part of EXTRA that is money
  KNEE: 13, // in flight from which more is a queue that nobody planned
  EXCESS_MS: 14, // what each one beyond the knee says of the wait
  PEAK: 15, // peak-sensitive time to the first byte, for `peak-ewma`
} as const;
export const CANDIDATE_DOUBLES = 16;

/** Rows for cohorts, all pools together, and candidates in each: the best ones, since nobody is sent further down anyway. */
export const COHORT_ROWS = 512;
export const COHORT_WIDTH = 16;

/** Versions side by side: current, being written, and one that a slow reader may still be in. */
const VERSIONS = 3;
const HEADER_INTS = 16;
const SEQUENCE = 0;
/** Generation and count: directory.ts. */
const DIRECTORY_INTS = 2;

export interface RowShape {
  /** NONE for a cohort row: that of the row it stands in for. */
  readonly pool: number;
  /** Candidates in it. */
  readonly width: number;
  /** Where its head lies among a version's ints. */
  readonly at: number;
  /** Where its candidates begin, among a version's ints and doubles. */
  readonly ints: number;
  readonly doubles: number;
}

export interface TableShape {
  readonly rows: readonly RowShape[];
  /** Row `rows.length + i` is `cohorts[i]`. Empty where no pool could use one. */
  readonly cohorts: readonly RowShape[];
  /** Where the directory's head lies among a version's ints, its entries, and their keys among the doubles. */
  readonly directory: number;
  readonly entries: number;
  readonly entryCount: number;
  readonly entryKeys: number;
  /** Columns of in-flight counts: one a lane, and a last, empty one for a reader that is no worker and asks "what if". */
  readonly lanes: number;
  readonly slots: number;
  /** Where the in-flight counts begin among a version's ints: [lane * slots + slot]. */
  readonly others: number;
  /** Of one version; `ints` is even. */
  readonly ints: number;
  readonly doubles: number;
  readonly bytes: number;
}

/**
 * How big a Snapshot's table is and what lies where: the same on both sides, since it follows from the structure alone. With
 * fewer `cohortRows` the rest lies where it did: such a table is the head of the full one.
 */
export function shapeOf(snapshot: Omit<Snapshot, 'table'>, cohortRows: number = cohortRowsOf(snapshot)): TableShape {
  let candidates = 0;
  const headInts = snapshot.rows.length * ROW_INTS;
  const rows = snapshot.rows.map(({ pool, members }, i): RowShape => {
    const row = {
      pool,
      width: members.length,
      at: i * ROW_INTS,
      ints: headInts + candidates * CANDIDATE_INTS,
      doubles: candidates * CANDIDATE_DOUBLES,
    };
    candidates += row.width;
    return row;
  });
  const slots = snapshot.endpoints.reduce((most, e) => Math.max(most, e.slot + 1), 0);
  const lanes = snapshot.lanes + 1;
  const others = headInts + candidates * CANDIDATE_INTS;
  const directory = others + lanes * slots;
  const entries = evenUp(directory + DIRECTORY_INTS);
  const entryCount = cohortRows * 2;
  const entryKeys = candidates * CANDIDATE_DOUBLES;
  const width = Math.min(
    rows.reduce((most, row) => Math.max(most, row.width), 0),
    COHORT_WIDTH,
  );
  const cohorts = cohortShapes(cohortRows, width, entries + entryCount * 2, entryKeys + entryCount);
  const ints = entries + entryCount * 2 + cohortRows * (ROW_INTS + width * CANDIDATE_INTS);
  const doubles = entryKeys + entryCount + cohortRows * width * CANDIDATE_DOUBLES;
  const bytes = (HEADER_INTS + evenUp(slots)) * 4 + VERSIONS * (ints * 4 + doubles * 8);
  return { rows, cohorts, directory, entries, entryCount, entryKeys, lanes, slots, others, ints, doubles, bytes };
}

function cohortShapes(count: number, width: number, firstInt: number, firstDouble: number): RowShape[] {
  return Array.from({ length: count }, (_, i) => ({
    pool: NONE,
    width,
    at: firstInt + i * ROW_INTS,
    ints: firstInt + count * ROW_INTS + i * width * CANDIDATE_INTS,
    doubles: firstDouble + i * width * CANDIDATE_DOUBLES,
  }));
}

/** None where there is nothing to choose by measurement. */
function cohortRowsOf({ pools }: Omit<Snapshot, 'table'>): number {
  return pools.some((pool) => pool.policy === 'fastest' && pool.endpoints.length > 1) ? COHORT_ROWS : 0;
}

/** A row of `shape.rows`, or a cohort's behind them. */
export function rowShapeAt({ rows, cohorts }: TableShape, index: number): RowShape {
  return index < rows.length ? rows[index]! : cohorts[index - rows.length]!;
}

/** A zeroed table: no row has a candidate until the first publish. */
export function newTable(shape: TableShape): SharedArrayBuffer {
  return new SharedArrayBuffer(shape.bytes);
}

function evenUp(n: number): number {
  return n + (n & 1);
}

function headerOf(buffer: SharedArrayBuffer, shape: TableShape): Int32Array {
  if (buffer.byteLength !== shape.bytes) {
    throw new RangeError(`table of the wrong size: expected ${shape.bytes} bytes, got ${buffer.byteLength}`);
  }
  return new Int32Array(buffer, 0, HEADER_INTS);
}

interface Version {
  readonly ints: Int32Array;
  readonly doubles: Float64Array;
}

function versionsOf(buffer: SharedArrayBuffer, shape: TableShape): readonly Version[] {
  const versionBytes = shape.ints * 4 + shape.doubles * 8;
  const first = (HEADER_INTS + evenUp(shape.slots)) * 4;
  return Array.from({ length: VERSIONS }, (_, i) => ({
    ints: new Int32Array(buffer, first + i * versionBytes, shape.ints),
    doubles: new Float64Array(buffer, first + i * versionBytes + shape.ints * 4, shape.doubles),
  }));
}

/** The control plane's side. One writer per table. */
export class TableWriter {
  readonly shape: TableShape;
  readonly #header: Int32Array;
  readonly #versions: readonly Version[];
  #writing: Version;

  constructor(buffer: SharedArrayBuffer, shape: TableShape) {
    this.shape = shape;
    this.#header = headerOf(buffer, shape);
    this.#versions = versionsOf(buffer, shape);
    this.#writing = this.#versions[(this.#header[SEQUENCE]! + 1) % VERSIONS]!;
  }

  /** The version being written. Holds an old one's numbers: every field must be written before `publish`. */
  get ints(): Int32Array {
    return this.#writing.ints;
  }
  get doubles(): Float64Array {
    return this.#writing.doubles;
  }

  /** Makes what was written current, and turns to the next version. */
  publish(): void {
    const next = (this.#header[SEQUENCE]! + 1) & 0x3fffffff;
    Atomics.store(this.#header, SEQUENCE, next);
    this.#writing = this.#versions[(next + 1) % VERSIONS]!;
  }
}

/** A worker's side: never throws, never waits, allocates nothing. */
export class TableReader {
  readonly shape: TableShape;
  /** The version of the last `refresh`. */
  ints: Int32Array;
  doubles: Float64Array;
  /**
   * When a slot last had a trial, in whole seconds: the one array here that workers write (compare-and-swap), because
   * "one trial a second" is stated per node and not per worker.
   */
  readonly trials: Int32Array;
  readonly #header: Int32Array;
  readonly #versions: readonly Version[];
  #sequence = 0;

  constructor(buffer: SharedArrayBuffer, shape: TableShape) {
    this.shape = shape;
    this.#header = headerOf(buffer, shape);
    this.trials = new Int32Array(buffer, HEADER_INTS * 4, shape.slots);
    this.#versions = versionsOf(buffer, shape);
    this.ints = this.#versions[0]!.ints;
    this.doubles = this.#versions[0]!.doubles;
    this.refresh();
  }

  /** Turns to the version that is current now. Called once a selection, so that each selection sees one version. */
  refresh(): void {
    const sequence = Atomics.load(this.#header, SEQUENCE);
    if (sequence === this.#sequence) return;
    this.#sequence = sequence;
    const version = this.#versions[sequence % VERSIONS]!;
    this.ints = version.ints;
    this.doubles = version.doubles;
  }

  /** Which version was read last. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Turns to a version published before; false when it may be being overwritten. For the one who writes, between two. */
  turnTo(sequence: number): boolean {
    if (((Atomics.load(this.#header, SEQUENCE) - sequence) & 0x3fffffff) >= VERSIONS) return false;
    this.#sequence = sequence;
    const version = this.#versions[sequence % VERSIONS]!;
    this.ints = version.ints;
    this.doubles = version.doubles;
    return true;
  }

  /** Whether what was read since `refresh` may have been overwritten meanwhile (this thread stood still for two ticks). */
  get isOverrun(): boolean {
    return ((Atomics.load(this.#header, SEQUENCE) - this.#sequence) & 0x3fffffff) >= VERSIONS - 1;
  }
}
