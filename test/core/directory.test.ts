// The directory of cohort rows: found, remembered, and never mixed up while the control plane lends rows anew.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { asnKeyOf, cohortPath, countryKeyOf, EDGE_COHORT, pathOf } from '../../src/core/cohort.ts';
import { type Lent, rowOf, writeDirectory } from '../../src/core/directory.ts';
import { Selector, seeded } from '../../src/core/selector.ts';
import { COHORT_ROWS, shapeOf, TableReader, TableWriter } from '../../src/core/table.ts';
import { contextOf, endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

const COUNTRIES = Array.from({ length: 20 }, (_, i) => `A${String.fromCharCode(65 + i)}`);
const snapshot = () =>
  snapshotOf(
    Array.from({ length: COUNTRIES.length + 1 }, (_, slot) => endpointSpec(slot, { id: `e${slot}` })),
    [
      poolSpec(
        'one',
        Array.from({ length: COUNTRIES.length + 1 }, (_, i) => i),
        0,
        { exploreRatio: 0 },
      ),
    ],
  );

function directory() {
  const { table, ...structure } = snapshot();
  const shape = shapeOf(structure);
  const writer = new TableWriter(table, shape);
  const reader = new TableReader(table, shape);
  let generation = 0;
  const lend = (lent: readonly Lent[]) => {
    writeDirectory(writer.ints, writer.doubles, shape, ++generation, lent);
    writer.publish();
    reader.refresh();
  };
  return { reader, lend };
}

describe('the directory', () => {
  it('sends everybody to the root row while nothing is lent', () => {
    const { reader, lend } = directory();
    const path = pathOf('203.0.113.9', 'DE', 3320);
    expect(rowOf(reader, 0, path)).toBe(0);
    lend([]);
    expect(rowOf(reader, 0, path)).toBe(0);
    expect(path.seenKey).toBe(EDGE_COHORT);
  });

  it('gives the row of the narrowest cohort that has one in place of that root', () => {
    const { reader, lend } = directory();
    const path = pathOf('203.0.113.9', 'DE', 3320);
    lend([{ root: 0, key: path.countryKey, row: 4 }]);
    expect([rowOf(reader, 0, path), path.seenKey]).toEqual([4, path.countryKey]);
    lend([
      { root: 0, key: path.countryKey, row: 4 },
      { root: 0, key: path.asnKey, row: 5 },
    ]);
    expect([rowOf(reader, 0, path), path.seenKey]).toEqual([5, path.asnKey]);
    lend([
      { root: 0, key: path.prefixKey, row: 6 },
      { root: 1, key: path.prefixKey, row: 7 },
      { root: 0, key: asnKeyOf(3321), row: 8 },
    ]);
    expect([rowOf(reader, 0, path), path.seenKey]).toEqual([6, path.prefixKey]);
    expect(rowOf(reader, 1, path)).toBe(7);
    expect(rowOf(reader, 0, path)).toBe(6);
    expect(rowOf(reader, 0, pathOf('203.0.114.9', 'DE', 3322))).toBe(0);
    lend([]);
    expect([rowOf(reader, 0, path), path.seenKey]).toEqual([0, EDGE_COHORT]);
  });

  it('finds every one of as many rows as there can be', () => {
    const { reader, lend } = directory();
    const paths = Array.from({ length: COHORT_ROWS }, (_, i) => pathOf(`10.${i >> 3}.${i & 7}.1`, null, null));
    lend(paths.map((path, i) => ({ root: 0, key: path.prefixKey, row: 1 + i })));
    expect(paths.map((path) => rowOf(reader, 0, path))).toEqual(paths.map((_, i) => 1 + i));
    expect(rowOf(reader, 0, pathOf('192.0.2.1', 'DE', 7))).toBe(0);
  });

  it('never gives a client another cohort’s endpoint while another thread lends the rows anew', async () => {
    const shared = snapshot();
    const worker = new Worker(new URL('../support/directory-writer.ts', import.meta.url), {
      workerData: { snapshot: shared, countries: COUNTRIES, everyMs: 0.05 },
    });
    try {
      await once(worker, 'message');
      const selector = new Selector(shared);
      const ctx = contextOf(seeded(1));
      const paths = COUNTRIES.map((country) => cohortPath(countryKeyOf(country), 0, 0));
      const wrong: string[] = [];
      let own = 0;
      for (let i = 0; i < 400_000; i++) {
        const k = i % COUNTRIES.length;
        ctx.place = paths[k]!;
        const slot = selector.pick(0, ctx);
        const isOwn = selector.cohort === paths[k]!.countryKey;
        if (slot !== (isOwn ? k : COUNTRIES.length)) wrong.push(`${COUNTRIES[k]} got ${slot} of ${selector.row}`);
        if (isOwn) own++;
      }
      expect(wrong).toEqual([]);
      expect(own / 400_000).toBeGreaterThan(0.6);
      expect(own / 400_000).toBeLessThan(0.95);
    } finally {
      await worker.terminate();
    }
  });
});
