// A thread that lends the same cohorts other rows all the time, as a control plane in a hurry would. Row of cohort k: one
// candidate, slot k. Told by workerData; says 'ready', goes on until it is ended.

import { parentPort, workerData } from 'node:worker_threads';
import { countryKeyOf } from '../../src/core/cohort.ts';
import { type Lent, writeDirectory } from '../../src/core/directory.ts';
import type { Snapshot } from '../../src/core/snapshot.ts';
import {
  CANDIDATE_INTS,
  CI,
  MODE,
  ROW,
  type RowShape,
  rowShapeAt,
  shapeOf,
  TableWriter,
} from '../../src/core/table.ts';

const { snapshot, countries, everyMs } = workerData as {
  readonly snapshot: Snapshot;
  readonly countries: readonly string[];
  readonly everyMs: number;
};
const shape = shapeOf(snapshot);
const writer = new TableWriter(snapshot.table, shape);

function write(row: RowShape, slot: number): void {
  const { ints } = writer;
  ints[row.at + ROW.BAND] = 1;
  ints[row.at + ROW.ELIGIBLE] = 1;
  ints[row.at + ROW.MODE] = MODE.NORMAL;
  ints[row.ints + CI.SLOT] = slot;
  ints[row.ints + CI.INDEX] = slot;
  ints.fill(0, row.ints + CI.FLAGS, row.ints + CANDIDATE_INTS);
}

for (let generation = 1; ; generation++) {
  write(shape.rows[0]!, countries.length);
  // Some have none this time, and the others' rows are shifted.
  const lent: Lent[] = countries
    .map((country, k) => ({ root: 0, key: countryKeyOf(country), row: 1 + ((k * 7 + generation) % 512) }))
    .filter((_, k) => (k + generation) % 5 !== 0);
  for (const { key, row } of lent)
    write(
      rowShapeAt(shape, row),
      countries.findIndex((country) => countryKeyOf(country) === key),
    );
  writeDirectory(writer.ints, writer.doubles, shape, generation, lent);
  writer.publish();
  if (generation === 3) parentPort!.postMessage('ready');
  const untilMs = performance.now() + everyMs;
  while (performance.now() < untilMs);
}
