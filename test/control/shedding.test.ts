// What is told of requests that are turned away: the beginning and the end of each reason, once for all workers.

import { describe, expect, it } from 'vitest';
import { Shedding } from '../../src/control/shedding.ts';
import type { EventLog } from '../../src/control/types.ts';
import { SHED } from '../../src/core/cells.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';

function world(): { told: string[]; lanes: { reader: LaneReader }[]; writers: LaneWriter[]; shedding: Shedding } {
  const told: string[] = [];
  const emit = (level: string, type: string, _: string, { reason }: { reason: string }): void => {
    told.push(`${level} ${type} ${reason}`);
  };
  const buffers = [newLane(), newLane()];
  return {
    told,
    lanes: buffers.map((buffer) => ({ reader: new LaneReader(buffer) })),
    writers: buffers.map((buffer) => new LaneWriter(buffer)),
    shedding: new Shedding({ emit } as unknown as EventLog),
  };
}

describe('shedding', () => {
  it('is told when the first worker begins and when the last one ends', () => {
    const { told, lanes, writers, shedding } = world();
    shedding.look(lanes);
    expect(told).toEqual([]);
    writers[0]!.tellOverload(1, 1 << SHED.LOOP);
    shedding.look(lanes);
    writers[1]!.tellOverload(1, 1 << SHED.LOOP);
    shedding.look(lanes);
    writers[0]!.tellOverload(0, 0);
    shedding.look(lanes);
    expect(told).toEqual(['warn shedding.begin loop']);
    expect(shedding.reasons).toEqual(['loop']);
    writers[1]!.tellOverload(0, 0);
    shedding.look(lanes);
    expect(told).toEqual(['warn shedding.begin loop', 'info shedding.end loop']);
    expect(shedding.reasons).toEqual([]);
  });

  it('has as many beginnings and ends as reasons', () => {
    const { told, lanes, writers, shedding } = world();
    writers[0]!.tellOverload(1, (1 << SHED.MEMORY) | (1 << SHED.CLIENT));
    shedding.look(lanes);
    expect(shedding.reasons).toEqual(['memory', 'client']);
    writers[0]!.tellOverload(1, 1 << SHED.CLIENT);
    shedding.look(lanes);
    expect(told).toEqual(['warn shedding.begin memory', 'warn shedding.begin client', 'info shedding.end memory']);
  });
});
