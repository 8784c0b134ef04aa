// The directory of cohort rows: (root row, cohort) → row, a part of every version of the table. Most of the time it is empty,
// and then a pick pays one compare. Else the narrowest cohort of the client that has a row is found by open addressing and
// remembered with the client's place under the directory's generation, so that the usual request pays two compares.
//
//   ints: generation │ count ‖ [root row + 1, row] per entry        doubles: cohort key per entry
//
// Torn reads: it is read between `refresh` and `isOverrun`, as all of a version; nothing is remembered of one that was
// overrun.

import { type CohortPath, EDGE_COHORT } from './cohort.ts';
import { NONE } from './snapshot.ts';
import type { TableReader, TableShape } from './table.ts';

/** Ints at the head of the directory. A generation is never used twice by a process, and never 0. */
export const DIRECTORY = { GENERATION: 0, COUNT: 1 } as const;

/** What the control plane has lent out: row `row` (roots first, cohort rows behind) serves `key` in place of `root`. */
export interface Lent {
  readonly root: number;
  readonly key: number;
  readonly row: number;
}

/** Writes a version's directory whole, unless it has this generation already. */
export function writeDirectory(
  ints: Int32Array,
  doubles: Float64Array,
  shape: TableShape,
  generation: number,
  lent: Iterable<Lent>,
): void {
  const { directory: head, entries: first, entryCount } = shape;
  if (ints[head + DIRECTORY.GENERATION] === generation) return;
  ints.fill(0, first, first + entryCount * 2);
  let count = 0;
  for (const { root, key, row } of lent) {
    let i = hashOf(root, key) & (entryCount - 1);
    while (ints[first + i * 2] !== 0) i = (i + 1) & (entryCount - 1);
    ints[first + i * 2] = root + 1;
    ints[first + i * 2 + 1] = row;
    doubles[shape.entryKeys + i] = key;
    count++;
  }
  ints[head + DIRECTORY.COUNT] = count;
  ints[head + DIRECTORY.GENERATION] = generation;
}

/**
 * The row that serves this client in place of `root`: of its prefix, else its ASN, else its country, else `root` itself; whose
 * it is, in `path.seenKey`. In the version of the last refresh. Never throws, allocates nothing.
 */
export function rowOf(table: TableReader, root: number, path: CohortPath): number {
  const { ints, shape } = table;
  if (ints[shape.directory + DIRECTORY.COUNT] === 0) {
    path.seenKey = EDGE_COHORT;
    path.seenGeneration = 0;
    return root;
  }
  const generation = ints[shape.directory + DIRECTORY.GENERATION]!;
  if (path.seenGeneration === generation && path.seenRoot === root) return path.seenRow;
  let key = path.prefixKey;
  let row = find(table, root, key);
  if (row === NONE) {
    key = path.asnKey;
    row = find(table, root, key);
  }
  if (row === NONE) {
    key = path.countryKey;
    row = find(table, root, key);
  }
  path.seenKey = row === NONE ? EDGE_COHORT : key;
  path.seenRow = row === NONE ? root : row;
  path.seenRoot = root;
  path.seenGeneration = table.isOverrun ? 0 : generation;
  return path.seenRow;
}

function find(table: TableReader, root: number, key: number): number {
  if (key === EDGE_COHORT) return NONE;
  const { ints, doubles, shape } = table;
  const mask = shape.entryCount - 1;
  let i = hashOf(root, key) & mask;
  // Bounded, since a version under the writer's hands may have no empty place.
  for (let looked = 0; looked <= mask; looked++) {
    const owner = ints[shape.entries + i * 2]!;
    if (owner === 0) return NONE;
    if (owner === root + 1 && doubles[shape.entryKeys + i] === key) {
      const row = ints[shape.entries + i * 2 + 1]!;
      return row < shape.rows.length + shape.cohorts.length ? row : NONE;
    }
    i = (i + 1) & mask;
  }
  return NONE;
}

/** Both halves of the key count: prefixes of one provider differ in the low bits, IPv6 ones in the high. */
function hashOf(root: number, key: number): number {
  const h =
    Math.imul(key | 0, 0x9e3779b1) ^ Math.imul((key / 4294967296) | 0, 0x85ebca6b) ^ Math.imul(root, 0xc2b2ae35);
  return (h ^ (h >>> 15)) >>> 0;
}
