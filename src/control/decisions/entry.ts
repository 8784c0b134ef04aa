// One captured decision in memory: what the worker wrote (core/decision.ts) and the row of the table it was made from,
// joined. Numbers and references only; words are made when somebody asks (record.ts).

import { cohortName, LEVEL, levelOf } from '../../core/cohort.ts';
import { DECISION, DECISION_FIELDS, type PickState } from '../../core/decision.ts';
import { MAX_LANES, type PoolSpec, type Snapshot } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CI, ROW_INTS, rowShapeAt, type TableReader } from '../../core/table.ts';

/** How the attempt went. Times in ms, -1 = there was none. */
export interface Settled {
  readonly outcome: number;
  readonly status: number;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bytes: number;
  readonly atMs: number;
  /** The worker itself stood still for so long meanwhile: above 0 it measured no times but the whole. */
  readonly stalledMs: number;
  /** Key of the client's country; EDGE_COHORT = not known. */
  readonly country: number;
}

export interface Entry {
  readonly id: number;
  readonly version: number;
  readonly sequence: number;
  readonly row: number;
  readonly lane: number;
  /** On the monotonic clock, and as a date: told once, so that it stays the same whenever it is asked for. */
  readonly atMs: number;
  readonly dateMs: number;
  readonly route: string;
  readonly residency: readonly string[];
  readonly cohort: number;
  readonly every: number;
  readonly isDrawn: boolean;
  readonly role: number;
  readonly place: number;
  /** In flight at the choice from that worker alone. */
  readonly ownInflight: number;
  readonly state: PickState;
  /** That it alone keeps in memory. */
  readonly bytes: number;
  settled: Settled | null;
  /** What the selector's code had to be asked for, once somebody has: most of what a record costs. */
  told: { readonly propensities: Float64Array; readonly compared: readonly number[] } | null;
}

/** A version's row, copied once for all decisions that were made from it. */
export type RowCopy = Pick<PickState, 'pool' | 'endpoints' | 'head' | 'indexes' | 'flags' | 'terms'>;

const OVERHEAD_BYTES = 1024;

/** Copies a row from the version that `table` has been turned to. `width`: candidates that count. */
export function copyRow(snapshot: Snapshot, table: TableReader, pool: PoolSpec, index: number, width: number): RowCopy {
  const { at, ints, doubles } = rowShapeAt(table.shape, index);
  const indexes = Int32Array.from({ length: width }, (_, i) => table.ints[ints + i * CANDIDATE_INTS + CI.INDEX]!);
  const endpoints = Array.from(indexes, (index) => snapshot.endpoints[pool.endpoints[index]!]!);
  return {
    pool,
    endpoints,
    indexes,
    head: table.ints.slice(at, at + ROW_INTS),
    flags: Int32Array.from(endpoints, (_, i) => table.ints[ints + i * CANDIDATE_INTS + CI.FLAGS]!),
    terms: table.doubles.slice(doubles, doubles + width * CANDIDATE_DOUBLES),
  };
}

/** Joins what lies at `base` with its row; null when it does not fit, which would be a bug. `isNew`: the row is kept for it alone so far; `wallMs`: the date of the monotonic clock's 0. */
export function entryOf(
  ring: Float64Array,
  base: number,
  snapshot: Snapshot,
  table: TableReader,
  copy: RowCopy,
  isNew: boolean,
  wallMs: number,
): Entry | null {
  const read = (field: number) => ring[base + field]!;
  const id = read(DECISION.ID);
  const lane = id % MAX_LANES;
  const width = read(DECISION.WIDTH);
  const tried = read(DECISION.TRIED);
  const route = snapshot.routes.find(({ uid }) => uid === read(DECISION.ROUTE));
  if (route === undefined || copy.endpoints.length !== width || copy.endpoints.includes(undefined as never))
    return null;
  const triedAt = base + DECISION_FIELDS;
  const ownAt = triedAt + tried;
  const trialsAt = ownAt + width;
  const { others, slots } = table.shape;
  const place = read(DECISION.PLACE);
  return {
    id,
    lane,
    version: read(DECISION.VERSION),
    sequence: read(DECISION.SEQUENCE),
    row: read(DECISION.ROW),
    atMs: read(DECISION.AT_MS),
    dateMs: Math.floor(wallMs + read(DECISION.AT_MS)),
    route: route.name,
    residency: snapshot.rows[route.row]?.residency ?? [],
    cohort: read(DECISION.COHORT),
    every: read(DECISION.EVERY),
    isDrawn: read(DECISION.IS_DRAWN) === 1,
    role: read(DECISION.ROLE),
    place,
    ownInflight: ring[ownAt + place]!,
    state: {
      ...copy,
      inflight: Int32Array.from(
        copy.endpoints,
        ({ slot }, i) => ring[ownAt + i]! + table.ints[others + lane * slots + slot]!,
      ),
      trialAgesMs: read(DECISION.HAS_TRIALS) === 1 ? ring.slice(trialsAt, trialsAt + width) : new Float64Array(0),
      tried: Int32Array.from(ring.subarray(triedAt, ownAt)),
      chance: read(DECISION.CHANCE),
      turn: read(DECISION.TURN),
      nowMs: read(DECISION.AT_MS),
      hash: read(DECISION.HASH),
      mayExplore: read(DECISION.MAY_EXPLORE) === 1,
    },
    bytes: OVERHEAD_BYTES + width * 12 + (isNew ? copy.terms.byteLength + copy.flags.byteLength + width * 12 : 0),
    settled: null,
    told: null,
  };
}

/** Two letters; null = not known. Before it has settled, that of the row it was picked from alone. */
export function countryOf({ cohort, settled }: Entry): string | null {
  const key = settled !== null && settled.country > 0 ? settled.country : cohort;
  return levelOf(key) === LEVEL.COUNTRY ? cohortName(key).slice(-2) : null;
}
