// What clients of countries get from endpoints beside everybody, between nodes: the ratios that say most are told, and a node that
// knows nothing of a country begins with what a near one told. Reads and fills core/cohorts by its memory; pure.

import { EDGE_COHORT, LEVEL, levelOf } from '../cohort.ts';
import { CELL, CELL_DOUBLES, faded } from '../cohort-cells.ts';
import type { CohortMemory, Cohorts } from '../cohorts.ts';

export interface CountryRatio {
  readonly cohort: number;
  /** Number of the endpoint in `Cohorts`. */
  readonly id: number;
  readonly ln: number;
  readonly count: number;
}

/** Fewer samples are no news. */
const LEAST_COUNT = 8;
/** And a ratio below this nobody needs to be told. */
const LEAST_LN = 0.1;
/** What another told counts as no more of our own. */
const MOST_COUNT = 16;
/** Of one ln sample, before any of our own. */
const GUESS_VARIANCE = 0.09;

/** The `most` that say most, by samples and size. O(cells). */
export function countryRatios({ cohorts }: CohortMemory, nowMs: number, most: number): CountryRatio[] {
  const ratios: CountryRatio[] = [];
  for (const { key, cells } of cohorts) {
    if (levelOf(key) !== LEVEL.COUNTRY) continue;
    for (let at = 0; at + CELL_DOUBLES <= cells.length; at += CELL_DOUBLES) {
      const count = cells[at + CELL.COUNT]! * faded(nowMs - cells[at + CELL.AT_MS]!);
      const ln = cells[at + CELL.MEAN]!;
      if (count >= LEAST_COUNT && Math.abs(ln) >= LEAST_LN)
        ratios.push({ cohort: key, id: cells[at + CELL.ID]!, ln, count });
    }
  }
  const weightOf = ({ ln, count }: CountryRatio): number => ln * ln * count;
  return ratios.sort((a, b) => weightOf(b) - weightOf(a)).slice(0, most);
}

/** Takes over what is told of countries that `cohorts` knows nothing of. Gives of how many. */
export function beginWith(cohorts: Cohorts, ratios: readonly CountryRatio[], nowMs: number): number {
  const byCountry = new Map<number, CountryRatio[]>();
  for (const ratio of ratios) {
    if (levelOf(ratio.cohort) !== LEVEL.COUNTRY || cohorts.idsOf(ratio.cohort, ids) > 0) continue;
    byCountry.set(ratio.cohort, [...(byCountry.get(ratio.cohort) ?? []), ratio]);
  }
  const told = [...byCountry].map(([key, of]) => ({ key, parent: EDGE_COHORT, cells: cellsOf(of, nowMs) }));
  if (told.length > 0) cohorts.recall({ cohorts: told, shared: [] }, (id) => id);
  return told.length;
}

const ids: number[] = [];

function cellsOf(ratios: readonly CountryRatio[], nowMs: number): Float64Array {
  const cells = new Float64Array(ratios.length * CELL_DOUBLES);
  ratios.forEach(({ id, ln, count }, i) => {
    const at = i * CELL_DOUBLES;
    cells[at + CELL.ID] = id;
    cells[at + CELL.COUNT] = Math.min(count, MOST_COUNT);
    cells[at + CELL.MEAN] = ln;
    cells[at + CELL.VARIANCE] = GUESS_VARIANCE;
    cells[at + CELL.AT_MS] = nowMs;
  });
  return cells;
}
