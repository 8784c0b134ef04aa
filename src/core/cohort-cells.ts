// The memory of one cohort: a cell for each endpoint that it has seen, in one typed array, since there are thousands of them.
// What the numbers mean and how they come about is in cohorts.ts; here they are kept, found, faded and given up.

/** A cell forgets with this, so that it follows changes even where few samples come. */
const FADE_MS = 300_000;
/** A cell: one endpoint as one cohort sees it. */
export const CELL = { ID: 0, COUNT: 1, MEAN: 2, VARIANCE: 3, AT_MS: 4 } as const;
export const CELL_DOUBLES = 5;
const FIRST_CELLS = 4;

export interface Cohort {
  /** Key of the next wider cohort, as of the last sample. */
  parent: number;
  cells: Float64Array;
  used: number;
}

export function newCohort(parent: number): Cohort {
  return { parent, cells: new Float64Array(FIRST_CELLS * CELL_DOUBLES), used: 0 };
}

/** First double of the endpoint's cell; -1 when it has none. */
export function cellOf(cohort: Cohort, id: number): number {
  for (let at = 0; at < cohort.used * CELL_DOUBLES; at += CELL_DOUBLES)
    if (cohort.cells[at + CELL.ID] === id) return at;
  return -1;
}

function leastKnown({ cells, used }: Cohort, nowMs: number): number {
  let least = 0;
  let leastCount = Number.POSITIVE_INFINITY;
  for (let i = 0; i < used; i++) {
    const at = i * CELL_DOUBLES;
    const n = cells[at + CELL.COUNT]! * faded(nowMs - cells[at + CELL.AT_MS]!);
    if (n < leastCount) [least, leastCount] = [i, n];
  }
  return least;
}

/** Room for an endpoint: where it is least known of, if there are `most` already. Gives its first double. */
export function newCell(cohort: Cohort, id: number, most: number, nowMs: number): number {
  let i = cohort.used;
  if (i === most) i = leastKnown(cohort, nowMs);
  else {
    cohort.used++;
    if (cohort.used * CELL_DOUBLES > cohort.cells.length) {
      const more = new Float64Array(Math.min(cohort.cells.length * 2, most * CELL_DOUBLES));
      more.set(cohort.cells);
      cohort.cells = more;
    }
  }
  const at = i * CELL_DOUBLES;
  cohort.cells.fill(0, at, at + CELL_DOUBLES);
  cohort.cells[at + CELL.ID] = id;
  cohort.cells[at + CELL.AT_MS] = nowMs;
  return at;
}

/** Gives up the cells of all other endpoints. */
export function keepCells(cohort: Cohort, ids: ReadonlySet<number>): void {
  for (let i = cohort.used - 1; i >= 0; i--) {
    if (ids.has(cohort.cells[i * CELL_DOUBLES + CELL.ID]!)) continue;
    cohort.used--;
    cohort.cells.copyWithin(i * CELL_DOUBLES, cohort.used * CELL_DOUBLES, (cohort.used + 1) * CELL_DOUBLES);
  }
}

/** What is left of a count after `sinceMs`; the clock may have been set back. */
export function faded(sinceMs: number): number {
  return sinceMs <= 0 ? 1 : Math.exp(-sinceMs / FADE_MS);
}
