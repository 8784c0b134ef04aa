import { describe, expect, it } from 'vitest';
import { newTable, shapeOf, TableReader, TableWriter } from '../../src/core/table.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

const snapshot = snapshotOf(
  [0, 5, 9].map((slot) => endpointSpec(slot, { id: `e${slot}` })),
  [poolSpec('one', [0, 1], 0), poolSpec('two', [2], 1)],
  2,
);
const shape = shapeOf(snapshot);

describe('the table', () => {
  it('has a row per pool, room up to the highest slot, and a column of in-flight beyond the lanes', () => {
    expect(shape.rows.map((r) => r.width)).toEqual([2, 1]);
    expect(shape.slots).toBe(10);
    expect(shape.lanes).toBe(3);
  });

  it('shows a reader the version of its last refresh, whatever is written meanwhile', () => {
    const buffer = newTable(shape);
    const writer = new TableWriter(buffer, shape);
    const reader = new TableReader(buffer, shape);
    for (const value of [1, 2, 3, 4]) {
      writer.doubles[0] = value;
      writer.publish();
      reader.refresh();
      writer.doubles[0] = 99;
      expect(reader.doubles[0]).toBe(value);
      expect(reader.isOverrun).toBe(false);
    }
  });

  it('tells a reader that stood still for two publishes that its version may be rewritten', () => {
    const buffer = newTable(shape);
    const writer = new TableWriter(buffer, shape);
    const reader = new TableReader(buffer, shape);
    writer.publish();
    expect(reader.isOverrun).toBe(false);
    writer.publish();
    expect(reader.isOverrun).toBe(true);
    reader.refresh();
    expect(reader.isOverrun).toBe(false);
  });

  it('refuses a buffer of another structure', () => {
    expect(() => new TableReader(new SharedArrayBuffer(64), shape)).toThrow(/expected \d+ bytes, got 64/);
  });
});
