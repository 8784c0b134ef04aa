// What `workers: auto` is: by cores, and by memory where that is bounded.

import { describe, expect, it } from 'vitest';
import { autoWorkers } from '../../../src/control/config/workers.ts';

const MIB = 2 ** 20;

describe('workers: auto', () => {
  it('is one for each core where memory is not bounded, up to the most there can be', () => {
    expect([1, 2, 16, 64, 128].map((cores) => autoWorkers(cores, 0))).toEqual([1, 2, 16, 64, 64]);
    expect(autoWorkers(32, 2 ** 64)).toBe(32);
  });

  it('is no more than the memory of a container holds, and never none', () => {
    expect([64, 256, 512, 1024].map((mib) => autoWorkers(64, mib * MIB))).toEqual([1, 1, 2, 10]);
    expect(autoWorkers(4, 64 * 1024 * MIB)).toBe(4);
  });
});
